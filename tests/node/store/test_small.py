"""Small contents read many at a time, and the watch that can be asked without waiting."""

from __future__ import annotations

import pytest

from node.store import blobs
from node.store.accounts import Account
from node.store.database import Database

pytestmark = pytest.mark.anyio


async def test_small_contents_come_in_one_query(database: Database) -> None:
    contents = [b"one", b"", b"three" * 1000, b"x" * (blobs.INLINE_LIMIT + 1)]
    prepared = [await blobs.prepare(database, content) for content in contents]
    ids = await database.write(lambda tx: [blobs.add(tx, each) for each in prepared])
    found = await database.read(lambda tx: dict(blobs.small(tx, [*ids, 999], blobs.INLINE_LIMIT)))
    assert found == dict(zip(ids[:3], contents[:3], strict=True))
    assert await database.read(lambda tx: dict(blobs.small(tx, ids, 3))) == {ids[0]: b"one", ids[1]: b""}
    assert await database.read(lambda tx: dict(blobs.small(tx, [], 3))) == {}


async def test_a_watch_tells_whether_it_would_wait(database: Database, account: Account) -> None:
    async with database.watch(account.id) as watch:
        assert not watch.pending
        await database.write(lambda tx: tx.touch(account.id))
        assert watch.pending
        await watch.wait()
        assert not watch.pending
