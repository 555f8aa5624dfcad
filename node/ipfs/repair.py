"""Looking at every block that messages need, and fetching what is missing or damaged here."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial

import trio

from node.base.errors import Temporary, WaxsealError
from node.base.log import get_log
from node.ipfs.blockstore import BlockCorrupt, BlockMissing
from node.ipfs.cid import Cid, Codec
from node.ipfs.tiered import TieredBlocks
from node.ipfs.unixfs import blocks_of
from node.store import replicas, trees
from node.store.database import Database

log = get_log(__name__)

MAX_LOST = 1000  # named in a report; all are counted


@dataclass(slots=True)
class Report:
    """What a look at every block found.

    Attributes:
        trees, blocks, octets: looked at, and found good here.
        repaired: fetched and written again.
        elsewhere: not here on purpose, enough replicas hold them.
        lost: blocks that nobody gives now, the first ones by name.
    """

    trees: int = 0
    blocks: int = 0
    octets: int = 0
    repaired: int = 0
    elsewhere: int = 0
    lost_blocks: int = 0
    lost: list[Cid] = field(default_factory=list)


class Repair:
    """One look at the store.

    Args:
        copies: leaves that so many replicas hold may be missing here; 0: every block is to be here.
        pace: seconds of rest after each block, for a look beside other work.
        moved: called after each tree.
    """

    def __init__(
        self,
        database: Database,
        blocks: TieredBlocks,
        *,
        copies: int = 0,
        pace: float = 0,
        moved: Callable[[Report], None] | None = None,
    ) -> None:
        self._database = database
        self._blocks = blocks
        self._copies = copies
        self._pace = pace
        self._moved = moved
        self.report = Report()

    async def run(self) -> Report:
        """Look at every tree that somebody needs. One that cannot be read is counted, and the others are looked at."""
        for root in await self._database.read(trees.roots):
            await self._tree(Cid.from_bytes(root), root)
            self.report.trees += 1
            if self._moved:
                self._moved(self.report)
        if self.report.lost_blocks:
            log.error("blocks_lost", blocks=self.report.lost_blocks, first=str(self.report.lost[0]))
        return self.report

    async def _tree(self, root: Cid, name: bytes) -> None:
        away = bool(self._copies) and await self._database.read(partial(replicas.copies, root=name)) >= self._copies
        try:
            # Fetching a node mends it on the way: it is read before what lies below it can be named.
            async with aclosing(blocks_of(self._node, root, unless=(Temporary,))) as cids:
                async for cid in cids:
                    if cid.codec is Codec.RAW:
                        await self._block(cid, away)
                    await trio.sleep(self._pace)
        except WaxsealError as error:
            log.warning("tree_unreadable", cid=str(root), error=str(error))
            self._lose(root)

    async def _node(self, cid: Cid) -> bytes:
        await self._block(cid, False)
        return await self._blocks.local.get(cid)

    async def _block(self, cid: Cid, away: bool) -> None:
        try:
            data = await self._blocks.local.get(cid)
        except BlockMissing:
            if away:
                self.report.elsewhere += 1
                return
            await self._mend(cid)
        except BlockCorrupt:
            await self._mend(cid)
        else:
            self.report.blocks += 1
            self.report.octets += len(data)

    async def _mend(self, cid: Cid) -> None:
        try:
            await self._blocks.mend(cid)
        except Temporary as error:
            log.warning("block_lost", cid=str(cid), error=str(error))
            self._lose(cid)
        else:
            self.report.repaired += 1

    def _lose(self, cid: Cid) -> None:
        self.report.lost_blocks += 1
        if len(self.report.lost) < MAX_LOST:
            self.report.lost.append(cid)
