"""Sealing: full tiles in files instead of rows, the same tree; damage is found, named and repaired."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest
import trio

from node.anchor import checkup, merkle, tiles
from node.anchor.checkpoint import Checkpoint, sign
from node.anchor.checkup import Finding
from node.anchor.log import Log, TileLost
from node.anchor.note import NoteSigner
from node.anchor.sealer import Sealer
from node.anchor.tile_reader import TileReader
from node.anchor.tiles import ENTRIES, Tile
from node.base.errors import Permanent, Temporary
from node.store import leaves, packs, tree
from node.store.blobs import Blobs
from node.store.database import Database, Reading, Writing

pytestmark = pytest.mark.anyio


def entry(index: int) -> bytes:
    return hashlib.sha256(index.to_bytes(8, "big")).digest()


class Naive:
    """All perfect subtrees over the entries, in memory."""

    def __init__(self) -> None:
        self.levels: list[list[bytes]] = [[]]

    def grow(self, size: int) -> None:
        self.levels = [[merkle.leaf_hash(entry(index)) for index in range(size)]]
        while len(below := self.levels[-1]) > 1:
            self.levels.append([merkle.node_hash(*below[at : at + 2]) for at in range(0, len(below) - 1, 2)])

    def read(self, level: int, index: int) -> bytes:
        return self.levels[level][index]


NAIVE = Naive()
NAIVE.grow(66_100)


async def grow(database: Database, size: int) -> None:
    def work(tx: Writing) -> None:
        for index in range(tree.size(tx), size):
            assert Log().append(tx, entry(index)) == index

    await database.write(work)


def files(database: Database) -> list[Path]:
    return sorted((database.path.parent / "blobs").glob("??/*"))


async def rows(database: Database) -> tuple[int, int]:
    connection = apsw.Connection(str(database.path))
    ((entries, nodes),) = connection.execute("SELECT (SELECT count(*) FROM log_entry), (SELECT count(*) FROM node)")
    connection.close()
    return entries, nodes


def agrees(tx: Reading, size: int, sample: int = 15) -> None:
    """Roots, proofs, entries and tiles are those of the naive tree."""
    log, chance = Log(), random.Random(size)
    assert log.size(tx) == size
    for _ in range(sample):
        at = chance.randint(1, size)
        index, old = chance.randrange(at), chance.randint(1, at)
        root = merkle.root(at, NAIVE.read)
        assert log.root(tx, at) == root
        proof = log.inclusion_proof(tx, index, at)
        assert merkle.verify_inclusion(merkle.leaf_hash(entry(index)), index, at, proof, root)
        proof = log.consistency_proof(tx, old, at)
        assert merkle.verify_consistency(old, at, merkle.root(old, NAIVE.read), root, proof)
        assert log.entry(tx, index) == entry(index)
        reader = TileReader(at, root)
        reader.add({tile: log.tile(tx, tile) for tile in reader.needed_for_inclusion(index)})
        assert reader.inclusion_proof(index) == log.inclusion_proof(tx, index, at)
        for bundle in reader.bundles(index, index + 1):
            assert reader.entries(bundle, log.tile(tx, bundle))[index % 256] == entry(index)


@pytest.mark.parametrize("pack_tiles", [1, 2, 3])
async def test_a_sealed_log_is_the_same_log(database: Database, pack_tiles: int) -> None:
    sealer = Sealer(database, pack_tiles)
    for size in (1, 255, 256, 257, 512, 513, 769, 1000, 1025, 1400):
        await grow(database, size)
        await sealer.seal()
        await database.read(lambda tx, size=size: agrees(tx, size, 8))
        sealed = await database.read(lambda tx: packs.end(tx, 0))
        assert sealed == (size - 1) // 256 // pack_tiles * pack_tiles
        assert await database.read(lambda tx: packs.end(tx, ENTRIES)) == sealed
        entries, nodes = await rows(database)
        assert entries == size - 256 * sealed
        assert nodes <= entries + 2 * sealed
        assert await sealer.seal() == 0
        assert await checkup.check(database) == []


async def test_every_partial_tile_of_every_size(database: Database) -> None:
    await grow(database, 1030)
    await Sealer(database, 2).seal()

    def look(tx: Reading) -> None:
        for size in range(1, 1031):
            for tile in tiles.partial_tiles(size):
                expected = NAIVE.levels[8 * tile.level][tile.index * 256 : tile.index * 256 + tile.width]
                assert Log().tile(tx, tile) == b"".join(expected)
        for bundle in (Tile(ENTRIES, 0), Tile(ENTRIES, 3, 200), Tile(ENTRIES, 4, 6)):
            expected = [entry(bundle.index * 256 + place) for place in range(bundle.width)]
            assert tiles.split_bundle(Log().tile(tx, bundle), bundle) == expected
        for beyond in (Tile(0, 4, 7), Tile(0, 5, 1), Tile(1, 0, 5), Tile(2, 0, 1), Tile(ENTRIES, 4, 7), Tile(9, 0, 1)):
            with pytest.raises(LookupError):
                Log().tile(tx, beyond)
        with pytest.raises(LookupError):
            Log().entry(tx, 1030)

    await database.read(look)


async def test_what_is_sealed_is_no_garbage(database: Database) -> None:
    await grow(database, 600)
    await Sealer(database, 1).seal()
    for path in files(database):
        os.utime(path, (1, 1))
    assert await Blobs(database, database.path.parent).collect() == 0
    await database.read(lambda tx: agrees(tx, 600))


async def test_rows_that_were_changed_are_never_sealed(database: Database) -> None:
    await grow(database, 300)
    change(database, 'UPDATE log_entry SET entry = zeroblob(32) WHERE "index" = 7')
    with pytest.raises(Permanent, match="the rows under the log's tile/0/000 are not those that were logged"):
        await Sealer(database, 1).seal()
    assert files(database) == []
    assert await rows(database) == (300, sum(300 >> level for level in range(1, 9)))
    found = await checkup.check(database)
    assert [finding.where for finding in found] == ["node 3 of level 1"]


async def test_with_a_broken_disk_the_rows_stay(database: Database) -> None:
    await grow(database, 600)
    place = database.path.parent / "blobs"
    place.write_bytes(b"no directory")
    with pytest.raises(Temporary):
        await Sealer(database, 1).seal()
    assert (await rows(database))[0] == 600
    place.unlink()
    assert await Sealer(database, 1).seal() == 2
    await database.read(lambda tx: agrees(tx, 600))


async def test_a_pack_that_another_process_made_is_not_made_twice(database: Database) -> None:
    await grow(database, 600)
    first, second = Sealer(database, 1), Sealer(database, 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(first._seal_pack, 0, 0)
        nursery.start_soon(second._seal_pack, 0, 0)
    assert await database.read(lambda tx: packs.end(tx, 0)) == 1
    await first.seal()
    assert await checkup.check(database) == []
    for path in files(database):
        os.utime(path, (1, 1))
    await Blobs(database, database.path.parent).collect()
    assert len(files(database)) == 4
    await database.read(lambda tx: agrees(tx, 600))


def change(database: Database, statement: str) -> None:
    connection = apsw.Connection(str(database.path))
    connection.execute(statement)
    connection.close()


# --- one level up: 65,536 entries and more, which fill a tile of level 1 ----------------------------------------------


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "trio"


@pytest.fixture(scope="module")
async def large(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Database]:
    """66,100 entries, sealed in packs of 64 tiles at level 0 and 1 at level 1."""
    async with Database.open(tmp_path_factory.mktemp("large") / "mail.sqlite") as database:
        await grow(database, 66_100)
        await Sealer(database, 64).seal()
        await Sealer(database, 1)._seal_pack(1, 0)
        await Sealer(database, 1)._drop_rows(1)
        yield database


async def test_two_levels_of_tiles(large: Database) -> None:
    assert await large.read(lambda tx: [packs.end(tx, level) for level in (ENTRIES, 0, 1, 2)]) == [256, 256, 1, 0]
    entries, nodes = await rows(large)
    assert entries == 66_100 - 65_536
    assert nodes < 600
    await large.read(lambda tx: agrees(tx, 66_100, 40))
    assert await checkup.check(large) == []


def damaged(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


async def pack_file(database: Database, level: int, first: int) -> Path:
    pack = await database.read(lambda tx: packs.find(tx, level, first))
    assert pack is not None
    connection = apsw.Connection(str(database.path))
    ((name,),) = connection.execute("SELECT file FROM blob WHERE id = ?", (pack.blob_id,))
    connection.close()
    return database.path.parent / "blobs" / str(name)


async def repaired(database: Database) -> list[Finding]:
    found = await checkup.check(database)
    for finding in found:
        assert await checkup.repair(database, finding, entries_again)
    assert await checkup.check(database) == []
    return found


def entries_again(_tx: Reading, start: int, stop: int) -> list[bytes]:
    return [entry(index) for index in range(start, stop)]


@pytest.mark.parametrize(
    ("level", "first", "how"),
    [(0, 64, "missing"), (0, 192, "rotten"), (1, 0, "rotten"), (ENTRIES, 128, "missing"), (ENTRIES, 0, "cut")],
)
async def test_a_damaged_pack_is_named_and_repaired(large: Database, level: int, first: int, how: str) -> None:
    damaged(await pack_file(large, level, first), how)
    tile = Tile(level, first + (0 if level == 1 else 50))
    with pytest.raises(TileLost, match=rf"the log's {tile.path} .*run `waxseal log check --repair`"):
        await large.read(lambda tx: Log().tile(tx, tile))
    await large.write(tree.size)  # mail goes on
    (found,) = await repaired(large)
    assert tile.path in found.where or Tile(level, first).path in found.where
    await large.read(lambda tx: agrees(tx, 66_100))
    assert len(files(large)) == 4 + 4 + 1


async def test_bundles_and_tiles_lost_together_are_made_again_from_the_entries(large: Database) -> None:
    for level in (ENTRIES, 0, 1):
        damaged(await pack_file(large, level, 0), "missing")
    assert len(await repaired(large)) == 3
    await large.read(lambda tx: agrees(tx, 66_100))


async def test_what_cannot_be_made_again_is_said(large: Database) -> None:
    path = await pack_file(large, ENTRIES, 0)
    content = path.read_bytes()
    damaged(path, "missing")
    (finding,) = await checkup.check(large)
    assert not await checkup.repair(large, finding)
    assert not await checkup.repair(large, finding, lambda _tx, start, stop: [bytes(32)] * (stop - start))
    path.write_bytes(content)
    assert await checkup.check(large) == []


async def test_a_signed_root_that_is_not_the_trees_is_found(database: Database) -> None:
    await grow(database, 20)
    signer = NoteSigner("waxseal.test/log", bytes(32))
    for size, root in ((10, await database.read(lambda tx: Log().root(tx, 10))), (11, bytes(32))):
        note = sign(Checkpoint(signer.name, size, root), signer).encode()
        await database.write(lambda tx, size=size, note=note: leaves.put_checkpoint(tx, size, note, 1))
    assert [finding.where for finding in await checkup.check(database)] == ["the checkpoint of 11 entries"]
    change(database, "DELETE FROM checkpoint")
    change(database, 'DELETE FROM log_entry WHERE "index" = 4')
    assert [finding.where for finding in await checkup.check(database)] == ["entries 0 to 19"]


# --- killed -----------------------------------------------------------------------------------------------------------

_PROGRAM = """
import hashlib, sys
from pathlib import Path
import trio
from node.anchor.log import Log
from node.anchor.sealer import Sealer
from node.base.log import configure
from node.store import tree
from node.store.database import Database

configure("error")

async def main(path):
    async with Database.open(path) as database, trio.open_nursery() as nursery:
        async def seal():
            while True:
                await Sealer(database, 1).seal()
                await trio.sleep(0)
        nursery.start_soon(seal)
        def more(tx):
            for _ in range(100):
                index = tree.size(tx)
                Log().append(tx, hashlib.sha256(index.to_bytes(8, "big")).digest())
            return tree.size(tx)
        while True:
            print(await database.write(more), flush=True)

trio.run(main, Path(sys.argv[1]))
"""


@pytest.mark.slow
async def test_killed_at_any_moment_no_entry_is_lost(tmp_path: Path) -> None:
    path, chance, told = tmp_path / "mail.sqlite", random.Random(5), 0
    for _ in range(6):
        told = await trio.to_thread.run_sync(_grow_until_killed, path, chance.randint(1, 12), told)
        async with Database.open(path) as database:
            size = await database.read(tree.size)
            assert size >= told
            assert size % 100 == 0
            await database.read(lambda tx, size=size: agrees(tx, size, 5))
            assert await checkup.check(database) == []
    assert told > 600
    assert files_of(path)


def files_of(path: Path) -> list[Path]:
    return list((path.parent / "blobs").glob("??/*"))


def _grow_until_killed(path: Path, lines: int, told: int) -> int:
    with subprocess.Popen([sys.executable, "-c", _PROGRAM, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in range(lines):
            told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
    return told
