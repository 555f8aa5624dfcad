"""Sending transactions in one account's name: nonces, fees, replacements, and what a crash must not break.

One transaction is under way at a time. What is signed is in the journal before it is sent, so whatever happens in
between, the next run finds it: it may be in a block, wait with the servers, or never have left us; in each case the one
nonce decides that it counts once at most. `settle` brings it to an end before anything new is signed.

A transaction that no block takes is replaced: the same nonce and content, an eighth more of fees, up to the cap. A
nonce that is used up without any of our transactions in a block, or that servers say is taken while our journal has
nothing for it, means that somebody else sends in this account's name: `Rival`, and whoever called waits long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import trio
from eth_hash.auto import keccak

from node.base import metrics
from node.base.errors import Temporary
from node.base.log import get_log
from node.net.chain import fees
from node.net.chain.fees import Cap, Offer
from node.net.chain.interface import Reverted, Rival, TxResult
from node.net.chain.rpc import Away, Refused, Servers, anything, hexed, number, octets
from node.net.chain.signer import Signer
from node.net.chain.transaction import Transaction, checksummed

log = get_log(__name__)

ROUNDS = 8  # how often a nonce may be gone when we come
SURE = 3  # looks at a nonce that is used up, and none of ours in a block: servers behind one address disagree at times
_KNOWN = ("already known", "known transaction", "already imported", "already in", "alreadyexists")
_USED = ("nonce too low", "oldnonce", "nonce is too low", "already used")
_UNDERPRICED = ("underpriced", "replacement fee too low", "replacement not allowed")
_TOO_CHEAP = ("less than block base fee", "fee too low", "feetoolow", "max fee per gas")
_POOR = ("insufficient funds", "insufficient balance")


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed transaction: its fields, its bytes, and their hash (32 bytes), by which chains know it."""

    transaction: Transaction
    raw: bytes = field(repr=False)

    @property
    def hash(self) -> bytes:
        """What the chain calls it (EIP-2718)."""
        return keccak(self.raw)

    @property
    def offer(self) -> Offer:
        """What it pays."""
        return Offer(self.transaction.tip, self.transaction.max_fee)


class Journal(Protocol):
    """What one account signed for one chain, kept across crashes."""

    @property
    def since(self) -> dict[int, float]:
        """Nonce: when its newest variant was signed, or first met by this process, by the monotonic clock. It outlives
        connections, which are opened anew after each failure, but not the process."""

    async def pending(self) -> Sequence[Signed]:
        """What has not come to an end, by nonce, older variants of a nonce first."""

    async def of(self, nonce: int) -> Sequence[Signed]:
        """Everything signed for one nonce, whatever became of it, older variants first."""

    async def put(self, signed: Signed) -> None:
        """Keep a signed transaction: on disk before this returns."""

    async def finish(self, nonce: int, result: TxResult | None, failed: bytes = b"") -> None:
        """A nonce is used up: by one of ours (`result`, or `failed`: its hash), or by somebody else's transaction."""

    async def reopen(self, hash: bytes) -> None:
        """A transaction that was in a block is in none any more."""


class Memory:
    """A journal for as long as the process lives: for tools and tests that send without a database."""

    def __init__(self) -> None:
        self.since: dict[int, float] = {}
        self._signed: dict[bytes, Signed] = {}
        self._done: set[int] = set()

    async def pending(self) -> Sequence[Signed]:
        """See `Journal`."""
        return [one for one in self._signed.values() if one.transaction.nonce not in self._done]

    async def of(self, nonce: int) -> Sequence[Signed]:
        """See `Journal`."""
        return [one for one in self._signed.values() if one.transaction.nonce == nonce]

    async def put(self, signed: Signed) -> None:
        """See `Journal`."""
        self._signed[signed.hash] = signed
        self._done.discard(signed.transaction.nonce)

    async def finish(self, nonce: int, result: TxResult | None, failed: bytes = b"") -> None:
        """See `Journal`."""
        self._done.add(nonce)

    async def reopen(self, hash: bytes) -> None:
        """See `Journal`."""
        if hash in self._signed:
            self._done.discard(self._signed[hash].transaction.nonce)


@dataclass(frozen=True, slots=True)
class Rules:
    """How a chain is sent to.

    Attributes:
        cap: the most that is paid for gas.
        stuck_seconds: a transaction that is in no block after so long is replaced.
        patience_seconds: then whoever waits is told to come again; the transaction goes on waiting for its block.
        poll_seconds: between two looks.
    """

    cap: Cap = field(default_factory=Cap)
    stuck_seconds: float = 60.0
    patience_seconds: float = 120.0
    poll_seconds: float = 0.5


class Sending:
    """One account's transactions on one chain."""

    def __init__(self, servers: Servers, chain_id: int, signer: Signer, journal: Journal, rules: Rules) -> None:
        self._servers = servers
        self._chain_id = chain_id
        self._signer = signer
        self._journal = journal
        self._rules = rules
        self._turn = trio.Lock()  # two at once would take the same nonce
        self._since = journal.since

    async def send(self, to: str | None, data: bytes) -> TxResult:
        """See `interface.Chain`."""
        async with self._turn:
            for _ in range(ROUNDS):
                await self._settle()
                signed = await self._new(to, data)
                found = None if signed is None else await self._drive([signed])
                if found is not None and signed is not None and await self._is(found, signed.transaction):
                    return found
        raise Rival(
            f"somebody else sends in the name of {self._signer.address}, faster than this node: give each node a key "
            "of its own (docs/proof.md)"
        )

    async def settle(self) -> None:
        """See `interface.Chain`."""
        async with self._turn:
            await self._settle()

    async def retry(self, hash: bytes) -> None:
        """See `interface.Chain`."""
        await self._journal.reopen(hash)

    async def _settle(self) -> None:
        pending = await self._journal.pending()
        for nonce in sorted({one.transaction.nonce for one in pending}):
            if nonce > await self._nonce("latest"):  # the chain was taken back further than what we know of
                log.warning("chain.dropped", chain=self._chain_id, nonce=nonce)
                await self._over(nonce, None)
                continue
            try:
                await self._drive([one for one in pending if one.transaction.nonce == nonce])
            except Reverted as error:  # it is over all the same; whoever wanted it asks the contract anyway
                log.warning("chain.reverted", chain=self._chain_id, nonce=nonce, error=str(error))

    async def _is(self, found: TxResult, wanted: Transaction) -> bool:
        """Whether what a block holds is what was to be sent: a command of the same node may have sent beside us."""
        of = next(one.transaction for one in await self._journal.of(wanted.nonce) if one.hash == found.hash)
        return (of.to, of.data) == (wanted.to, wanted.data)

    async def _new(self, to: str | None, data: bytes) -> Signed | None:
        """A new transaction, in the journal; None: a command of this node has one under way, which ends first."""
        sender = self._signer.address
        body = {"from": sender, "data": hexed(data), **({"to": to} if to else {})}
        gas = await self._servers.ask(number, "eth_estimateGas", body)  # what would revert is refused here, unsent
        nonce = await self._nonce("latest")
        if await self._nonce("pending") > nonce:
            if await self._journal.of(nonce):
                return None
            raise Rival(self._rival_words(nonce))
        offer = (await fees.market(self._servers)).offer(self._rules.cap)
        gas += gas // 4
        return await self._sign(Transaction(self._chain_id, nonce, offer.tip, offer.max_fee, gas, to, data))

    async def _nonce(self, tag: str) -> int:
        return await self._servers.ask(number, "eth_getTransactionCount", self._signer.address, tag)

    async def _sign(self, transaction: Transaction) -> Signed:
        signed = Signed(transaction, await self._signer.sign(transaction))
        await self._journal.put(signed)
        self._since[transaction.nonce] = trio.current_time()
        return signed

    async def _drive(self, variants: list[Signed]) -> TxResult | None:
        """Send variants of one nonce, replacing the newest as it gets stuck, until the nonce is used up.

        Returns:
            What became of the one that counts; None when it is none of ours.

        Raises:
            Reverted: it is in a block, and failed there.
            Temporary: in no block yet, for as long as we waited.
        """
        nonce, missing = variants[0].transaction.nonce, 0
        self._since.setdefault(nonce, trio.current_time())
        with trio.move_on_after(self._rules.patience_seconds):
            found = await self._look(variants)
            if found is None and not await self._tell(variants):
                await self._replace(variants)
            while found is None and missing < SURE:
                found = await self._look(variants)
                if found is not None:
                    break
                if await self._nonce("latest") > nonce:
                    missing += 1
                    variants[:] = await self._journal.of(nonce)  # with what a command of this node signed meanwhile
                elif trio.current_time() >= self._since[nonce] + self._rules.stuck_seconds:
                    await self._replace(variants)
                    continue  # a chain that makes a block at once has it already
                await trio.sleep(self._rules.poll_seconds)
            if found is None:
                log.error("chain.rival", chain=self._chain_id, account=self._signer.address, nonce=nonce)
                await self._over(nonce, None)
            return found
        raise Temporary(
            f"transaction {hexed(variants[-1].hash)} is in no block after {self._rules.patience_seconds:.0f} s; "
            "it goes on waiting, and is replaced when it is stuck"
        )

    async def _look(self, variants: Sequence[Signed]) -> TxResult | None:
        """The variant that a block holds, if one does. Raises Reverted when it failed there."""
        for signed in reversed(variants):
            try:
                found = await result(self._servers, signed.hash)
            except Reverted:
                await self._over(signed.transaction.nonce, None, signed.hash)
                raise
            if found is not None:
                await self._over(signed.transaction.nonce, found)
                return found
        return None

    async def _over(self, nonce: int, result: TxResult | None, failed: bytes = b"") -> None:
        await self._journal.finish(nonce, result, failed)
        self._since.pop(nonce, None)

    async def _tell(self, variants: list[Signed]) -> bool:
        """Hand the newest variant to the servers. False: it offers too little to be taken at all.

        Raises:
            Rival: another transaction of this nonce waits there, and it is none of ours.
            Temporary: it is refused.
        """
        newest = variants[-1]
        try:
            await self._servers.ask(octets, "eth_sendRawTransaction", hexed(newest.raw))
        except Refused as refusal:
            words = refusal.words
            if any(part in words for part in (*_KNOWN, *_USED)):
                return True
            if any(part in words for part in _TOO_CHEAP):
                return False
            if any(part in words for part in _UNDERPRICED):
                return await self._outbid(variants, words)
            if any(part in words for part in _POOR):
                need = newest.transaction.cost
                raise Temporary(
                    f"{self._signer.address} has not enough to pay for a transaction of up to {need / 10**18:.6f} "
                    "of the chain's coin: send it some"
                ) from None
            raise
        return True

    async def _outbid(self, variants: list[Signed], words: str) -> bool:
        """Somebody offers more for this nonce, or it is too little for anybody: as `_tell`."""
        if len(variants) > 1 or "replacement" not in words:
            return False
        variants[:] = await self._journal.of(variants[0].transaction.nonce)
        if len(variants) == 1:
            raise Rival(self._rival_words(variants[0].transaction.nonce))
        return True  # a command of this node was faster: it is waited for

    def _rival_words(self, nonce: int) -> str:
        return (
            f"{self._signer.address} has a transaction under way (nonce {nonce}) that this node did not sign: another "
            "program uses the key, or the database is an old backup (docs/proof.md)"
        )

    async def _replace(self, variants: list[Signed]) -> None:
        """Offer more for the same; where the cap forbids it, offer the newest again, and wait."""
        newest = variants[-1]
        self._since[newest.transaction.nonce] = trio.current_time()
        offer = fees.raised(newest.offer, await fees.market(self._servers), self._rules.cap)
        if offer is None:
            log.warning("chain.stuck", chain=self._chain_id, transaction=hexed(newest.hash), fee=newest.offer.max_fee)
        else:
            variants.append(await self._sign(replace(newest.transaction, tip=offer.tip, max_fee=offer.max_fee)))
            log.info(
                "chain.replaced",
                chain=self._chain_id,
                transaction=hexed(newest.hash),
                by=hexed(variants[-1].hash),
                fee=offer.max_fee,
            )
            metrics.chain_replaced.labels(f"eip155:{self._chain_id}").inc()
        await self._tell(variants)


async def result(servers: Servers, hash: bytes) -> TxResult | None:
    """What became of a transaction; see `interface.Chain.result`."""
    receipt = await servers.ask(anything, "eth_getTransactionReceipt", hexed(hash))
    if receipt is None:
        return None
    try:
        if octets(receipt["transactionHash"]) != hash:
            raise Away("the chain's server gives another transaction's receipt")
        block, gas = number(receipt["blockNumber"]), number(receipt["gasUsed"])
        block_hash, made = octets(receipt["blockHash"]), receipt.get("contractAddress")
        # OP stack: what the rollup pays for its data on its own chain comes on top
        fee = gas * number(receipt.get("effectiveGasPrice", "0x0")) + number(receipt.get("l1Fee") or "0x0")
        if number(receipt["status"]) != 1:
            raise Reverted(f"transaction {hexed(hash)} failed in block {block}")
    except (KeyError, TypeError, AttributeError):
        raise Away("the chain's server gives a receipt that cannot be read") from None
    return TxResult(hash, block, checksummed(octets(made)) if made else None, gas, fee, block_hash)
