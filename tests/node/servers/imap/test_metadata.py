"""GETMETADATA and SETMETADATA over the wire, with the real store and the real log."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
import trio

from node.auth.gate import Entry
from node.auth.refusal import Refusal
from node.servers.imap.metadata import LISTED, RECEIPTS
from node.store import metadata
from node.store.accounts import Account

pytestmark = pytest.mark.anyio
MAX_VALUE, MAX_ENTRIES, MAX_OCTETS = metadata.MAX_VALUE, metadata.MAX_ENTRIES, metadata.MAX_OCTETS


def set_(entry: str, value: bytes, mailbox: str = "INBOX") -> bytes:
    return f"SETMETADATA {mailbox} ({entry} ~".encode() + b"{%d+}\r\n%b)" % (len(value), value)


async def test_set_get_and_remove(serving: Any) -> None:
    async with serving() as house:
        client, other = await house.ready(""), await house.ready("")
        assert b" METADATA" in (await client.ok("CAPABILITY"))[0]
        assert (await client.ok("GETMETADATA INBOX /private/comment"))[:-1] == [
            b"* METADATA INBOX (/private/comment NIL)"
        ]
        await client.ok('SETMETADATA inbox (/private/Comment "mine" /shared/comment "all\'s")')
        await client.ok(set_("/private/vendor/x/raw", b"a\0\r\nb"))
        for session in (client, other):
            assert (await session.ok("GETMETADATA INBOX (/shared/comment /private/vendor/x/raw /private/comment)"))[
                :-1
            ] == [
                b'* METADATA INBOX (/shared/comment "all\'s" /private/vendor/x/raw ~{5}\r\na\0\r\nb'
                b' /private/comment "mine")'
            ]
        await client.ok("SETMETADATA INBOX (/private/comment NIL /private/vendor/never/there NIL)")
        assert (await other.ok("GETMETADATA INBOX /private/comment"))[0].endswith(b"/private/comment NIL)")
        assert b"[NONEXISTENT]" in await client.no("GETMETADATA missing /private/comment")
        assert b"[NONEXISTENT]" in await client.no('SETMETADATA missing (/private/comment "x")')


async def test_depth_and_maxsize(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready("")
        for entry in ("a", "a/b", "a/b/c", "ab"):
            await client.ok(f'SETMETADATA Sent (/private/vendor/{entry} "{entry}")')

        async def names(options: str, entry: str) -> list[str]:
            lines = (await client.ok(f"GETMETADATA ({options}) Sent {entry}"))[:-1]
            return [word[16:] for line in lines for word in line.decode().strip(")").replace("(", " ").split()[3::2]]

        assert await names("DEPTH 0", "/private/vendor/a") == ["a"]
        assert await names("DEPTH 1", "/private/vendor/a") == ["a", "a/b"]
        assert await names("DEPTH infinity", "/private/vendor/a") == ["a", "a/b", "a/b/c"]
        assert await names("DEPTH 1", "/private/vendor") == ["a", "ab"]
        assert await names("DEPTH 1", "/shared") == []
        assert await names("DEPTH infinity", "(/private/vendor/a/b /private/vendor/a)") == ["a/b", "a/b/c", "a"]
        lines = await client.ok("GETMETADATA (DEPTH infinity MAXSIZE 2) Sent /private/vendor")
        assert lines == [
            b'* METADATA Sent (/private/vendor/a "a" /private/vendor/ab "ab")',
            b"OK [METADATA LONGENTRIES 5] Told",
        ]
        special = await client.ok("GETMETADATA (DEPTH 1) Sent /private")
        assert special[:-1] == [b'* METADATA Sent (/private/specialuse "\\\\Sent")']


async def test_the_server_itself(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready("")
        assert (await client.ok('GETMETADATA (DEPTH infinity) "" /shared'))[:-1] == [
            b'* METADATA "" (/shared/admin "mailto:postmaster@mx.waxseal.test"'
            b' /shared/comment "Waxseal on mx.waxseal.test")'
        ]
        for entry in ("/shared/admin", "/shared/comment", "/shared/vendor/x"):
            assert b"[NOPERM]" in await client.no(f'SETMETADATA "" ({entry} "x")')
        await client.ok('SETMETADATA "" (/private/vendor/x/seen "1")')
        assert (await client.ok('GETMETADATA "" /private/vendor/x/seen'))[0].endswith(b'seen "1")')
        bob = await house.ready("", "bob")
        assert (await bob.ok('GETMETADATA "" /private/vendor/x/seen'))[0].endswith(b"seen NIL)")


async def test_limits_and_what_cannot_be_set(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready("")
        assert b"[METADATA MAXSIZE %d]" % MAX_VALUE in await client.no(set_("/private/comment", bytes(MAX_VALUE + 1)))
        await client.ok(set_("/private/comment", b"x" * MAX_VALUE))
        for entry in ("/private/other", "/private", "/private/vendor", "/shared/admin"):
            assert b"[CANNOT]" in await client.no(f'SETMETADATA INBOX ({entry} "x")')
        for entry in ("/private/specialuse", RECEIPTS, f"{RECEIPTS}/1", "/shared/vendor/waxseal"):
            assert b"[NOPERM]" in await client.no(f"SETMETADATA INBOX (/private/comment NIL {entry} NIL)")
        many = " ".join(f'/private/vendor/{number} "x"' for number in range(MAX_ENTRIES))
        assert b"[METADATA TOOMANY]" in await client.no(f"SETMETADATA INBOX ({many})")
        kept = await client.ok("GETMETADATA (DEPTH infinity MAXSIZE 9) INBOX /private")
        assert kept == [b"OK [METADATA LONGENTRIES %d] Told" % MAX_VALUE], "all or nothing"
        await client.ok(f"SETMETADATA Junk ({many})")


async def test_octets_of_an_account(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready("")

        def fill(tx: Any) -> None:
            for number in range(MAX_OCTETS // MAX_VALUE - 1):
                metadata.put(tx, house.ann.id, 0, house.ann.id, f"/private/vendor/{number}", bytes(MAX_VALUE))

        await house.database.write(fill)
        assert b"[OVERQUOTA]" in await client.no(set_("/private/comment", b"x" * MAX_VALUE))
        await client.ok(set_("/private/comment", b"x" * 100))
        await client.ok('SETMETADATA "" (/private/vendor/0 NIL)')


async def test_a_deleted_mailboxs_entries_do_not_come_back(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready("")
        await client.ok("CREATE a")
        await client.ok('SETMETADATA a (/private/comment "old")')
        await client.ok("RENAME a b")
        assert (await client.ok("GETMETADATA b /private/comment"))[0].endswith(b'"old")')
        await client.ok("DELETE b")
        await client.ok("CREATE b")
        assert (await client.ok("GETMETADATA b /private/comment"))[0].endswith(b"NIL)")
        await client.ok("CREATE c/d")
        await client.ok('SETMETADATA c (/private/comment "only a level")')


class Shared:
    """The gate's outer seam: Bob, let into Ann's account."""

    def __init__(self, door: Any, ann: Account, bob: Account) -> None:
        self.door, self.ann, self.bob = door, ann, bob

    async def enter(self, username: str, password: str, scope: Any, peer: str) -> Entry | Refusal:
        if username != "ann/bob":
            found: Entry | Refusal = await self.door.enter(username, password, scope, peer)
            return found
        await trio.lowlevel.checkpoint()
        return Entry(self.ann, None, person=self.bob)


async def test_in_a_shared_account_everybody_has_private_entries_of_their_own(serving: Any) -> None:
    async with serving() as house:
        object.__setattr__(house.server, "gate", Shared(house.server.gate, house.ann, house.bob))
        ann, guest = await house.ready(""), await house.ready("", "ann/bob")
        await ann.ok('SETMETADATA INBOX (/private/comment "ann\'s" /shared/comment "both")')
        await guest.ok('SETMETADATA INBOX (/private/comment "bob\'s")')
        for client, own in ((ann, b"ann's"), (guest, b"bob's")):
            assert (await client.ok("GETMETADATA INBOX (/private/comment /shared/comment)"))[0].endswith(
                b'(/private/comment "%b" /shared/comment "both")' % own
            )
        await guest.ok('SETMETADATA INBOX (/shared/comment "by bob")')
        assert (await ann.ok("GETMETADATA INBOX /shared/comment"))[0].endswith(b'"by bob")')
        bob = await house.ready("", "bob")
        assert (await bob.ok("GETMETADATA INBOX (/private/comment /shared/comment)"))[0].count(b"NIL") == 2


async def test_receipts_by_name_and_below(serving: Any) -> None:
    async with serving() as house:
        asked: list[tuple[int, bytes]] = []

        async def receipt(account: Account, sha256: bytes) -> bytes | None:
            await trio.lowlevel.checkpoint()
            asked.append((account.id, sha256))
            return None if sha256 == unknown else json.dumps({"sha256": sha256.hex()}).encode()

        unknown = hashlib.sha256(b"Subject: 2\r\n\r\n").digest()
        client = await house.ready("")
        await house.fill(1)
        assert (await client.ok(f"GETMETADATA INBOX {RECEIPTS}/1"))[0].endswith(b"/1 NIL)"), "this house makes none"
        object.__setattr__(house.server, "receipt", receipt)
        await house.deliver(b"Subject: 2\r\n\r\n")
        (line, _) = await client.ok(f"GETMETADATA INBOX ({RECEIPTS}/1 {RECEIPTS}/2 {RECEIPTS}/3 {RECEIPTS}/01)")
        assert line.startswith(b'* METADATA INBOX (%b/1 "{\\"sha256\\"' % RECEIPTS.encode())
        assert line.count(b"NIL") == 3, "nothing in the log, no such message, no such name"
        assert {account for account, _ in asked} == {house.ann.id}
        asked.clear()
        await house.fill(LISTED)
        (line, _) = await client.ok(f"GETMETADATA (DEPTH 1) INBOX {RECEIPTS}")
        assert line.count(b"sha256") == len(asked) == LISTED
        assert b"receipt/1 " not in line
        asked.clear()
        await client.ok("GETMETADATA (DEPTH infinity) INBOX /private")
        await client.ok(f"GETMETADATA INBOX {RECEIPTS}")
        assert not asked
        assert b"[METADATA LONGENTRIES " in (await client.ok(f"GETMETADATA (MAXSIZE 9) INBOX {RECEIPTS}/1"))[-1]
