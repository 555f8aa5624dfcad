"""The keeper on a real database and chain: first use, pace, restarts, a chain that fails, a forged past."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from node.anchor import checkpoint, tree_heads
from node.anchor.keeper import HistoryError, Keeper, Plan
from node.anchor.keys import LogKeys, open_keys
from node.anchor.log import Log
from node.base.errors import Permanent, Temporary
from node.net.chain.embedded import CHAIN_ID, EmbeddedChain
from node.net.chain.interface import Chain
from node.store import anchors, leaves
from node.store.anchors import Anchor
from node.store.database import Database

pytestmark = pytest.mark.anyio

Grow = Callable[[int], Awaitable[list[bytes]]]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def keys(tmp_path: Path) -> LogKeys:
    return open_keys(tmp_path / "keys", "waxseal.test")


@pytest.fixture
async def chain(tmp_path: Path, keys: LogKeys) -> AsyncIterator[EmbeddedChain]:
    async with EmbeddedChain.open(tmp_path / "chain", keys.chain_key) as opened:
        yield opened


@asynccontextmanager
async def running(keeper: Keeper) -> AsyncIterator[Keeper]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        with trio.fail_after(30):
            yield keeper
        nursery.cancel_scope.cancel()


def plan(chain: Chain, keys: LogKeys) -> list[Plan]:
    """The way to the embedded chain, as the settings make it, but with the connection that is open here."""

    @asynccontextmanager
    async def open_chain() -> AsyncIterator[Chain]:
        yield chain

    return [Plan(CHAIN_ID, keys.sender, open_chain, own=True)]


async def anchored(database: Database, size: int) -> Anchor:
    """The first anchor of at least `size` leaves, as soon as it is there."""
    with trio.fail_after(30):
        while True:
            newest = await database.read(anchors.latest)
            if newest and newest.size >= size:
                return newest
            await trio.sleep(0.01)


async def test_first_use_deploys_and_anchors_what_the_log_holds(
    database: Database, log: Log, grow: Grow, keys: LogKeys, chain: EmbeddedChain
) -> None:
    await grow(5)
    async with running(Keeper(database, keys, plan(chain, keys), 3600, 10_000)) as keeper:
        anchor = await keeper.anchor_now()
    assert anchor is not None
    assert (anchor.size, anchor.chain, anchor.contract) == (5, CHAIN_ID, keys.contract)
    assert anchor.root == await database.read(lambda tx: log.root(tx, 5))
    stored = await tree_heads.read_head(chain, keys.contract, keys.sender)
    assert (stored.size, stored.root, stored.block) == (5, anchor.root, anchor.block)
    row = await database.read(leaves.latest_checkpoint)
    assert row is not None
    assert checkpoint.verify(row.note.decode(), keys.log_key).root == anchor.root


async def test_an_empty_log_is_not_anchored_and_opens_no_chain(
    database: Database, keys: LogKeys, tmp_path: Path
) -> None:
    async with (
        EmbeddedChain.open(tmp_path / "chain", keys.chain_key) as chain,
        running(Keeper(database, keys, plan(chain, keys), 3600, 10_000)) as keeper,
    ):
        assert await keeper.anchor_now() is None
    assert not (tmp_path / "chain").exists()


async def test_it_anchors_when_enough_messages_wait(
    database: Database, grow: Grow, keys: LogKeys, chain: EmbeddedChain
) -> None:
    async with running(Keeper(database, keys, plan(chain, keys), 3600, 4)):
        await grow(4)
        assert (await anchored(database, 4)).size == 4


async def test_it_anchors_when_a_message_has_waited_long_enough(
    database: Database, grow: Grow, keys: LogKeys, chain: EmbeddedChain
) -> None:
    async with running(Keeper(database, keys, plan(chain, keys), 0.05, 10_000)):
        await grow(1)
        assert (await anchored(database, 1)).size == 1
        await grow(2)
        assert (await anchored(database, 3)).size == 3


async def test_nothing_is_anchored_twice(database: Database, grow: Grow, keys: LogKeys, chain: EmbeddedChain) -> None:
    await grow(3)
    first = None
    for _ in range(3):
        async with running(Keeper(database, keys, plan(chain, keys), 3600, 10_000)) as keeper:
            for _ in range(2):
                anchor = await keeper.anchor_now()
                first = first or anchor
                assert anchor == first
    assert (await chain.head()).number == first.block
    assert len(await database.read(anchors.anchors)) == 1


async def test_a_head_sent_before_a_crash_is_noted_and_not_sent_again(
    database: Database, log: Log, grow: Grow, keys: LogKeys, chain: EmbeddedChain
) -> None:
    await grow(3)
    contract = await tree_heads.deploy(chain)
    sent = await tree_heads.anchor(chain, contract, 3, await database.read(lambda tx: log.root(tx, 3)))
    async with running(Keeper(database, keys, plan(chain, keys), 3600, 10_000)) as keeper:
        anchor = await keeper.anchor_now()
        assert anchor is not None
        assert (anchor.tx_hash, anchor.block) == ("0x" + sent.hash.hex(), sent.block)
        assert (await chain.head()).number == sent.block
        await grow(1)
        later = await keeper.anchor_now()
    assert later is not None
    assert later.size == 4
    assert [row.size for row in await database.read(anchors.anchors)] == [4, 3]


async def test_both_heads_are_noted_when_the_log_grew_after_the_crash(
    database: Database, log: Log, grow: Grow, keys: LogKeys, chain: EmbeddedChain
) -> None:
    await grow(2)
    contract = await tree_heads.deploy(chain)
    await tree_heads.anchor(chain, contract, 2, await database.read(lambda tx: log.root(tx, 2)))
    await grow(2)
    async with running(Keeper(database, keys, plan(chain, keys), 3600, 10_000)) as keeper:
        await keeper.anchor_now()
    assert [row.size for row in await database.read(anchors.anchors)] == [4, 2]


@pytest.mark.parametrize(("mine", "words"), [(3, "an old backup was restored"), (8, "history was changed")])
async def test_a_log_that_contradicts_the_chain_is_never_anchored(
    database: Database, grow: Grow, keys: LogKeys, chain: EmbeddedChain, mine: int, words: str
) -> None:
    contract = await tree_heads.deploy(chain)
    await tree_heads.anchor(chain, contract, 5, b"\x55" * 32)
    await grow(mine)
    before = await chain.head()
    async with running(Keeper(database, keys, plan(chain, keys), 3600, 10_000)) as keeper:
        with pytest.raises(HistoryError, match=words):
            await keeper.anchor_now()
    assert await chain.head() == before


class Faulty:
    """A chain that cannot be reached the first times."""

    def __init__(self, chain: Chain, errors: list[Exception]) -> None:
        self.chain = chain
        self.errors = errors
        self.tries = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Chain]:
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        yield self.chain


async def test_a_chain_that_is_down_or_broken_is_tried_again_and_checkpoints_go_on(
    database: Database, grow: Grow, keys: LogKeys, chain: EmbeddedChain
) -> None:
    faulty = Faulty(chain, [Temporary("connection refused"), RuntimeError("a bug"), trio.TooSlowError()])
    await grow(2)
    async with running(
        Keeper(database, keys, [Plan(CHAIN_ID, keys.sender, faulty.open, own=True)], 3600, 10_000)
    ) as keeper:
        while faulty.errors:
            with contextlib.suppress(Temporary, RuntimeError, trio.TooSlowError):
                await keeper.anchor_now()
            row = await database.read(leaves.latest_checkpoint)
            assert row is not None
            assert row.size == 2
        anchor = await keeper.anchor_now()
    assert anchor is not None
    assert faulty.tries == 4


async def test_switched_off_it_signs_and_does_not_anchor(database: Database, grow: Grow, keys: LogKeys) -> None:
    async with running(Keeper(database, keys, [], 0.05, 1)) as keeper:
        await grow(1)
        assert (await keeper.sign_head()).size == 1
        with pytest.raises(Permanent, match="switched off"):
            await keeper.anchor_now()


ANCHORING = """
import hashlib, os, sys, trio
from functools import partial
from pathlib import Path
from node.anchor.keeper import Keeper, Plan
from node.anchor.keys import open_keys
from node.anchor.leaf import Direction, Leaf
from node.anchor.log import Log
from node.net.chain.embedded import CHAIN_ID, EmbeddedChain
from node.store.database import Database
from node.base.log import configure

configure("error")

async def main(folder):
    keys = open_keys(folder / "keys", "waxseal.test")
    open_chain = partial(EmbeddedChain.open, folder / "chain", keys.chain_key)
    async with Database.open(folder / "mail.sqlite") as database, trio.open_nursery() as nursery:
        keeper = Keeper(database, keys, [Plan(CHAIN_ID, keys.sender, open_chain, own=True)], 3600, 100_000)
        nursery.start_soon(keeper.run)
        while True:
            leaf = Leaf(os.urandom(32), Direction.RECEIVED, 1, os.urandom(32))
            await database.write(lambda tx: Log().append(tx, leaf.entry))
            print((await keeper.anchor_now()).size, flush=True)

trio.run(main, Path(sys.argv[1]))
"""


@pytest.mark.slow
async def test_killed_at_any_moment_it_never_anchors_twice_or_backwards(tmp_path: Path) -> None:
    keys, told = open_keys(tmp_path / "keys", "waxseal.test"), 0
    for number in (1, 4, 2):
        process = await trio.to_thread.run_sync(_anchor_until_killed, tmp_path, number)
        told = max([told, *process])
    async with (
        Database.open(tmp_path / "mail.sqlite") as database,
        EmbeddedChain.open(tmp_path / "chain", keys.chain_key) as chain,
    ):
        async with running(Keeper(database, keys, plan(chain, keys), 3600, 100_000)) as keeper:
            await keeper.anchor_now()
        rows = (await database.read(anchors.anchors))[::-1]
        sent = [
            (int.from_bytes(event.topics[2], "big"), "0x" + event.transaction.hex())
            for block in range((await chain.head()).number + 1)
            for event in await chain.events(keys.contract, block)
        ]
    sizes = [size for size, _ in sent]
    assert sizes == sorted(set(sizes))
    assert told <= sizes[-1]
    assert [(row.size, row.tx_hash) for row in rows] == sent


def _anchor_until_killed(folder: Path, number: int) -> list[int]:
    command = [sys.executable, "-c", ANCHORING, str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(number)]
    process.kill()
    return told + [int(line) for line in process.communicate()[0].split(b"\n")[:-1]]
