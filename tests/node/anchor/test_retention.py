"""A message's salt goes with its last copy; what was sent keeps it for a while, and then a rule takes it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from node.anchor import message_leaves, retention
from node.anchor.audit_trail import Check
from node.anchor.events import parse
from node.anchor.leaf import Direction, Leaf
from node.anchor.log import Log
from node.base.address import parse_address
from node.store import accounts, audit_events, blobs, leaves, mailboxes, messages, spool
from node.store.audit_events import Wanted
from node.store.blobs import Blobs
from node.store.database import Database, Writing
from node.store.message import Summary

pytestmark = pytest.mark.anyio

EARLY, LATE = 1_000, 2_000
NOTHING = Summary(b"", b"", b"", b"")


@pytest.fixture
async def store(database: Database) -> Blobs:
    def people(tx: Writing) -> None:
        for name in ("ann", "bob"):
            accounts.add(tx, parse_address(f"{name}@a.test"))

    await database.write(people)
    return Blobs(database, database.path.parent)


def accept(content: bytes, direction: Direction, time: int, *, readers: int = 0, leaves_us: bool = False):
    """A message is accepted: into so many inboxes, or the spool."""

    def work(tx: Writing) -> int:
        prepared = blobs.prepare_inline(content)
        blob = blobs.add(tx, prepared)
        for account in accounts.listing(tx)[:readers]:
            inbox = mailboxes.find(tx, account.id, "INBOX")
            assert inbox
            messages.add(tx, inbox.id, blob, prepared.size, NOTHING, internaldate=time)
        if leaves_us:
            spool.add(tx, blob, "ann@a.test", "nora@b.test", next_attempt=time, expires=time + 9, smtputf8=False)
        leaf = Leaf(prepared.sha256, direction, time, content.ljust(32, b"\0"))
        return message_leaves.append(tx, Log(), leaf)

    return work


def expunge(reader: int) -> Callable[[Writing], None]:
    def work(tx: Writing) -> None:
        inbox = mailboxes.find(tx, accounts.listing(tx)[reader].id, "INBOX")
        assert inbox
        messages.remove(tx, inbox.id, messages.uids(tx, inbox.id))

    return work


def relayed(tx: Writing) -> None:
    for entry in spool.due(tx, 1 << 40, 10):
        spool.done(tx, entry.id)


async def has_salt(database: Database, index: int) -> bool:
    row = await database.read(lambda tx: leaves.leaf(tx, index))
    assert row
    assert bool(row.salt) == bool(row.message_sha256)
    return bool(row.salt)


async def test_the_salt_goes_with_the_last_copy(database: Database, store: Blobs) -> None:
    index = await database.write(accept(b"for both", Direction.RECEIVED, EARLY, readers=2))
    await database.write(expunge(0))
    await store.collect()
    assert await has_salt(database, index), "somebody still has it"
    await database.write(expunge(1))
    assert await has_salt(database, index), "the content is still there, too"
    await store.collect()
    assert not await has_salt(database, index)
    assert await database.read(Log().size) == 1, "the tree stays whole"
    check = Check([])
    await database.read(check.begin)
    await database.read(check.entries)
    assert (check.faults, check.forgotten) == ([], 1)


async def test_what_was_sent_keeps_its_salt_for_its_sender(database: Database, store: Blobs) -> None:
    index = await database.write(accept(b"to nora", Direction.SUBMITTED, EARLY, leaves_us=True))
    await store.collect(EARLY + 1)
    assert await has_salt(database, index), "it is still in the spool"
    await database.write(relayed)
    await store.collect(EARLY)
    assert await has_salt(database, index), "its time is not over"
    assert await database.read(lambda tx: tx.value(audit_events._COUNT)) == 0


async def test_what_was_sent_long_ago_is_forgotten_by_the_rule(database: Database, store: Blobs) -> None:
    gone = await database.write(accept(b"to nora", Direction.SUBMITTED, EARLY, leaves_us=True))
    kept = await database.write(accept(b"to ann", Direction.SUBMITTED, EARLY, readers=1))
    received = await database.write(accept(b"from nora", Direction.RECEIVED, EARLY, readers=1))
    young = await database.write(accept(b"to nora, too", Direction.SUBMITTED, LATE, leaves_us=True))
    await database.write(relayed)
    await store.collect(EARLY)
    assert await database.write(lambda tx: retention.forget_sent(tx, LATE))
    assert not await database.write(lambda tx: retention.forget_sent(tx, LATE))
    assert [await has_salt(database, index) for index in (gone, kept, received, young)] == [False, True, True, True]
    (row,) = await database.read(lambda tx: audit_events.listing(tx, Wanted(kind="retention")))
    assert parse(row.document).details == {"rule": "salts_of_sent_mail", "deleted": 1, "before": LATE}
    # What somebody here still had then goes with its last copy.
    await database.write(expunge(0))
    await store.collect(LATE)
    assert [await has_salt(database, index) for index in (kept, received, young)] == [False, False, True]
    while await database.write(lambda tx: retention.forget_sent(tx, LATE + 1)):
        pass
    assert not await has_salt(database, young)


async def test_a_rule_with_nothing_to_delete_says_nothing(database: Database) -> None:
    await database.write(lambda tx: retention.note(tx, "security_events", 0))
    assert await database.read(Log().size) == 0
    await database.write(lambda tx: retention.note(tx, "security_events", 7))
    (row,) = await database.read(lambda tx: audit_events.listing(tx, Wanted()))
    assert parse(row.document).details == {"rule": "security_events", "deleted": 7}
