"""Whether what was anchored on a chain still stands there: confirmations, reorganisations, chains that begin again."""

from __future__ import annotations

from node.anchor.tree_heads import StoredHead
from node.base import metrics
from node.base.errors import Temporary
from node.base.log import get_log
from node.net.chain.interface import Chain, NoState, Reverted, TxResult
from node.store import anchors
from node.store.anchors import Anchor
from node.store.database import Database

log = get_log(__name__)

KNOWN = 1000  # anchors that are looked through at most when a chain holds less than we noted


class Standing:
    """One account's anchors on one chain.

    Args:
        confirmations: from the anchor's own block on; None: what the chain itself calls final.
        own: the chain is the node's own: one that is shorter than before has begun again.
    """

    def __init__(self, database: Database, chain_id: int, sender: str, confirmations: int | None, *, own: bool) -> None:
        self._database = database
        self._chain_id = chain_id
        self._sender = sender
        self._confirmations = confirmations
        self._own = own

    async def look(self, chain: Chain) -> int:
        """Look after the provisional anchors; return how many were lost.

        Since each block names the one before it, an anchor that still stands says that all earlier ones do.
        """
        waiting = await self._database.read(lambda tx: anchors.provisional(tx, self._chain_id, self._sender))
        lost = 0
        for anchor in waiting:  # newest first
            if await self._stands(chain, anchor):
                break
            lost += not await self._found_again(chain, anchor)
        if len(waiting) > lost:
            last = await self._final(chain)
            await self._database.write(lambda tx: anchors.confirm(tx, self._chain_id, self._sender, last))
        return lost

    async def noted(self, chain: Chain, contract: str, stored: StoredHead) -> int:
        """The size of our newest anchor that the contract, which holds `stored`, still knows. What it lost goes."""
        where = (self._chain_id, self._sender, contract, KNOWN)
        known = await self._database.read(lambda tx: anchors.latest_on(tx, *where))
        for anchor in known:
            if anchor.size <= stored.size:
                return anchor.size
            if await self._stands(chain, anchor):
                raise Temporary("the server tells two things of the same contract: it lags behind itself")
            await self._found_again(chain, anchor)
        return 0

    async def _final(self, chain: Chain) -> int:
        if self._confirmations is None:
            return (await chain.finalized()).number
        return (await chain.head()).number - self._confirmations + 1

    async def _stands(self, chain: Chain, anchor: Anchor) -> bool:
        """Whether its block is in the chain.

        Raises:
            Temporary: the server is not that far.
        """
        try:
            block = await chain.block(anchor.block)
        except NoState:
            if not self._own and (await chain.head()).number < anchor.block:
                raise Temporary(
                    f"the chain ends before block {anchor.block}, where a head was anchored: the server hangs behind"
                ) from None
            return False
        return block.hash == anchor.block_hash

    async def _found_again(self, chain: Chain, anchor: Anchor) -> bool:
        """Note an anchor's new block, or that it has none any more."""
        hash = bytes.fromhex(anchor.tx_hash[2:])
        result = await _result(chain, hash)
        metrics.chain_reorganisations.labels(f"eip155:{self._chain_id}").inc()
        told = {"chain": f"eip155:{self._chain_id}", "size": anchor.size, "block": anchor.block}
        if result is not None:
            block = await chain.block(result.block)
            values = (anchor.id, result.block, block.hash, block.time)
            await self._database.write(lambda tx: anchors.move(tx, *values))
            log.warning("keeper.moved", to=result.block, **told)
            return True
        await chain.retry(hash)
        await self._database.write(lambda tx: anchors.remove(tx, anchor.id))
        metrics.anchors.labels(f"eip155:{self._chain_id}", "lost").inc()
        (log.error if anchor.confirmed and not self._own else log.warning)(
            "keeper.lost", confirmed=anchor.confirmed, **told
        )
        return False


async def _result(chain: Chain, hash: bytes) -> TxResult | None:
    try:
        return await chain.result(hash)
    except Reverted:  # another order of transactions made it fail
        return None
