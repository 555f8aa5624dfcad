"""Replicas: sent, confirmed, looked after, dropped; reading when this store has lost something; repair."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from sqlalchemy import bindparam, update

from node.base.errors import Temporary
from node.ipfs.blockstore import BlockCorrupt, BlockMissing, LocalBlocks
from node.ipfs.cid import Cid, Codec
from node.ipfs.repair import Repair
from node.ipfs.replication import FIRST_SECONDS, Place, Policy, Replication
from node.ipfs.tiered import Source, TieredBlocks
from node.ipfs.unixfs import CLASSIC, Block, Builder, blocks_of, read
from node.net.ipfs.gateway import Gateway
from node.net.ipfs.kubo import Kubo
from node.net.ipfs.pinning import PinningService
from node.store import blobs, parts, replicas
from node.store.database import Database
from node.store.replicas import State
from node.store.schema import part
from node.store.statement import Statement, same
from node.store.transaction import Writing
from tests.node.ipfs.http_server import Request, SpecService, serving_http

pytestmark = pytest.mark.anyio

Serving = Callable[..., AbstractAsyncContextManager[Any]]
_ORPHAN = Statement(update(part).where(same(part.c.reference)).values(blob_id=bindparam("none")))


@dataclass
class Shelf:
    """A place in memory, for what a daemon would not do on request: refuse, lose, lie."""

    name: str = "kubo:shelf"
    trees: dict[str, bytes] = field(default_factory=dict)
    broken: bool = False
    sent: int = 0

    async def send(self, root: str, car: Callable[[], AsyncGenerator[bytes, None]], _size: int) -> str:
        self.sent += 1
        if self.broken:
            raise Temporary("the shelf is broken")
        self.trees[root] = b"".join([piece async for piece in car()])
        return ""

    async def holds(self, root: str, _request: str) -> bool | None:
        return root in self.trees or None

    async def drop(self, root: str, _request: str) -> None:
        if self.broken:
            raise Temporary("the shelf is broken")
        self.trees.pop(root, None)


@dataclass
class Store:
    """A block store with a database that names its trees."""

    database: Database
    local: LocalBlocks
    directory: Path
    now: float = 1_000_000

    async def add(self, size: int, seed: int = 1) -> tuple[Cid, bytes]:
        """A stored tree of random content that a part names, as offload leaves it; its root and content."""
        content = random.Random(seed).randbytes(size)
        builder, blocks = Builder(CLASSIC), list[Block]()
        for at in range(0, size, CLASSIC.chunk):
            blocks += builder.leaf(content[at : at + CLASSIC.chunk])
        last, root = builder.finish()
        await self.local.put([*blocks, *last])
        reference = hashlib.sha256(content).digest()[:16]
        prepared = await blobs.prepare(self.database, content[:64])

        def work(tx: Writing) -> None:
            parts.begin(tx, reference, position=0, header=b"", profile="", size=size)
            key = parts.WrappedKey(1, b"wrapped")
            parts.keep(tx, reference, blobs.add(tx, prepared), bytes(root.cid), key)

        await self.database.write(work)
        return root.cid, content

    async def remove(self, content: bytes) -> None:
        """What the end of its message makes of a part."""
        reference = hashlib.sha256(content).digest()[:16]
        await self.database.write(lambda tx: tx.execute(_ORPHAN, reference=reference, none=None))

    def replication(
        self, places: list[Any], policy: Policy | None = None, sources: list[Any] | None = None
    ) -> Replication:
        blocks = TieredBlocks(self.local, sources or [], keep=(policy or Policy()).keep_local)
        return Replication(self.database, blocks, places, policy or Policy(), clock=lambda: self.now)

    async def leaves(self, root: Cid) -> list[Cid]:
        return [cid async for cid in blocks_of(self.local.get, root) if cid.codec is Codec.RAW]

    def file(self, cid: Cid) -> Path:
        return self.directory / "blocks" / f"{cid.digest[0]:02x}" / str(cid)

    async def state(self, root: Cid, place: str) -> State | None:
        for state in State:
            rows = await self.database.read(partial(replicas.held, place=place, after=b"", limit=99))
            rows += await self.database.read(partial(replicas.due, place=place, now=2**40, limit=99))
            for row in rows:
                if row.root == bytes(root) and row.state is state:
                    return state
        return None


@pytest.fixture
async def store(tmp_path: Path, database: Database) -> Store:
    return Store(database, LocalBlocks(tmp_path / "blocks"), tmp_path)


# --- the queue --------------------------------------------------------------------------------------------------------


async def test_a_tree_is_sent_confirmed_and_dropped_with_its_message(store: Store) -> None:
    root, content = await store.add(600_000)
    shelf = Shelf()
    replication = store.replication([shelf])
    await replication.refresh()
    assert await replication.round(shelf)
    assert set(shelf.trees) == {str(root)}
    assert await store.state(root, shelf.name) is State.HELD
    await replication.refresh()
    await replication.round(shelf)
    assert shelf.sent == 1
    await store.remove(content)
    await replication.refresh()
    assert await replication.round(shelf)
    assert shelf.trees == {}
    assert await store.state(root, shelf.name) is None


async def test_a_place_that_is_down_makes_the_queue_grow_and_gets_all_later(store: Store) -> None:
    shelf = Shelf(broken=True)
    roots = [(await store.add(1000, seed))[0] for seed in range(10)]
    replication = store.replication([shelf])
    await replication.refresh()
    assert not await replication.round(shelf)
    assert shelf.sent == 3  # a few failures tell enough
    standing = await store.database.read(partial(replicas.standing, place=shelf.name))
    assert (standing.waiting, standing.held, standing.error) == (10, 0, "the shelf is broken")
    shelf.broken = False
    again = store.replication([shelf])  # a restart forgets nothing
    store.now += 1000
    await again.refresh()
    assert await again.round(shelf)
    assert set(shelf.trees) == set(map(str, roots))


async def test_trees_that_fail_are_tried_ever_more_rarely(store: Store) -> None:
    root, _ = await store.add(1000)
    shelf = Shelf(broken=True)
    replication = store.replication([shelf])
    await replication.refresh()
    waits = []
    for _ in range(10):
        await replication.round(shelf)
        due = await store.database.read(partial(replicas.next_due, place=shelf.name))
        assert due is not None
        waits.append(due - store.now)
        store.now = due
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]
    assert waits[0] == FIRST_SECONDS
    assert await store.state(root, shelf.name) is State.WAITING


async def test_a_message_that_goes_while_its_tree_waits_is_never_sent(store: Store) -> None:
    _, content = await store.add(1000)
    shelf = Shelf(broken=True)
    replication = store.replication([shelf])
    await replication.refresh()
    await replication.round(shelf)
    await store.remove(content)
    await replication.refresh()
    shelf.broken = False
    store.now += 1000
    await replication.round(shelf)
    assert shelf.trees == {}


async def test_a_place_that_left_the_settings_counts_no_more(store: Store) -> None:
    root, _ = await store.add(1000)
    shelf = Shelf()
    replication = store.replication([shelf])
    await replication.refresh()
    await replication.round(shelf)
    await store.replication([]).forget_strangers()
    assert await store.database.read(partial(replicas.copies, root=bytes(root))) == 0


async def test_what_a_place_lost_is_sent_again(store: Store) -> None:
    root, _ = await store.add(1000)
    shelf = Shelf()
    replication = store.replication([shelf])
    await replication.refresh()
    await replication.round(shelf)
    assert await replication.recheck(shelf) == 0
    shelf.trees.clear()
    assert await replication.recheck(shelf) == 1
    await replication.round(shelf)
    assert set(shelf.trees) == {str(root)}


async def test_it_runs_by_itself(store: Store) -> None:
    root, _ = await store.add(1000)
    held = trio.Event()

    class Telling(Shelf):
        async def holds(self, root: str, request: str) -> bool | None:
            held.set()
            return await super().holds(root, request)

    shelf = Telling()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.replication([shelf]).run)
        with trio.fail_after(60):
            await held.wait()
        nursery.cancel_scope.cancel()
    assert str(root) in shelf.trees


class Crash(BaseException):
    """The end of the process, as far as the queue can see."""


@dataclass
class Dying(Shelf):
    """The process ends at this step; what the place did until then, it did."""

    step: str = ""
    shelf: Shelf = field(default_factory=Shelf)

    def _end(self, here: str) -> None:
        if self.step == here:
            raise Crash

    async def send(self, root: str, car: Callable[[], AsyncGenerator[bytes, None]], size: int) -> str:
        self._end("before send")
        await self.shelf.send(root, car, size)
        self._end("after send")
        return ""

    async def holds(self, root: str, request: str) -> bool | None:
        self._end("before asking")
        return await self.shelf.holds(root, request)

    async def drop(self, root: str, request: str) -> None:
        self._end("before drop")
        await self.shelf.drop(root, request)
        self._end("after drop")


@pytest.mark.parametrize("step", ["before send", "after send", "before asking", "before drop", "after drop"])
async def test_a_crash_at_any_step_loses_nothing_and_leaves_nothing_behind(store: Store, step: str) -> None:
    root, content = await store.add(600_000)
    shelf = Shelf()
    dying = Dying(step=step, shelf=shelf)

    async def crash() -> None:
        replication = store.replication([dying])
        await replication.refresh()
        with pytest.raises(Crash):
            await replication.round(dying)

    async def go_on() -> None:
        replication = store.replication([shelf])
        await replication.refresh()
        assert await replication.round(shelf)

    if step.endswith("drop"):
        await go_on()
        await store.remove(content)
        await crash()
        await go_on()
        assert shelf.trees == {}
        assert await store.state(root, shelf.name) is None
    else:
        await crash()
        await go_on()
        assert set(shelf.trees) == {str(root)}
        assert await store.state(root, shelf.name) is State.HELD


async def test_a_place_that_hangs_holds_up_no_other(store: Store) -> None:
    root, _ = await store.add(1000)
    held = trio.Event()

    class Hanging(Shelf):
        async def send(self, root: str, car: Callable[[], AsyncGenerator[bytes, None]], size: int) -> str:
            await trio.sleep_forever()
            raise AssertionError

    class Telling(Shelf):
        async def holds(self, root: str, request: str) -> bool | None:
            held.set()
            return await super().holds(root, request)

    hanging, telling = Hanging("kubo:hanging"), Telling("kubo:telling")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.replication([hanging, telling]).run)
        with trio.fail_after(60):
            await held.wait()
        nursery.cancel_scope.cancel()
    assert str(root) in telling.trees


# --- local copies -----------------------------------------------------------------------------------------------------


async def test_leaves_go_once_enough_others_hold_them_and_reads_go_on(store: Store) -> None:
    root, content = await store.add(600_000)
    leaves = await store.leaves(root)
    kept = {cid: await store.local.get(cid) for cid in leaves}

    class Holding(Shelf):
        async def block(self, cid: str, is_right: Callable[[bytes], bool]) -> bytes:
            data = kept[Cid.parse(cid)]
            assert is_right(data)
            return data

    one, two = Holding("kubo:one"), Holding("kubo:two", broken=True)
    replication = store.replication([one, two], Policy(copies=2, keep_local=False))
    await replication.refresh()
    await replication.round(one)
    await replication.round(two)
    assert await replication.release() == 0
    two.broken = False
    store.now += 1000
    await replication.round(two)
    assert await replication.release() == 1
    assert [await store.local.has(cid) for cid in leaves] == [False] * len(leaves)
    blocks = TieredBlocks(store.local, [one], keep=False)
    assert b"".join([piece async for piece in read(blocks.get, root, 600_000)]) == content
    assert not await store.local.has(leaves[0])  # given up on purpose: not kept when it is read
    report = await Repair(store.database, blocks, copies=2).run()
    assert (report.elsewhere, report.repaired, report.lost_blocks) == (len(leaves), 0, 0)


async def test_leaves_stay_while_any_tree_lacks_copies_or_is_being_written(store: Store) -> None:
    root, _ = await store.add(300_000)
    shelf = Shelf()
    replication = store.replication([shelf], Policy(keep_local=False))
    await replication.refresh()
    await replication.round(shelf)
    await store.database.write(lambda tx: parts.begin(tx, b"r" * 16, position=0, header=b"", profile="", size=1))
    assert await replication.release() == 0
    await store.database.write(lambda tx: parts.forget(tx, b"r" * 16))
    await store.add(1000, 2)
    assert await replication.release() == 0
    assert await store.local.has((await store.leaves(root))[0])


async def test_the_local_copy_stays_unless_the_settings_say_otherwise(store: Store) -> None:
    root, _ = await store.add(300_000)
    shelf = Shelf()
    replication = store.replication([shelf])
    await replication.refresh()
    await replication.round(shelf)
    assert await replication.release() == 0
    assert await store.local.has((await store.leaves(root))[0])


# --- reading and repair -----------------------------------------------------------------------------------------------


def damage(store: Store, cid: Cid, how: str) -> None:
    file = store.file(cid)
    if how == "missing":
        file.unlink()
    else:
        file.write_bytes(os.urandom(10))


@pytest.mark.parametrize("how", ["missing", "rotten"])
async def test_a_lost_block_is_fetched_checked_and_written_again(store: Store, how: str) -> None:
    """The first gateway does not have it, the second lies, the third gives it."""
    root, content = await store.add(600_000)
    lost = (await store.leaves(root))[1]
    good = await store.local.get(lost)
    damage(store, lost, how)
    asked: list[str] = []

    def answering(name: str, status: int, body: bytes) -> Callable[[Request], tuple[int, bytes]]:
        def answer(_request: Request) -> tuple[int, bytes]:
            asked.append(name)
            return status, body

        return answer

    async with (
        serving_http(answering("empty", 404, b"")) as empty,
        serving_http(answering("liar", 200, b"lies")) as liar,
        serving_http(answering("good", 200, good)) as honest,
        Gateway.open(empty, "gateway:1") as one,
        Gateway.open(liar, "gateway:2") as two,
        Gateway.open(honest, "gateway:3") as three,
    ):
        sources: list[Source] = [one, two, three]
        blocks = TieredBlocks(store.local, sources)
        assert b"".join([piece async for piece in read(blocks.get, root, 600_000)]) == content
        assert asked == ["empty", "liar", "good"]
        assert await store.local.get(lost) == good
        await blocks.get(lost)
        assert len(asked) == 3


@pytest.mark.parametrize(("how", "error"), [("missing", BlockMissing), ("rotten", BlockCorrupt)])
async def test_a_block_that_nobody_has_is_a_temporary_error_that_says_who_was_asked(
    store: Store, how: str, error: type[Exception]
) -> None:
    root, _ = await store.add(600_000)
    lost = (await store.leaves(root))[0]
    damage(store, lost, how)
    async with serving_http(lambda _request: (404, b"")) as url, Gateway.open(url, "gateway:1") as gateway:
        with pytest.raises(error, match="gateway:1 does not have block") as caught:
            await TieredBlocks(store.local, [gateway]).get(lost)
        assert isinstance(caught.value, Temporary)
    with pytest.raises(error):
        await TieredBlocks(store.local, []).get(lost)


async def test_repair_mends_what_it_can_and_names_what_it_cannot(store: Store) -> None:
    root, _ = await store.add(20 * CLASSIC.chunk)
    leaves = await store.leaves(root)
    everything = {str(cid): await store.local.get(cid) for cid in [*leaves, root]}
    damage(store, leaves[0], "missing")
    damage(store, leaves[1], "rotten")
    damage(store, leaves[2], "missing")
    damage(store, root, "rotten")
    del everything[str(leaves[2])]

    def answer(request: Request) -> tuple[int, bytes]:
        data = everything.get(request.target.split("/")[2].partition("?")[0])
        return (200, data) if data is not None else (404, b"")

    seen: list[int] = []
    async with serving_http(answer) as url, Gateway.open(url, "gateway:1") as gateway:
        blocks = TieredBlocks(store.local, [gateway])
        report = await Repair(store.database, blocks, moved=lambda report: seen.append(report.trees)).run()
    assert (report.trees, report.repaired, report.lost) == (1, 3, [leaves[2]])
    assert report.blocks == len(leaves) - 3
    assert seen == [1]
    assert await store.local.get(leaves[1]) == everything[str(leaves[1])]


async def test_repair_goes_on_behind_a_tree_that_is_lost(store: Store) -> None:
    first, _ = await store.add(600_000, 1)
    second, _ = await store.add(600_000, 2)
    damage(store, first, "missing")
    damage(store, second, "missing")
    report = await Repair(store.database, TieredBlocks(store.local, [])).run()
    assert (report.trees, report.lost_blocks) == (2, 2)


# --- real places ------------------------------------------------------------------------------------------------------


@pytest.fixture
async def kubo(js_ipfs: str) -> AsyncIterator[Kubo]:
    async with Kubo.open(js_ipfs, "kubo:js", seconds=60) as opened:
        yield opened


async def test_a_real_daemon_holds_a_tree_gives_it_back_and_lets_it_go(store: Store, kubo: Kubo) -> None:
    root, content = await store.add(5 << 20, 7)
    place: Place = kubo
    replication = store.replication([place], Policy(keep_local=False), [kubo])
    await replication.refresh()
    assert await replication.round(place)
    assert await store.state(root, "kubo:js") is State.HELD
    assert await replication.release() == 1
    blocks = TieredBlocks(store.local, [kubo])
    assert b"".join([piece async for piece in read(blocks.get, root, 5 << 20)]) == content
    assert (await Repair(store.database, blocks).run()).lost_blocks == 0
    await store.remove(content)
    await replication.refresh()
    assert await replication.round(place)
    assert not await kubo.is_pinned(str(root))


async def test_a_daemon_that_is_killed_and_comes_back_gets_what_waited(
    store: Store, js_ipfs_in: Callable[[Path], AbstractContextManager[str]], tmp_path: Path
) -> None:
    root, _ = await store.add(600_000)
    with js_ipfs_in(tmp_path / "ipfs") as url:
        async with Kubo.open(url, "kubo:js", seconds=60) as kubo:
            assert await kubo.version()
    async with Kubo.open(url, "kubo:js", seconds=60) as kubo:
        replication = store.replication([kubo])
        await replication.refresh()
        assert not await replication.round(kubo)
    assert await store.state(root, "kubo:js") is State.WAITING
    store.now += 1000
    with js_ipfs_in(tmp_path / "ipfs") as url:
        async with Kubo.open(url, "kubo:js", seconds=60) as kubo:
            assert await store.replication([kubo]).round(kubo)
            assert await kubo.is_pinned(str(root))


async def test_a_pinning_service_is_asked_until_it_has_the_tree(store: Store) -> None:
    root, content = await store.add(1000)
    served = SpecService("t")
    async with serving_http(served) as url, PinningService.open(url, "pinning:spec", "t") as service:
        replication = store.replication([service])
        await replication.refresh()
        assert await replication.round(service)
        assert await store.state(root, service.name) is State.ASKED
        store.now += 1000
        assert await replication.round(service)
        assert await store.state(root, service.name) is State.HELD
        served.pins.clear()
        assert await replication.recheck(service) == 1
        await replication.round(service)
        assert served.made == 2
        await store.remove(content)
        await replication.refresh()
        await replication.round(service)
        assert served.pins == {}
