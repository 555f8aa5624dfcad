"""The block store that the node reads: its own, then those that keep replicas, then gateways; each block checked.

Nothing is asked of others while the own copy is good. A block that rotted here is fetched and written again; where the
own copy was given up on purpose, what is fetched is not kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Protocol

import trio

from node.base import metrics
from node.base.errors import ProtocolError, Temporary, WaxsealError
from node.base.log import get_log
from node.ipfs.blockstore import BlockCorrupt, BlockMissing, Blocks
from node.ipfs.cid import Cid
from node.ipfs.unixfs import Block

log = get_log(__name__)

AT_ONCE = 16  # blocks fetched at a time, 2 MiB each at most


class Source(Protocol):
    """Where a block may be had beside the own store (node.net.ipfs)."""

    @property
    def name(self) -> str:
        """For log and metric."""

    async def block(self, cid: str, is_right: Callable[[bytes], bool]) -> bytes:
        """The block; nothing is returned that `is_right` denies.

        Raises:
            Temporary: not to be had there (now).
            ProtocolError: what came is no answer, or another block.
        """


class TieredBlocks:
    """Implements `node.ipfs.blockstore.Blocks`: everything but reading is the own store's.

    Args:
        local: the own store.
        sources: in the order they are asked.
        keep: what was missing here is kept when it comes; damaged blocks always are.
    """

    def __init__(self, local: Blocks, sources: Sequence[Source], *, keep: bool = True) -> None:
        self.local = local
        self._sources = sources
        self._keep = keep
        self._turn = trio.CapacityLimiter(AT_ONCE)

    async def put(self, blocks: Sequence[Block]) -> None:
        """Store blocks in the own store."""
        await self.local.put(blocks)

    async def get(self, cid: Cid) -> bytes:
        """The block, from wherever it can be had.

        Raises:
            BlockMissing, BlockCorrupt: it is not here, or damaged, and nobody else gives it now.
        """
        try:
            data = await self.local.get(cid)
        except (BlockMissing, BlockCorrupt) as fault:
            return await self._elsewhere(cid, fault)
        metrics.block_reads.labels("local").inc()
        metrics.block_read_bytes.labels("local").inc(len(data))
        return data

    async def fetch(self, cid: Cid) -> bytes:
        """The block from elsewhere, whatever the own store has.

        Raises:
            Temporary: nobody gives it now; the text says who was asked.
        """
        refusals: list[str] = []
        async with self._turn:
            for source in self._sources:
                try:
                    data = await source.block(str(cid), cid.names)
                except (Temporary, ProtocolError) as error:
                    if isinstance(error, ProtocolError):
                        log.warning("block_source_lies", source=source.name, cid=str(cid), error=str(error))
                    metrics.block_fetch_failures.labels(source.name).inc()
                    refusals.append(str(error))
                    continue
                metrics.block_reads.labels("remote").inc()
                metrics.block_read_bytes.labels("remote").inc(len(data))
                log.info("block_fetched", cid=str(cid), source=source.name)
                return data
        raise Temporary("; ".join(refusals) or "no replica or gateway is configured")

    async def mend(self, cid: Cid) -> None:
        """Fetch a block and write it into the own store.

        Raises:
            Temporary: nobody gives it now, or the disk does not take it.
        """
        data = await self.fetch(cid)
        await self.local.put([Block(cid, data)])
        log.warning("block_repaired", cid=str(cid))
        metrics.blocks_repaired.inc()

    async def has(self, cid: Cid) -> bool:
        """True when the block is in the own store."""
        return await self.local.has(cid)

    async def delete(self, cids: Iterable[Cid]) -> int:
        """Remove blocks from the own store."""
        return await self.local.delete(cids)

    async def ids(self) -> AsyncIterator[Cid]:
        """Every block of the own store."""
        async for cid in self.local.ids():
            yield cid

    async def _elsewhere(self, cid: Cid, fault: BlockMissing | BlockCorrupt) -> bytes:
        try:
            data = await self.fetch(cid)
        except Temporary as error:
            metrics.block_reads.labels("nowhere").inc()
            if not self._sources:
                raise fault from None
            raise type(fault)(f"{fault}, and it cannot be had elsewhere now: {error}") from error
        if self._keep or isinstance(fault, BlockCorrupt):
            await self._write_back(Block(cid, data))
        return data

    async def _write_back(self, block: Block) -> None:
        """Repair in passing: the reader has the block whatever the disk says."""
        try:
            await self.local.put([block])
        except WaxsealError as error:
            log.warning("block_not_kept", cid=str(block.cid), error=str(error))
            return
        metrics.blocks_repaired.inc()
        log.warning("block_repaired", cid=str(block.cid))
