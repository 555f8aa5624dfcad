"""Where the log's full tiles lie: packs of tiles that follow each other, each pack one blob in a file."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select

from node.store import blobs, references
from node.store.schema import log_pack
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing


@dataclass(frozen=True, slots=True)
class Pack:
    """Tiles `first` to `first + tiles` of a level (-1: entry bundles), one behind the other in a blob."""

    level: int
    first: int
    tiles: int
    blob_id: int


_PUT = Statement(adding(log_pack))
_FIND = Statement(
    select(log_pack)
    .where(same(log_pack.c.level), log_pack.c.first <= bindparam("tile"))
    .order_by(log_pack.c.first.desc())
    .limit(1)
)
_END = Statement(select(func.coalesce(func.max(log_pack.c.first + log_pack.c.tiles), 0)).where(same(log_pack.c.level)))
_LEVELS = Statement(select(log_pack.c.level).distinct().order_by(log_pack.c.level))
_NEXT = Statement(
    select(log_pack)
    .where(same(log_pack.c.level), log_pack.c.first >= bindparam("start"))
    .order_by(log_pack.c.first)
    .limit(1)
)


def put(tx: Writing, pack: Pack) -> None:
    """Note a pack; from now on its blob is kept."""
    tx.execute(_PUT, level=pack.level, first=pack.first, tiles=pack.tiles, blob_id=pack.blob_id)
    references.hold(tx, pack.blob_id)


def find(tx: Reading, level: int, tile: int) -> Pack | None:
    """The pack that holds a tile."""
    row = tx.one(_FIND, level=level, tile=tile)
    pack = Pack(*row) if row else None
    return pack if pack and tile < pack.first + pack.tiles else None


def following(tx: Reading, level: int, start: int) -> Pack | None:
    """The first pack of a level that begins at tile `start` or later."""
    row = tx.one(_NEXT, level=level, start=start)
    return Pack(*row) if row else None


def end(tx: Reading, level: int) -> int:
    """How many tiles of a level are in packs: all from the first on."""
    tiles: int = tx.value(_END, level=level)
    return tiles


def levels(tx: Reading) -> list[int]:
    """The levels that have packs, lowest first."""
    return [level for (level,) in tx.execute(_LEVELS)]


def read(tx: Reading, pack: Pack, tile: int, size: int) -> bytes:
    """The content of one tile, each in the pack having `size` octets.

    Raises:
        Permanent: the pack is damaged.
        OSError: its file is missing or cannot be read.
    """
    return blobs.window(tx, pack.blob_id, (tile - pack.first) * size, size)
