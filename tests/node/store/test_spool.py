"""The spool, the change feed's cursors, and the log's rows."""

from __future__ import annotations

import apsw
import pytest

from node.store import blobs, changes, leaves, mailboxes, spool, tree
from node.store.accounts import Account
from node.store.database import Database, Writing
from node.store.spool import Entry

pytestmark = pytest.mark.anyio


async def test_the_spool_keeps_its_promises(database: Database) -> None:
    prepared = await blobs.prepare(database, b"outgoing")

    def put(tx: Writing) -> list[Entry]:
        blob_id = blobs.add(tx, prepared)
        return [
            spool.add(tx, blob_id, "ann@example.org", f"{name}@example.net", next_attempt=when, expires=900)
            for name, when in (("late", 300), ("soon", 100), ("now", 50))
        ]

    late, soon, now = await database.write(put)
    assert await database.read(lambda tx: spool.due(tx, 100)) == [now, soon]
    assert await database.read(lambda tx: spool.due(tx, 1000, limit=1)) == [now]
    assert await database.read(spool.next_due) == 50
    await database.write(lambda tx: spool.defer(tx, now.id, 400, "451 later"))
    again = await database.read(lambda tx: spool.get(tx, now.id))
    assert again is not None
    assert (again.attempts, again.next_attempt, again.last_reply) == (1, 400, "451 later")
    await database.write(lambda tx: spool.done(tx, soon.id))
    assert await database.read(spool.count) == 2
    assert await database.read(spool.next_due) == late.next_attempt
    assert await database.read(lambda tx: spool.get(tx, soon.id)) is None
    for entry in (late, now):
        await database.write(lambda tx, e=entry: spool.done(tx, e.id))
    assert await database.read(spool.next_due) is None
    assert await database.read(spool.count) == 0
    fresh = await database.write(put)
    assert min(entry.id for entry in fresh) > max(late.id, soon.id, now.id)  # a number is never given out twice


async def test_a_spooled_blob_must_be_there(database: Database) -> None:
    with pytest.raises(apsw.ConstraintError):
        await database.write(lambda tx: spool.add(tx, 99, "", "bob@example.net", next_attempt=1, expires=2))


async def test_a_listener_reads_on_from_its_cursor(database: Database, account: Account) -> None:
    seen = await database.read(lambda tx: changes.after(tx, 0))
    assert [one.seq for one in seen] == list(range(1, len(seen) + 1))
    assert {one.kind for one in seen} == {"mailbox"}
    assert await database.read(lambda tx: changes.cursor(tx, "offload")) == 0
    await database.write(lambda tx: changes.advance(tx, "offload", seen[-1].seq))
    await database.write(lambda tx: changes.advance(tx, "offload", 1))  # never back
    assert await database.read(lambda tx: changes.cursor(tx, "offload")) == seen[-1].seq
    made = await database.write(lambda tx: mailboxes.create(tx, account.id, "new"))
    (new,) = await database.read(lambda tx: changes.after(tx, changes.cursor(tx, "offload")))
    assert (new.mailbox_id, new.uid, new.kind, new.account_id) == (made.id, 0, "mailbox", account.id)
    assert await database.read(lambda tx: changes.since(tx, account.id, new.modseq - 1)) == [new]
    assert await database.read(lambda tx: changes.since(tx, account.id, new.modseq)) == []
    assert len(await database.read(lambda tx: changes.after(tx, 0, limit=3))) == 3


async def test_the_newest_change_is_never_trimmed(database: Database, account: Account) -> None:
    last = await database.read(changes.last)
    await database.write(lambda tx: changes.trim(tx, last))
    (left,) = await database.read(lambda tx: changes.after(tx, 0))
    assert left.seq == last
    await database.write(lambda tx: mailboxes.create(tx, account.id, "new"))
    assert await database.read(changes.last) == last + 1


async def test_the_log_is_append_only(database: Database) -> None:
    assert await database.read(tree.size) == 0
    for index in range(3):
        await database.write(lambda tx, i=index: tree.put_entry(tx, i, bytes([i]) * 32))
    assert await database.read(tree.size) == 3
    assert await database.read(lambda tx: tree.entry(tx, 2)) == bytes([2]) * 32
    assert await database.read(lambda tx: tree.entry(tx, 3)) is None
    with pytest.raises(apsw.ConstraintError):
        await database.write(lambda tx: tree.put_entry(tx, 1, bytes(32)))
    await database.write(lambda tx: tree.put_node(tx, 1, 0, b"node"))
    assert await database.read(lambda tx: tree.find_node(tx, 1, 0)) == b"node"
    assert await database.read(lambda tx: tree.find_node(tx, 1, 1)) is None


async def test_what_a_leaf_is_made_of_is_kept_until_its_salt_is_shredded(database: Database) -> None:
    for index in range(3):
        sha256 = bytes([index % 2]) * 32
        row = leaves.Leaf(index, b"salt", sha256, "received", 100 + index)
        await database.write(lambda tx, row=row: leaves.put_leaf(tx, row))
    assert await database.read(lambda tx: leaves.leaf(tx, 1)) == leaves.Leaf(1, b"salt", b"\1" * 32, "received", 101)
    assert await database.read(lambda tx: leaves.leaf(tx, 3)) is None
    assert [one.index for one in await database.read(lambda tx: leaves.find(tx, bytes(32)))] == [0, 2]
    assert [one.index for one in await database.read(lambda tx: leaves.leaves(tx, 1, 3))] == [1, 2]
    with pytest.raises(apsw.ConstraintError):
        await database.write(lambda tx: leaves.put_leaf(tx, leaves.Leaf(1, b"", bytes(32), "received", 1)))
    await database.write(lambda tx: leaves.forget(tx, 1))
    forgotten = await database.read(lambda tx: leaves.leaf(tx, 1))
    assert forgotten is not None
    assert (forgotten.message_sha256, forgotten.salt) == (b"", b"")


async def test_checkpoints(database: Database) -> None:
    assert await database.read(leaves.latest_checkpoint) is None
    for size, note in ((5, b"five"), (9, b"nine"), (9, b"nine again"), (7, b"seven")):
        await database.write(lambda tx, s=size, n=note: leaves.put_checkpoint(tx, s, n, 1))
    assert await database.read(leaves.latest_checkpoint) == leaves.Checkpoint(9, b"nine again", 1)
    assert await database.read(lambda tx: leaves.checkpoint(tx, 5)) == leaves.Checkpoint(5, b"five", 1)
