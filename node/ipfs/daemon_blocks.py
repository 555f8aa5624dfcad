"""A Kubo daemon as a block store: what is put there is pinned, block by block, until it is deleted."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from typing import Protocol

import trio

from node.base.errors import ProtocolError, Temporary
from node.ipfs import car
from node.ipfs.blockstore import BlockCorrupt, BlockMissing, check
from node.ipfs.cid import Cid
from node.ipfs.unixfs import Block


class Daemon(Protocol):
    """What is needed of a daemon's client (node.net.ipfs.kubo)."""

    @property
    def name(self) -> str:
        """For errors."""

    async def block(self, cid: str, is_right: Callable[[bytes], bool], *, offline: bool = False) -> bytes:
        """A block, checked; `offline`: one that it has itself."""

    async def block_size(self, cid: str) -> int | None:
        """Octets of a block it has itself."""

    async def block_rm(self, cids: Sequence[str]) -> int:
        """Remove blocks that are not pinned."""

    async def local_names(self) -> list[str]:
        """Every block it has."""

    async def import_car(self, car: Callable[[], AsyncGenerator[bytes, None]], size: int, *, pin: bool) -> list[str]:
        """Give it blocks."""

    async def pin_add(self, cids: Sequence[str], *, recursive: bool = True) -> None:
        """Keep blocks."""

    async def pin_rm(self, cids: Sequence[str], *, recursive: bool = True) -> None:
        """Keep them no longer."""


class DaemonBlocks:
    """Implements `node.ipfs.blockstore.Blocks`. The daemon knows blocks by their digest alone."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def put(self, blocks: Sequence[Block]) -> None:
        """Store blocks and pin each: the daemon's own collection must not take them."""
        await trio.to_thread.run_sync(check, blocks)
        if not blocks:
            return

        async def archive() -> AsyncGenerator[bytes, None]:
            for piece in car.write([blocks[-1].cid], blocks):
                yield piece

        try:
            await self._daemon.import_car(archive, sum(len(block.data) + 100 for block in blocks), pin=False)
            await self._daemon.pin_add([str(cid) for cid in {block.cid: None for block in blocks}], recursive=False)
        except ProtocolError as error:
            raise Temporary(f"cannot store blocks in {self._daemon.name}: {error}") from error

    async def get(self, cid: Cid) -> bytes:
        """The block, checked. The daemon does not look for it elsewhere: whoever reads here might be a stranger."""
        try:
            return await self._daemon.block(str(cid), cid.names, offline=True)
        except ProtocolError as error:
            raise BlockCorrupt(str(error)) from error
        except Temporary as error:
            raise BlockMissing(f"block {cid} cannot be had: {error}") from error

    async def has(self, cid: Cid) -> bool:
        """True when the daemon has the block itself."""
        return await self._daemon.block_size(str(cid)) is not None

    async def delete(self, cids: Iterable[Cid]) -> int:
        """Unpin and remove blocks."""
        names = [str(cid) for cid in cids]
        await self._daemon.pin_rm(names, recursive=False)
        return await self._daemon.block_rm(names)

    async def ids(self) -> AsyncIterator[Cid]:
        """Every block the daemon has, others' too: a daemon that is a store has to be this node's alone."""
        for name in await self._daemon.local_names():
            yield Cid.parse(name)
