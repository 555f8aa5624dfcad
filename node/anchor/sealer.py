"""Sealing: full tiles move from the rows into files, in packs, while mail goes on.

A pack is written, and on disk, before a row notes it; only then the rows it stands for go, a few at a time. Killed at
any moment, the log is whole: what is in neither place does not exist, what is in both is the same.
"""

from __future__ import annotations

from functools import partial

import trio

from node.anchor import merkle, tiles
from node.anchor.log import Log, Nodes
from node.anchor.tiles import ENTRIES, HEIGHT, WIDTH, Tile
from node.base import metrics
from node.base.errors import Permanent, Temporary
from node.base.log import get_log
from node.store import blobs, packs, tree
from node.store.blobs import Prepared
from node.store.database import Database, Reading, Writing
from node.store.packs import Pack

log = get_log(__name__)

PACK_TILES = 256  # in a pack: 65,536 hashes or entries, 2 MiB
EVERY_SECONDS = 30.0
DROPPED_AT_ONCE = 1024  # rows in one transaction: about a millisecond of the writer's time
LEVELS = 8  # of tiles: a tree of 2^63 entries has no more


class Sealer:
    """Moves the log's full tiles into the blob store.

    Args:
        database: the node's.
        pack_tiles: how many tiles make a pack.
    """

    def __init__(self, database: Database, pack_tiles: int = PACK_TILES) -> None:
        self._database = database
        self._pack_tiles = pack_tiles
        self._log = Log()

    async def run(self) -> None:
        """Look every half minute, until cancelled."""
        while True:
            try:
                await self.seal()
            except Temporary as error:  # a full disk: the rows stay where they are
                log.warning("log.not_sealed", error=str(error))
            except Permanent as error:
                log.error("log.rows_damaged", error=str(error))  # noqa: TRY400 - an operator reads it
            await trio.sleep(EVERY_SECONDS)

    async def seal(self) -> int:
        """Move what is due; returns how many packs were made.

        Raises:
            Temporary: the disk is full or broken.
            Permanent: rows of the tree contradict each other; they are left as they are.
        """
        made = 0
        for level in range(LEVELS):
            await self._drop_rows(level)  # what an earlier run noted, and was killed over
            while (first := await self._database.read(partial(self._due, level=level))) is not None:
                await self._seal_pack(level, first)
                await self._drop_rows(level)
                made += 1
        return made

    def _due(self, tx: Reading, level: int) -> int | None:
        """The first tile of the next pack, once all its tiles are full and at least one more entry follows them.

        That entry keeps its row, so that the rows always tell the log's size.
        """
        first = packs.end(tx, level)
        needed = (first + self._pack_tiles) << (HEIGHT * (level + 1))
        return first if self._log.size(tx) > needed else None

    async def _seal_pack(self, level: int, first: int) -> None:
        hashes, bundles = [], []
        for index in range(first, first + self._pack_tiles):
            tile, bundle = await self._database.read(partial(_full_tile, level=level, index=index))
            hashes.append(tile)
            bundles.append(bundle)
        prepared = await blobs.prepare(self._database, b"".join(hashes), in_file=True)
        entries = await blobs.prepare(self._database, b"".join(bundles), in_file=True) if level == 0 else None
        if await self._database.write(lambda tx: self._note(tx, level, first, prepared, entries)):
            metrics.log_packs.inc()
            log.info("log.sealed", first=Tile(level, first).path, tiles=self._pack_tiles)

    def _note(self, tx: Writing, level: int, first: int, hashes: Prepared, entries: Prepared | None) -> bool:
        if packs.end(tx, level) != first:
            return False  # another process was first; the files go as strays
        if entries is not None:
            packs.put(tx, Pack(ENTRIES, first, self._pack_tiles, blobs.add(tx, entries)))
        packs.put(tx, Pack(level, first, self._pack_tiles, blobs.add(tx, hashes)))
        return True

    async def _drop_rows(self, level: int) -> None:
        """Delete the rows that packs stand for: the level's own, and those of the nodes inside its tiles."""
        stop = await self._database.read(lambda tx: packs.end(tx, level)) * WIDTH
        for inner in range(HEIGHT):
            drop = partial(tree.drop, level=HEIGHT * level + inner, stop=stop >> inner, limit=DROPPED_AT_ONCE)
            while await self._database.write(drop):
                pass


def _full_tile(tx: Reading, level: int, index: int) -> tuple[bytes, bytes]:
    """A full tile from the rows, and at level 0 its bundle, once both are known to lead to the node above them."""
    tile, nodes = Tile(level, index), Nodes(tx)
    entries = tree.entries(tx, index * WIDTH, (index + 1) * WIDTH) if level == 0 else []
    found = [merkle.leaf_hash(entry) for entry in entries] if level == 0 else nodes.hashes(tile)
    if len(found) != WIDTH or tiles.fold(found) != nodes.in_rows(HEIGHT * (level + 1), index):
        raise Permanent(
            f"the rows under the log's {tile.path} are not those that were logged: restore the newest backup"
        )
    return b"".join(found), tiles.pack_bundle(entries)
