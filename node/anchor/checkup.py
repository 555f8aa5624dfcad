"""Looking after the log: every tile against the tree, every row against its children, and repair from the entries.

Whatever is derived can be made again: hash tiles from the bundles, coarser tiles from finer ones, bundles from what
their entries were made of. A repaired pack has, byte for byte, the SHA-256 that was noted when it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from node.anchor import checkpoint, merkle, tiles
from node.anchor.log import BUNDLE_SIZE, TILE_SIZE, Nodes, TileLost, read_tile
from node.anchor.tiles import ENTRIES, HEIGHT, WIDTH, Tile, TileError
from node.base import metrics
from node.base.log import get_log
from node.store import blobs, packs, tree
from node.store.database import Database, Reading
from node.store.packs import Pack

log = get_log(__name__)

MAX_FINDINGS = 1000
_STEP = 1024  # rows looked at in one transaction
_ROOTS = 16  # the newest checkpoints whose roots are compared

EntriesAgain = Callable[[Reading, int, int], Sequence[bytes] | None]
"""The entries from start to stop, made again from what they stand for; None where that is gone."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        where: the tiles or rows, by name.
        what: what is wrong with them.
        pack: what `repair` can do something about; None for rows.
    """

    where: str
    what: str
    pack: Pack | None = None


async def check(database: Database) -> list[Finding]:
    """Everything that is wrong with the log as it is stored; empty when all is well.

    Reads everything: about four seconds for a million entries. Where more than `MAX_FINDINGS` things are wrong, not all
    of them are told.
    """
    found: list[Finding] = []
    for level in await database.read(packs.levels):
        found += await _check_packs(database, level)
    found += await _check_rows(database, MAX_FINDINGS - len(found))
    if not found:  # a lost tile was named above; the roots would only repeat it
        found += await database.read(_check_roots)
    for finding in found:
        metrics.log_damages.labels(result="found").inc()
        log.error("log.damaged", where=finding.where, what=finding.what)
    return found


async def repair(database: Database, finding: Finding, again: EntriesAgain | None = None) -> bool:
    """Write a damaged pack anew; False when what it is made from is gone or damaged, too. Hash packs need bundles
    first: repair in the order in which `check` found things.

    Raises:
        Temporary: the disk is full or broken.
    """
    pack = finding.pack
    content = await database.read(partial(_rebuilt, pack=pack, again=again)) if pack else None
    is_repaired = False
    if pack and content is not None:
        prepared = await blobs.prepare(database, content, in_file=True)
        try:
            await database.write(partial(blobs.restore, blob_id=pack.blob_id, prepared=prepared))
            is_repaired = True
        except ValueError:  # what we made is not what was written: its sources are damaged
            log.warning("log.not_repaired", where=finding.where)
    metrics.log_damages.labels(result="repaired" if is_repaired else "not_repaired").inc()
    if is_repaired:
        log.info("log.repaired", where=finding.where)
    return is_repaired


async def _check_packs(database: Database, level: int) -> list[Finding]:
    """A level's packs in their order: bundles (-1) come before the tiles that are made from them."""
    found, start = [], 0
    while (pack := await database.read(partial(packs.following, level=level, start=start))) is not None:
        if pack.first != start:
            found.append(Finding(_names(level, start, pack.first), "are in no pack"))
        found += await database.read(partial(_check_pack, pack=pack))
        start = pack.first + pack.tiles
    return found


def _check_pack(tx: Reading, *, pack: Pack) -> list[Finding]:
    bad = [(index, what) for index in range(pack.first, pack.first + pack.tiles) if (what := _fault(tx, pack, index))]
    if not bad:
        return []
    if len(bad) == pack.tiles:
        return [Finding(_names(pack.level, pack.first, pack.first + pack.tiles), bad[0][1], pack)]
    return [Finding(", ".join(Tile(pack.level, index).path for index, _ in bad), bad[0][1], pack)]


def _fault(tx: Reading, pack: Pack, index: int) -> str:
    """What is wrong with a tile in a pack, "" for nothing. What a damaged tile above hides is not held against it."""
    tile = Tile(pack.level, index)
    try:
        hashes = _hashes(tx, pack, tile)
    except TileLost as error:
        return error.why
    except TileError:
        return "is damaged"
    try:
        above = Nodes(tx).read(HEIGHT * (max(tile.level, 0) + 1), index)
    except TileLost:
        return ""
    except LookupError:
        return "has no node above it"
    return "" if tiles.fold(hashes) == above else "is damaged"


def _hashes(tx: Reading, pack: Pack, tile: Tile) -> list[bytes]:
    if tile.level == ENTRIES:
        bundle = tiles.split_bundle(read_tile(tx, pack, tile, BUNDLE_SIZE), tile)
        return [merkle.leaf_hash(entry) for entry in bundle]
    return tiles.split_hashes(read_tile(tx, pack, tile, TILE_SIZE), tile)


def _rebuilt(tx: Reading, *, pack: Pack, again: EntriesAgain | None) -> bytes | None:
    """A pack's content made again, from raw sources: the blob's SHA-256 tells whether it came out right."""
    parts = []
    for index in range(pack.first, pack.first + pack.tiles):
        part = _rebuilt_bundle(tx, index, again) if pack.level == ENTRIES else _rebuilt_tile(tx, pack.level, index)
        if part is None:
            return None
        parts.append(part)
    return b"".join(parts)


def _rebuilt_bundle(tx: Reading, index: int, again: EntriesAgain | None) -> bytes | None:
    start, stop = index * WIDTH, (index + 1) * WIDTH
    entries: Sequence[bytes] | None = tree.entries(tx, start, stop)
    if entries is not None and len(entries) < WIDTH:
        entries = again(tx, start, stop) if again else None
    return None if entries is None or len(entries) < WIDTH else tiles.pack_bundle(entries)


def _rebuilt_tile(tx: Reading, level: int, index: int) -> bytes | None:
    """A hash tile, from the rows where they are still there, else from the bundle or the 256 tiles below."""
    try:
        if level == 0:
            return b"".join(_hashes_below(tx, Tile(ENTRIES, index)))
        start = index * WIDTH
        return b"".join(tiles.fold(_hashes_below(tx, Tile(level - 1, start + place))) for place in range(WIDTH))
    except (TileLost, TileError, LookupError):
        return None


def _hashes_below(tx: Reading, tile: Tile) -> list[bytes]:
    pack = packs.find(tx, tile.level, tile.index)
    if pack is not None:
        return _hashes(tx, pack, tile)
    if tile.level == ENTRIES:
        return [merkle.leaf_hash(entry) for entry in Nodes(tx).entries(tile)]
    return Nodes(tx).hashes(tile)


async def _check_rows(database: Database, limit: int) -> list[Finding]:
    """Entries without a gap, and every inner node the hash of its children, as far as they are in rows."""
    size = await database.read(tree.size)
    found: list[Finding] = []
    for start in range(await database.read(partial(packs.end, level=0)) * WIDTH, size, _STEP):
        found += await database.read(partial(_check_entries, start=start, stop=min(start + _STEP, size)))
    for level in range(1, size.bit_length()):
        first = await database.read(partial(packs.end, level=level // HEIGHT)) * WIDTH
        for start in range(first >> (level % HEIGHT), size >> level, _STEP):
            if len(found) >= limit:
                return found  # whoever has so many needs a backup, not a list
            stop = min(start + _STEP, size >> level)
            found += await database.read(partial(_check_nodes, level=level, start=start, stop=stop))
    return found


def _check_entries(tx: Reading, *, start: int, stop: int) -> list[Finding]:
    start = max(start, packs.end(tx, 0) * WIDTH)  # sealed in the meantime
    entries = tree.entries(tx, start, stop)
    if len(entries) < stop - start:
        return [Finding(f"entries {start} to {stop - 1}", f"{stop - start - len(entries)} rows are missing")]
    return []


def _check_nodes(tx: Reading, *, level: int, start: int, stop: int) -> list[Finding]:
    start = max(start, packs.end(tx, level // HEIGHT) * WIDTH >> (level % HEIGHT))  # sealed in the meantime
    nodes = tree.nodes(tx, level, start, stop)
    if len(nodes) < stop - start:
        return [Finding(f"nodes {start} to {stop - 1} of level {level}", "rows are missing")]
    below = list(_children(tx, level, start, stop))
    if len(below) != 2 * len(nodes):
        return []  # they are in tiles, which were checked against these nodes
    return [
        Finding(f"node {start + place} of level {level}", "is not the hash of what is below it")
        for place, node in enumerate(nodes)
        if merkle.node_hash(below[2 * place], below[2 * place + 1]) != node
    ]


def _children(tx: Reading, level: int, start: int, stop: int) -> Iterator[bytes]:
    if level == 1:
        return map(merkle.leaf_hash, tree.entries(tx, 2 * start, 2 * stop))
    return iter(tree.nodes(tx, level - 1, 2 * start, 2 * stop))


def _check_roots(tx: Reading) -> list[Finding]:
    """The roots that were signed last are those of the tree as it is stored."""
    found, size = [], tree.size(tx)
    for note in tree.newest_notes(tx, _ROOTS):
        signed = checkpoint.read(note.decode())
        if signed.size > size or merkle.root(signed.size, Nodes(tx).read) != signed.root:
            what = "its root is not the tree's: restore the newest backup"
            found.append(Finding(f"the checkpoint of {signed.size} entries", what))
    return found


def _names(level: int, first: int, stop: int) -> str:
    names = Tile(level, first).path, Tile(level, stop - 1).path
    return names[0] if stop - first == 1 else f"{names[0]} to {names[1]}"
