"""Annotations: whose they are, and what happens to them with their mailbox."""

from __future__ import annotations

import pytest

from node.base.address import Address
from node.store import accounts, mailboxes, metadata
from node.store.accounts import Account
from node.store.database import Database, Reading, Writing
from node.store.metadata import Held
from node.store.refusal import MailboxError

pytestmark = pytest.mark.anyio
MINE, OURS = "/private/comment", "/shared/comment"


async def test_private_ones_are_each_persons_and_shared_ones_everybodys(database: Database, account: Account) -> None:
    def work(tx: Writing) -> tuple[dict[str, bytes], dict[str, bytes]]:
        other = accounts.add(tx, Address("bob", "example.org"))
        for person, value in ((account.id, b"ann"), (other.id, b"bob")):
            for entry in (MINE, OURS):
                metadata.put(tx, account.id, 1, person, entry, value)
        assert metadata.held(tx, account.id, 1, other.id) == Held(1, len(MINE) + 3)
        assert metadata.held(tx, account.id, 1, account.id).entries == 2
        assert metadata.seen_by(tx, account.id, 2, account.id) == {}
        seen = [metadata.seen_by(tx, account.id, 1, person) for person in (account.id, other.id)]
        metadata.put(tx, account.id, 1, other.id, MINE, None)
        metadata.put(tx, account.id, 1, other.id, MINE, None)
        assert metadata.seen_by(tx, account.id, 1, other.id) == {OURS: b"bob"}
        return seen[0], seen[1]

    assert await database.write(work) == ({MINE: b"ann", OURS: b"bob"}, {MINE: b"bob", OURS: b"bob"})


async def test_they_move_and_go_with_their_mailbox(database: Database, account: Account) -> None:
    def seen(tx: Reading, name: str) -> dict[str, bytes]:
        found = mailboxes.find(tx, account.id, name)
        assert found is not None
        return metadata.seen_by(tx, account.id, found.id, account.id)

    def work(tx: Writing) -> None:
        for name in ("a", "a/b"):
            made = mailboxes.create(tx, account.id, name)
            metadata.put(tx, account.id, made.id, account.id, MINE, name.encode())
        mailboxes.rename(tx, account.id, "a", "c/d")
        assert seen(tx, "c/d") == {MINE: b"a"}
        assert seen(tx, "c/d/b") == {MINE: b"a/b"}
        mailboxes.delete(tx, account.id, "c/d")
        assert seen(tx, "c/d") == {}, "the level stays, its entries do not"
        assert seen(tx, "c/d/b") == {MINE: b"a/b"}
        level = mailboxes.find(tx, account.id, "c")
        assert level is not None
        metadata.put(tx, account.id, level.id, account.id, MINE, b"a level has some, too")
        mailboxes.delete(tx, account.id, "c/d/b")
        assert metadata.held(tx, account.id, 0, account.id).octets == 0

    await database.write(work)


async def test_inboxs_are_copied_when_it_is_renamed(database: Database, account: Account) -> None:
    def work(tx: Writing) -> tuple[dict[str, bytes], dict[str, bytes]]:
        inbox = mailboxes.find(tx, account.id, "INBOX")
        assert inbox is not None
        metadata.put(tx, account.id, inbox.id, account.id, MINE, b"x")
        new = mailboxes.rename(tx, account.id, "INBOX", "Old")
        return tuple(metadata.seen_by(tx, account.id, id, account.id) for id in (inbox.id, new.id))  # type: ignore[return-value]

    assert await database.write(work) == ({MINE: b"x"}, {MINE: b"x"})


async def test_copies_count(database: Database, account: Account) -> None:
    def fill(tx: Writing) -> None:
        inbox = mailboxes.find(tx, account.id, "INBOX")
        assert inbox is not None
        for number in range(metadata.MAX_OCTETS // metadata.MAX_VALUE // 2 + 1):
            entry, value = f"/private/vendor/{number}", bytes(metadata.MAX_VALUE)
            metadata.put(tx, account.id, inbox.id, account.id, entry, value)

    await database.write(fill)
    with pytest.raises(MailboxError, match="no room twice"):
        await database.write(lambda tx: mailboxes.rename(tx, account.id, "INBOX", "Old"))
    assert await database.read(lambda tx: mailboxes.find(tx, account.id, "Old")) is None
