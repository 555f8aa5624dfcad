"""Somebody else's log over HTTP (C2SP tlog-tiles): its checkpoint, hashes and entries. Nothing here is believed yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

from node.anchor import merkle, note
from node.anchor.note import NoteError
from node.base.errors import Temporary
from node.net.web_service import WebService

T = TypeVar("T")

HEIGHT = 8  # levels of the tree in one tile (C2SP tlog-tiles)
WIDTH = 1 << HEIGHT  # hashes in a full tile
REQUEST_SECONDS = 20.0
MAX_TILES = 4096  # of one computation; a consistency proof in a tree of 2^62 entries needs fewer than 20
MAX_ENTRY = 65535  # octets: what its length prefix can say


class _Missing(Exception):
    """Says which tile a computation needs next."""

    def __init__(self, level: int, index: int) -> None:
        super().__init__(level, index)
        self.place = level, index


class LogSource:
    """One log's documents below its monitoring prefix.

    Args:
        service: open at the prefix, for example https://mx.example.test/log.
    """

    def __init__(self, service: WebService) -> None:
        self._service = service
        self._tiles: dict[tuple[int, int], bytes] = {}

    async def checkpoint(self) -> str:
        """The newest signed checkpoint, unverified.

        Raises:
            Temporary, RemoteProtocolError: no answer, none in time, too long a one.
            NoteError: no text.
        """
        try:
            return (await self._get("/checkpoint", note.MAX_SIZE)).decode("utf-8")
        except UnicodeDecodeError:
            raise NoteError("the checkpoint is no UTF-8 text") from None

    async def compute(self, size: int, work: Callable[[merkle.Read], T]) -> T:
        """What `work` makes of the tree's nodes; tiles are fetched as it asks for them.

        Args:
            size: entries of the tree that the log shows now; it says how wide the newest tiles are.
            work: reads nodes that are complete at that size. It is started anew for each tile that was missing.

        Raises:
            Temporary, RemoteProtocolError: a tile cannot be had. That its hashes are right is for the caller to see.
        """
        self._tiles.clear()
        for _ in range(MAX_TILES):
            try:
                return work(self._read)
            except _Missing as missing:
                self._tiles[missing.place] = await self.tile(*missing.place, size)
        raise Temporary("the log's tiles are too many for one proof")

    def _read(self, level: int, index: int) -> bytes:
        tile_level, up = divmod(level, HEIGHT)
        first = index << up  # the leftmost of the tile's hashes below the node
        place = tile_level, first // WIDTH
        if place not in self._tiles:
            raise _Missing(*place)
        start = first % WIDTH * merkle.HASH_SIZE
        hashes = self._tiles[place][start : start + (merkle.HASH_SIZE << up)]
        if len(hashes) != merkle.HASH_SIZE << up:
            raise Temporary("a tile of the log ends before the hash that the proof needs")
        return _folded([hashes[at : at + merkle.HASH_SIZE] for at in range(0, len(hashes), merkle.HASH_SIZE)])

    async def tile(self, level: int, index: int, size: int) -> bytes:
        """The hashes of a tile in the tree of `size` entries, as many as that tree has.

        Raises:
            Temporary: it cannot be had, or is not as long as it must be.
        """
        width = min(WIDTH, (size >> (HEIGHT * level)) - index * WIDTH)
        if width <= 0:
            raise Temporary(f"the log of {size} entries has no tile {index} at level {level}")
        data = await self._wide(f"/tile/{level}/{_spelled(index)}", width, WIDTH * merkle.HASH_SIZE)
        if len(data) not in {width * merkle.HASH_SIZE, WIDTH * merkle.HASH_SIZE}:
            raise Temporary(f"tile {index} at level {level} has {len(data)} octets instead of {width} hashes")
        return data[: width * merkle.HASH_SIZE]

    async def entries(self, index: int, size: int) -> list[bytes]:
        """The entries of a bundle in the log of `size` entries, in order.

        Raises:
            Temporary: it cannot be had, or is cut short.
        """
        width = min(WIDTH, size - index * WIDTH)
        data = await self._wide(f"/tile/entries/{_spelled(index)}", width, WIDTH * (2 + MAX_ENTRY))
        found, at = [], 0
        while len(found) < width:
            length = int.from_bytes(data[at : at + 2], "big")
            if at + 2 + length > len(data):
                raise Temporary(f"bundle {index} of entries ends within its entry {len(found)}")
            found.append(data[at + 2 : at + 2 + length])
            at += 2 + length
        return found

    async def _wide(self, path: str, width: int, limit: int) -> bytes:
        """A tile of this width; where it is no longer kept, the full one that came after it."""
        if width == WIDTH:
            return await self._get(path, limit)
        try:
            return await self._get(f"{path}.p/{width}", limit)
        except Temporary:
            return await self._get(path, limit)

    async def _get(self, path: str, limit: int) -> bytes:
        with trio.move_on_after(REQUEST_SECONDS):
            return await self._service.get(path, limit)
        raise Temporary(f"no answer within {REQUEST_SECONDS:.0f} s to {path}")


def _spelled(index: int) -> str:
    """A tile's number in groups of three digits, all but the last marked: 1234067 is x001/x234/067."""
    digits = f"{index:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])


def _folded(hashes: list[bytes]) -> bytes:
    """The root of a perfect subtree."""
    while len(hashes) > 1:
        hashes = [merkle.node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]
