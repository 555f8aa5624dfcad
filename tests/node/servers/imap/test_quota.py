"""GETQUOTA, GETQUOTAROOT, SETQUOTA, and what is refused as over the quota."""

from __future__ import annotations

import imaplib
from typing import Any

import pytest
import trio

from node.store.directory import quotas
from node.store.directory.quotas import Amount

pytestmark = pytest.mark.anyio
LETTER = b"Subject: x\r\n\r\n" + b"y" * 500 + b"\r\n"


async def limit(house: Any, storage: int, messages: int = 0, use: str = "person") -> None:
    target = house.ann.address if use == "person" else house.ann.address.partition("@")[2]
    await house.database.write(lambda tx: quotas.put(tx, use, target, Amount(storage, messages)))  # type: ignore[arg-type]


async def test_without_a_limit_there_is_no_root(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready("")
        assert (await client.ok("GETQUOTAROOT INBOX"))[:-1] == [b"* QUOTAROOT INBOX"]
        assert b"[NONEXISTENT]" in await client.no(f"GETQUOTA {house.ann.address}")
        assert b" QUOTA=RES-STORAGE" in (await client.ok("CAPABILITY"))[0]


async def test_what_is_held_and_what_may_be(serving: Any) -> None:
    async with serving() as house:
        await house.deliver(LETTER)
        await limit(house, 10 << 10, 5)
        client = await house.ready("")
        root = house.ann.address.encode()
        assert (await client.ok('GETQUOTAROOT "no such mailbox"'))[:-1] == [
            b'* QUOTAROOT "no such mailbox" ' + root,
            b"* QUOTA " + root + b" (STORAGE 1 10 MESSAGE 1 5)",
        ]
        assert (await client.ok(f"GETQUOTA {house.ann.address}"))[0].endswith(b"(STORAGE 1 10 MESSAGE 1 5)")
        assert b"[NONEXISTENT]" in await client.no(f"GETQUOTA {house.bob.address}"), "nor anybody else's"
        assert b"[NOPERM]" in await client.no(f"SETQUOTA {house.ann.address} (STORAGE 99999)")
        await limit(house, 0, 7)
        assert (await client.ok(f"GETQUOTA {house.ann.address}"))[0].endswith(b"(MESSAGE 1 7)")


async def test_a_copy_counts_as_a_message_and_its_octets_not_again(serving: Any) -> None:
    async with serving() as house:
        await house.deliver(LETTER)
        await limit(house, len(LETTER), 2)
        client = await house.ready()
        await client.ok("COPY 1 Archive")
        kilobytes = -(-len(LETTER) // 1024)
        told = b"(STORAGE %d %d MESSAGE 2 2)" % (kilobytes, len(LETTER) // 1024)
        assert (await client.ok(f"GETQUOTA {house.ann.address}"))[0].endswith(told)
        assert b"[OVERQUOTA]" in await client.no("COPY 1 Archive")
        await limit(house, len(LETTER) + 20)
        assert (await client.append("INBOX", b"Subject: small\r\n\r\n")).startswith(b"OK")
        assert b"[OVERQUOTA]" in await client.append("INBOX", b"Subject: one more\r\n\r\n")


async def test_append_over_the_quota_is_refused_and_move_is_not(serving: Any) -> None:
    async with serving() as house:
        await house.deliver(LETTER)
        await limit(house, 2 * len(LETTER) - 1)
        client = await house.ready()
        assert b"[OVERQUOTA]" in await client.append("INBOX", LETTER)
        assert (await client.append("INBOX", b"Subject: small\r\n\r\n")).startswith(b"OK")
        await client.ok("MOVE 1 Archive")
        await client.ok("SELECT Archive")
        await client.ok("STORE 1 +FLAGS (\\Deleted)")
        status = await client.ok("STATUS Archive (DELETED DELETED-STORAGE)")
        assert status[0] == b"* STATUS Archive (DELETED 1 DELETED-STORAGE %d)" % len(LETTER)
        listed = await client.ok('LIST "" Archive RETURN (STATUS (DELETED-STORAGE))')
        assert b"* STATUS Archive (DELETED-STORAGE %d)" % len(LETTER) in listed
        await client.ok("EXPUNGE")
        assert (await client.append("INBOX", LETTER)).startswith(b"OK"), "there is room again"


async def test_a_domains_limit_counts_what_all_hold_together(serving: Any) -> None:
    async with serving() as house:
        await house.deliver(LETTER)
        await limit(house, len(LETTER), use="domain")
        bob = await house.ready("", "bob")
        assert b"[OVERQUOTA]" in await bob.append("INBOX", LETTER)
        assert (await bob.ok("GETQUOTAROOT INBOX"))[:-1] == [b"* QUOTAROOT INBOX"], "what others hold is not told"


@pytest.mark.parametrize(
    "command",
    ["GETQUOTA", "GETQUOTAROOT", "SETQUOTA x", "SETQUOTA x (STORAGE)", "SETQUOTA x (STORAGE -1)", "GETQUOTA a b"],
)
async def test_what_is_no_such_command(serving: Any, command: str) -> None:
    async with serving() as house:
        client = await house.ready("")
        assert (await client.run(command))[-1].startswith(b"BAD")


async def test_imaplib_reads_it(serving: Any) -> None:
    async with serving() as house:
        await house.deliver(LETTER)
        await limit(house, 4 << 10)

        def ask() -> Any:
            with imaplib.IMAP4("127.0.0.1", house.port) as client:
                client.login("ann", "pw")
                return client.getquotaroot("INBOX"), client.getquota(house.ann.address)

        roots, quota = await trio.to_thread.run_sync(ask)
        address = house.ann.address.encode()
        assert roots == ("OK", [[b"INBOX " + address], [address + b" (STORAGE 1 4)"]])
        assert quota == ("OK", [address + b" (STORAGE 1 4)"])
