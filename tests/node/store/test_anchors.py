"""Rows of anchors and of signed transactions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from node.store import anchors
from node.store.anchors import Anchor, State
from node.store.database import Database
from node.store.upgrade import config

pytestmark = pytest.mark.anyio

ME, YOU = "0x" + "11" * 20, "0x" + "22" * 20


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "mail.sqlite") as opened:
        yield opened


def anchor(size: int, chain: int, time: int, *, confirmed: bool = True, fee: int = 0) -> Anchor:
    place = ("0xc", f"0x{size:02}{chain:02}", 10 * size, time, b"hash", ME, confirmed)
    return Anchor(0, size, b"root", chain, *place, 34_000, fee)


async def test_each_chains_smallest_covering_tree_the_earliest_first(database: Database) -> None:
    assert await database.read(anchors.latest) is None
    for one in (anchor(5, 1, 10), anchor(9, 1, 20), anchor(7, 2, 15), anchor(12, 2, 30)):
        await database.write(lambda tx, one=one: anchors.put(tx, one))
    covering = [
        [(found.size, found.chain) for found in await database.read(lambda tx, i=index: anchors.covering(tx, i))]
        for index in (0, 5, 7, 9, 12)
    ]
    assert covering == [[(5, 1), (7, 2)], [(7, 2), (9, 1)], [(9, 1), (12, 2)], [(12, 2)], []]
    latest = await database.read(anchors.latest)
    assert latest is not None
    assert (latest.size, latest.chain) == (12, 2)
    assert [one.size for one in await database.read(lambda tx: anchors.latest_on(tx, 1, ME, limit=5))] == [9, 5]
    assert await database.read(lambda tx: anchors.latest_on(tx, 1, YOU)) == []
    assert await database.read(lambda tx: anchors.latest_on(tx, 1, ME, "0xd")) == []
    assert [one.size for one in await database.read(anchors.anchors)] == [12, 7, 9, 5]


async def test_a_fee_of_any_size_and_every_field_come_back(database: Database) -> None:
    put = await database.write(lambda tx: anchors.put(tx, anchor(3, 1, 10, confirmed=False, fee=10**30)))
    assert await database.read(anchors.latest) == put
    assert (put.fee, put.confirmed, put.block_hash) == (10**30, False, b"hash")


async def test_provisional_anchors_are_confirmed_moved_and_removed(database: Database) -> None:
    for size in (3, 4, 5):
        await database.write(lambda tx, n=size: anchors.put(tx, anchor(n, 1, 10, confirmed=False)))
    waiting = await database.read(lambda tx: anchors.provisional(tx, 1, ME))
    assert [one.size for one in waiting] == [5, 4, 3]
    await database.write(lambda tx: anchors.move(tx, waiting[0].id, 99, b"new", 11))
    await database.write(lambda tx: anchors.remove(tx, waiting[1].id))
    await database.write(lambda tx: anchors.confirm(tx, 1, ME, 98))
    left = await database.read(anchors.anchors)
    assert [(one.size, one.block, one.block_hash, one.confirmed) for one in left] == [
        (5, 99, b"new", False),
        (3, 30, b"hash", True),
    ]


async def test_signed_transactions_of_a_nonce_end_together_and_come_back_together(database: Database) -> None:
    for nonce, hash in ((1, b"a"), (0, b"b"), (1, b"c")):
        row = (1, ME, nonce, hash, "" if nonce else "0xc", b"raw " + hash, 5)
        await database.write(lambda tx, row=row: anchors.put_signed(tx, *row))
    assert await database.read(lambda tx: anchors.pending(tx, 1, ME)) == [b"raw b", b"raw a", b"raw c"]
    assert await database.read(lambda tx: anchors.pending(tx, 1, YOU)) == []
    await database.write(lambda tx: anchors.over(tx, 1, ME, 1, b"a", State.MINED))
    assert await database.read(lambda tx: anchors.pending(tx, 1, ME)) == [b"raw b"]
    assert await database.read(lambda tx: anchors.created(tx, 1, ME)) == [1]
    assert await database.read(lambda tx: anchors.is_ours(tx, b"c"))
    assert not await database.read(lambda tx: anchors.is_ours(tx, b"d"))
    await database.write(lambda tx: anchors.reopen(tx, b"a"))
    assert await database.read(lambda tx: anchors.pending(tx, 1, ME)) == [b"raw b", b"raw a", b"raw c"]


async def test_anchors_from_before_there_were_several_chains_stay(tmp_path: Path) -> None:
    path, settings = tmp_path / "old.sqlite", config()
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    with engine.connect() as connection, connection.begin():
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0015")
    old = apsw.Connection(str(path))
    old.execute(
        "INSERT INTO anchor (size, root, chain, contract, tx_hash, block, time) "
        "VALUES (5, x'aa', 24225, '0xc', '0xt', 7, 9)"
    )
    old.close()
    async with Database.open(path) as database:
        (found,) = await database.read(anchors.anchors)
        assert await database.read(lambda tx: anchors.latest_on(tx, 24225, ME)) == [found]
    assert found == Anchor(1, 5, b"\xaa", 24225, "0xc", "0xt", 7, 9, b"", "", True, 0, 0)
