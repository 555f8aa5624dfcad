"""What an account signed for a chain, in the node's database: see `node.net.chain.sending.Journal`."""

from __future__ import annotations

import time
from collections.abc import Sequence

from node.net.chain.interface import TxResult
from node.net.chain.sending import Signed
from node.net.chain.transaction import parse_signed
from node.store import anchors
from node.store.anchors import State
from node.store.database import Database


class StoredJournal:
    """The journal of one account on one chain.

    Args:
        chain: EIP-155 id.
        sender: the account, EIP-55.
    """

    def __init__(self, database: Database, chain: int, sender: str) -> None:
        self.since: dict[int, float] = {}
        self._database = database
        self._chain = chain
        self._sender = sender

    async def pending(self) -> Sequence[Signed]:
        """See `Journal`."""
        raws = await self._database.read(lambda tx: anchors.pending(tx, self._chain, self._sender))
        return [Signed(parse_signed(raw)[0], raw) for raw in raws]

    async def of(self, nonce: int) -> Sequence[Signed]:
        """See `Journal`."""
        raws = await self._database.read(lambda tx: anchors.signed(tx, self._chain, self._sender, nonce))
        return [Signed(parse_signed(raw)[0], raw) for raw in raws]

    async def put(self, signed: Signed) -> None:
        """See `Journal`."""
        of, hash, raw = signed.transaction, signed.hash, signed.raw
        values = (self._chain, self._sender, of.nonce, hash, of.to or "", raw, int(time.time()))
        await self._database.write(lambda tx: anchors.put_signed(tx, *values))

    async def finish(self, nonce: int, result: TxResult | None, failed: bytes = b"") -> None:
        """See `Journal`."""
        hash, state = (result.hash, State.MINED) if result else (failed, State.FAILED)
        await self._database.write(lambda tx: anchors.over(tx, self._chain, self._sender, nonce, hash, state))

    async def reopen(self, hash: bytes) -> None:
        """See `Journal`."""
        await self._database.write(lambda tx: anchors.reopen(tx, hash))
