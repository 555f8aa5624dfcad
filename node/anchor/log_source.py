"""Somebody else's log over HTTP (C2SP tlog-tiles): its checkpoint, hashes and entries. Nothing here is believed yet."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import trio

from node.anchor import merkle, note, tiles
from node.anchor.note import NoteError
from node.anchor.tiles import ENTRIES, WIDTH, Tile
from node.base.errors import Temporary
from node.net.web_service import WebService

T = TypeVar("T")

REQUEST_SECONDS = 20.0
PATIENCE_SECONDS = 300.0  # with a server that says we read too fast
MAX_TILES = 4096  # of one computation; a consistency proof in a tree of 2^62 entries needs fewer than 20
MAX_ENTRY = 65535  # octets: what its length prefix can say


class NotThere(Temporary):
    """The log does not have that document (404)."""


class _Missing(Exception):
    """Says which tile a computation needs next."""

    def __init__(self, tile: Tile) -> None:
        super().__init__(tile.path)
        self.tile = tile


class LogSource:
    """One log's documents below its monitoring prefix.

    Args:
        service: open at the prefix, for example https://mx.example.test/log.
    """

    def __init__(self, service: WebService) -> None:
        self._service = service

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

        Fewer tiles than `TileReader` needs, and none of them verified: for a proof that is held against a root.

        Args:
            size: entries of the tree that the log shows now; it says how wide the newest tiles are.
            work: reads nodes that are complete at that size. It is started anew for each tile that was missing.

        Raises:
            Temporary, RemoteProtocolError: a tile cannot be had. That its hashes are right is for the caller to see.
            TileError: a tile has another length than it must.
        """
        known: dict[Tile, list[bytes]] = {}

        def read(level: int, index: int) -> bytes:
            tile, start, stop = tiles.tile_of(level, index, size)
            if tile not in known:
                raise _Missing(tile)
            return tiles.fold(known[tile][start:stop])

        for _ in range(MAX_TILES):
            try:
                return work(read)
            except _Missing as missing:
                known[missing.tile] = await self.hashes(missing.tile)
        raise Temporary("the log's tiles are too many for one proof")

    async def hashes(self, tile: Tile) -> list[bytes]:
        """The hashes of a tile.

        Raises:
            Temporary, RemoteProtocolError: it cannot be had.
            TileError: it is not as long as it must be.
        """
        given, content = await self._widest(tile, WIDTH * merkle.HASH_SIZE)
        return tiles.split_hashes(content, given)[: tile.width]

    async def entries(self, index: int, size: int) -> list[bytes]:
        """The entries of a bundle in the log of `size` entries, in order. Raises as `hashes`."""
        bundle = Tile(ENTRIES, index, tiles.width_of(ENTRIES, index, size))
        given, content = await self._widest(bundle, WIDTH * (2 + MAX_ENTRY))
        return tiles.split_bundle(content, given)[: bundle.width]

    async def _widest(self, tile: Tile, limit: int) -> tuple[Tile, bytes]:
        """A tile, or the full one of its place: a partial one need not be kept once there is that (C2SP tlog-tiles)."""
        if tile.is_full:
            return tile, await self._get(f"/{tile.path}", limit)
        try:
            return tile, await self._get(f"/{tile.path}", limit)
        except NotThere:
            full = Tile(tile.level, tile.index)
            return full, await self._get(f"/{full.path}", limit)

    async def _get(self, path: str, limit: int) -> bytes:
        """A document; a server that asks us to slow down (429) is obeyed for a while."""
        patience = trio.current_time() + PATIENCE_SECONDS
        while True:
            answer = None
            with trio.move_on_after(REQUEST_SECONDS):
                answer = await self._service.exchange("GET", path, limit)
            if answer is None:
                raise Temporary(f"no answer within {REQUEST_SECONDS:.0f} s to {path}")
            if answer.status == 200:
                return answer.body
            if answer.status == 404:
                raise NotThere(f"the log has no {path}")
            pause = max(answer.retry_after, 1)
            if answer.status != 429 or trio.current_time() + pause > patience:
                raise Temporary(f"the log answers {path} with HTTP status {answer.status}")
            await trio.sleep(pause)
