"""Tiles: how a log's hashes and entries are cut into files that never change (C2SP tlog-tiles). Pure.

https://c2sp.org/tlog-tiles. A hash tile is 256 hashes side by side, each the hash of 256^level entries; a bundle is
the 256 entries under a tile of level 0. The newest tile of each level may be partial: its first `width` hashes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from node.anchor.checkpoint import MAX_SIZE
from node.anchor.merkle import HASH_SIZE, node_hash
from node.base.errors import WaxsealError

HEIGHT = 8  # tree levels in a tile
WIDTH = 1 << HEIGHT  # hashes in a full tile
ENTRIES = -1  # the level that stands for entry bundles
MAX_LEVEL = 63

_NUMBER = r"0|[1-9][0-9]?"  # no leading zeros: one spelling for one tile
_PATH = re.compile(
    rf"tile/(?P<level>{_NUMBER}|entries)/(?P<index>(?:x[0-9]{{3}}/){{0,6}}[0-9]{{3}})(?:\.p/(?P<width>[1-9][0-9]{{0,2}}))?"
)
_LENGTH = struct.Struct(">H")


class TileError(WaxsealError):
    """A tile is missing, is none, or is not the checkpoint's; the text names it."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile's name.

    Attributes:
        level: 0 for leaf hashes, each further one 256 times coarser; `ENTRIES` for an entry bundle.
        index: its place in the level, from 0.
        width: hashes or entries in it, 1 to 256; a full one has 256.
    """

    level: int
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not ENTRIES <= self.level <= MAX_LEVEL or not 1 <= self.width <= WIDTH or not 0 <= self.index <= MAX_SIZE:
            raise ValueError(f"there is no tile {self.level}/{self.index} of width {self.width}")

    @property
    def is_full(self) -> bool:
        """True for a tile that will never be any wider."""
        return self.width == WIDTH

    @property
    def path(self) -> str:
        """Its address below the log's, for example `tile/0/x001/x234/067.p/8`."""
        groups = [f"{self.index % 1000:03}"]
        rest = self.index // 1000
        while rest:
            groups.append(f"x{rest % 1000:03}")
            rest //= 1000
        level = "entries" if self.level == ENTRIES else self.level
        return f"tile/{level}/{'/'.join(reversed(groups))}" + ("" if self.is_full else f".p/{self.width}")

    @property
    def parent(self) -> Tile:
        """The tile of the next level in which this one's own hash stands, were it full."""
        return Tile(max(self.level, 0) + 1, self.index >> HEIGHT)


def parse_path(path: str) -> Tile:
    """Read `tile/<L>/<N>[.p/<W>]` or `tile/entries/<N>[.p/<W>]`; every tile has one spelling.

    Raises:
        TileError: it is no tile's path.
    """
    match = _PATH.fullmatch(path)
    if match:
        index = int(match["index"].replace("x", "").replace("/", ""))
        width = int(match["width"] or WIDTH)
        level = ENTRIES if match["level"] == "entries" else int(match["level"])
        is_partial = match["width"] is not None
        if level <= MAX_LEVEL and index <= MAX_SIZE and (width < WIDTH if is_partial else True):
            tile = Tile(level, index, width)
            if tile.path == path:  # else zeros in front
                return tile
    raise TileError(f"no tile has the path {path[:100]!r}: see https://c2sp.org/tlog-tiles")


def width_of(level: int, index: int, size: int) -> int:
    """How wide a tile is in a tree of `size` entries; 0 when it is not there."""
    hashes = size >> (HEIGHT * max(level, 0))
    return min(max(hashes - index * WIDTH, 0), WIDTH)


def partial_tiles(size: int) -> tuple[Tile, ...]:
    """The partial hash tiles of a tree, lowest level first: between them they give its root."""
    found = []
    level, hashes = 0, size
    while hashes:
        if hashes % WIDTH:
            found.append(Tile(level, hashes // WIDTH, hashes % WIDTH))
        level, hashes = level + 1, hashes >> HEIGHT
    return tuple(found)


def tile_of(level: int, index: int, size: int) -> tuple[Tile, int, int]:
    """Where a node is found: its tile in a tree of `size` entries, and start and stop of the hashes below it.

    Args:
        level, index: of the node, as in `merkle`: it covers the entries `index << level` to `(index + 1) << level`.

    Raises:
        LookupError: the tree is not that far.
    """
    tile_level, above = divmod(level, HEIGHT)
    first = index << above
    tile_index, start = divmod(first, WIDTH)
    width = width_of(tile_level, tile_index, size)
    if start + (1 << above) > width:
        raise LookupError(f"a tree of {size} entries has no node {index} at level {level}")
    return Tile(tile_level, tile_index, width), start, start + (1 << above)


def split_hashes(content: bytes, tile: Tile) -> list[bytes]:
    """The hashes in a tile.

    Raises:
        TileError: it has another size.
    """
    if len(content) != tile.width * HASH_SIZE:
        raise TileError(f"{tile.path} has {len(content)} octets instead of {tile.width * HASH_SIZE}")
    return [content[at : at + HASH_SIZE] for at in range(0, len(content), HASH_SIZE)]


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash of the subtree over 1, 2, 4 ... 256 hashes."""
    level = list(hashes)
    while len(level) > 1:
        level = [node_hash(level[at], level[at + 1]) for at in range(0, len(level), 2)]
    return level[0]


def pack_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries as a bundle: each behind its length in two octets, big-endian."""
    return b"".join(_LENGTH.pack(len(entry)) + entry for entry in entries)


def split_bundle(content: bytes, tile: Tile) -> list[bytes]:
    """The entries in a bundle.

    Raises:
        TileError: it is cut short, or has more or fewer entries than its name says.
    """
    entries = list(_entries(content, tile))
    if len(entries) != tile.width:
        raise TileError(f"{tile.path} has {len(entries)} entries instead of {tile.width}")
    return entries


def _entries(content: bytes, tile: Tile) -> Iterator[bytes]:
    at = 0
    while at < len(content):
        stop = at + 2
        if stop <= len(content):
            at, stop = stop, stop + int.from_bytes(content[at:stop], "big")
        if stop > len(content):
            raise TileError(f"{tile.path} is cut short in an entry")
        yield content[at:stop]
        at = stop
