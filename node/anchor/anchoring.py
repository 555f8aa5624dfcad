"""Anchoring on one chain: bring the log's newest signed head there at the chain's own pace, and see that it stays.

An anchor is provisional until its block is final, or has as many confirmations as the settings ask for. Until then each
round looks whether its block is still in the chain: a reorganisation may have put the transaction in another block
(noted anew) or in none (taken off the list, sent again). What is sent goes through the chain's journal
(`node.net.chain.sending`), so that a crash at any moment neither loses a transaction nor sends it twice.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import trio

from node.anchor import checkpoint, tree_heads
from node.anchor.checkpoint import Checkpoint
from node.anchor.keys import LogKeys
from node.anchor.log import Log
from node.anchor.plan import Plan, Publish
from node.anchor.standing import Standing
from node.anchor.tree_heads import StoredHead
from node.base import metrics
from node.base.errors import Permanent, Temporary, WaxsealError
from node.base.log import get_log
from node.net.chain.interface import Chain, Reverted, Rival
from node.net.chain.transaction import contract_address
from node.store import anchors, leaves
from node.store.anchors import Anchor
from node.store.database import Database, Reading, Watch, Writing

log = get_log(__name__)

ATTEMPT_SECONDS = 180.0  # for one way to the chain and back, deployment included
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 300.0
WATCH_SECONDS = 15.0  # between two looks at what waits
ALERT_AGAIN_SECONDS = 3600.0
WEI = 10**18  # in a whole coin
MOST_CONTRACTS = 3  # that are made on a chain; each costs money


class HistoryError(Permanent):
    """Chain and database contradict each other about the past: nothing is anchored until an operator has looked."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What a look at the database found: the newest signed head, our newest anchor, how many wait for confirmations."""

    head: Checkpoint | None
    newest: Anchor | None
    provisional: int

    @property
    def waiting(self) -> int:
        """Signed leaves that the chain does not hold."""
        return max(0, (self.head.size if self.head else 0) - (self.newest.size if self.newest else 0))


class Anchoring:
    """One chain's loop.

    Args:
        publish: called with the open chain after an anchor, for what else the node puts on chains.

    Attributes:
        signed: woken whenever a head was signed.
    """

    def __init__(self, database: Database, keys: LogKeys, plan: Plan, publish: Publish | None = None) -> None:
        self.plan = plan
        self._publish = publish if plan.publish else None
        self.signed = Watch()
        self._database = database
        self._keys = keys
        self._log = Log()
        self._standing = Standing(database, plan.chain_id, plan.sender, plan.confirmations, own=plan.own)
        self._hurry = False
        self._since: float | None = None  # when, by the monotonic clock, the oldest waiting leaf was logged
        self._tried = trio.Event()
        self._failure: Exception | None = None
        self._began = 0.0  # by the monotonic clock, like the next
        self._alerted = float("-inf")

    async def run(self) -> None:
        """Anchor until cancelled. Whatever goes wrong with a chain, mail goes on."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_on)
            nursery.start_soon(self._anchor_on)

    async def reach(self, size: int) -> Anchor:
        """Wait until a head of at least `size` leaves is anchored, at once rather than at the chain's pace.

        Raises:
            Temporary, Permanent: the attempt failed; the loop goes on trying.
        """
        failure: Exception | None = None
        while True:
            found = await self._database.read(self._work)
            if found.newest and found.newest.size >= size:
                return found.newest
            if failure:
                raise failure
            tried = self._tried
            self._hurry = True
            self.signed.wake()
            await tried.wait()
            failure = self._failure

    async def _anchor_on(self) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                async with self.plan.open() as chain:
                    await self._round(chain, first=True)
                    while True:
                        pause = FIRST_RETRY_SECONDS
                        self._tell(None)
                        await self._wait()
                        await self._round(chain)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong with a chain, mail goes on
                pause = LAST_RETRY_SECONDS if isinstance(error, Rival | HistoryError | Reverted) else pause
                self._complain(error, pause)
                self._tell(error)
            with trio.move_on_after(pause):
                while not self._hurry:
                    await self.signed.wait()
            pause = min(pause * 2, LAST_RETRY_SECONDS)

    def _tell(self, failure: Exception | None) -> None:
        """Wake who waits in `reach`."""
        self._failure = failure
        self._hurry = False
        self._tried.set()
        self._tried = trio.Event()

    async def _wait(self) -> None:
        """Until something is to be done: a head is due, somebody hurries, or provisional anchors want a look."""
        looked = trio.current_time()
        while not self._hurry:
            found = await self._look()
            now = trio.current_time()
            until = looked + self.plan.check_seconds if found.provisional else float("inf")
            if found.waiting:
                due = now if found.waiting >= self.plan.every_leaves else self._oldest() + self.plan.every_seconds
                until = min(until, due)
            if now >= until:
                return
            with trio.move_on_at(until):
                await self.signed.wait()

    async def _look(self) -> _Work:
        found = await self._database.read(self._work)
        if not found.waiting:
            self._since = None
        elif self._since is None:
            start = found.newest.size if found.newest else 0
            logged = await self._database.read(lambda tx: anchors.waiting_since(tx, start))
            # The wall clock may have jumped: it is asked once, and within bounds. From there on the other one counts.
            most = max(self.plan.every_seconds, self.plan.alert_seconds)
            ago = 0.0 if logged is None else min(max(0.0, time.time() - logged), most)
            self._since = trio.current_time() - ago
        return found

    def _oldest(self) -> float:
        return trio.current_time() if self._since is None else self._since

    def _work(self, tx: Reading) -> _Work:
        row = leaves.latest_checkpoint(tx)
        head = checkpoint.read(row.note.decode()) if row and row.size else None
        newest = anchors.latest_on(tx, self.plan.chain_id, self.plan.sender, self.plan.contract or "")
        waiting = anchors.provisional(tx, self.plan.chain_id, self.plan.sender)
        return _Work(head, newest[0] if newest else None, len(waiting))

    async def _round(self, chain: Chain, *, first: bool = False) -> None:
        """One way to the chain and back.

        1. What was signed before comes to its end.
        2. Provisional anchors: still there, final, moved, or lost.
        3. The newest head, where it is due.
        """
        with trio.fail_after(ATTEMPT_SECONDS):
            found = await self._look()
            if found.head is None or (first and self.plan.own and not found.waiting):
                return
            await chain.settle()
            lost = await self._standing.look(chain)
            if lost:
                await chain.settle()
            due = self._hurry or bool(lost) or found.waiting >= self.plan.every_leaves
            due = due or (found.waiting > 0 and trio.current_time() >= self._oldest() + self.plan.every_seconds)
            if due or first:
                await self._anchor_newest(chain, found, due=due)

    async def _anchor_newest(self, chain: Chain, found: _Work, *, due: bool) -> None:
        """Bring the newest checkpoint onto the chain, if it is not there.

        1. The contract stands, or is deployed.
        2. What it holds for us is a beginning of our log: never anchor a rewritten history.
        3. It may hold less than we noted: the chain was taken back, or began again. What is lost is anchored anew.
        4. It may hold a head we never noted (we died between sending and noting): it is noted now, not sent again.
        5. Send, read back what the contract holds in that block, and note where it stands.
        """
        if not due and found.newest is None:
            return
        contract = await self._contract(chain, found.newest)
        stored = await tree_heads.read_head(chain, contract, self.plan.sender)
        await self._check_history(stored)
        noted = await self._standing.noted(chain, contract, stored)
        if stored.size > noted:
            await self._note(chain, contract, stored)
        head = found.head
        if due and head is not None and stored.size < head.size:
            stored = await self._send(chain, contract, head)
            await self._note(chain, contract, stored)
            await self._publish_too(chain)

    async def _send(self, chain: Chain, contract: str, head: Checkpoint) -> StoredHead:
        """Send the head; return what the contract holds then."""
        try:
            result = await tree_heads.anchor(chain, contract, head.size, head.root)
        except Reverted:  # before it was signed, an earlier transaction of ours may have come to its end, and be it
            stored = await tree_heads.read_head(chain, contract, self.plan.sender)
            if stored.size < head.size:
                raise
            await self._check_history(stored)
            return stored
        return await tree_heads.read_head(chain, contract, self.plan.sender, result.block)

    async def _publish_too(self, chain: Chain) -> None:
        if self._publish is None:
            return
        try:
            await self._publish(chain)
        except WaxsealError as error:  # the log's heads do not wait for it; it is tried again with the next one
            log.warning("keeper.not_published", chain=self.plan.name, error=str(error))

    async def _contract(self, chain: Chain, newest: Anchor | None) -> str:
        """The contract in use: the settings', else that of our last anchor, else one we made before, or a new one."""
        if self.plan.contract is not None:
            if not await tree_heads.is_there(chain, self.plan.contract):
                raise Permanent(f"there is no TreeHeads contract of ours at {self.plan.contract} on {self.plan.name}")
            return self.plan.contract
        nonces = await self._database.read(lambda tx: anchors.created(tx, self.plan.chain_id, self.plan.sender))
        made = [contract_address(self.plan.sender, nonce) for nonce in nonces]
        known = ([newest.contract] if newest else []) + made
        for address in dict.fromkeys((*known, contract_address(self.plan.sender))):
            code = await chain.code(address)
            if code == tree_heads.deployed_code():
                return address
            if code and address in known:
                raise Permanent(f"{self.plan.name} keeps other code than ours at {address}: it runs no plain EVM")
        if len(made) >= MOST_CONTRACTS:
            raise Permanent(f"{len(made)} contracts were made on {self.plan.name}, and none is there: see {made[0]}")
        contract = await tree_heads.deploy(chain)
        log.info("keeper.deployed", contract=contract, chain=self.plan.name)
        return contract

    async def _check_history(self, stored: StoredHead) -> None:
        if not stored.size:
            return
        size, root = await self._database.read(lambda tx: self._root_at(tx, stored.size))
        if root is None:
            raise HistoryError(
                f"the chain holds a head of {stored.size} messages, the log has {size}: an old backup was restored, or "
                "another node uses this key. Restore the newest backup; anchoring is off until then"
            )
        if root != stored.root:
            raise HistoryError(
                f"the log's first {stored.size} messages are not those that were anchored: its history was changed, or "
                "another node uses this key. Restore the database from a backup; anchoring is off until then"
            )

    def _root_at(self, tx: Reading, size: int) -> tuple[int, bytes | None]:
        have = self._log.size(tx)
        return have, self._log.root(tx, size) if size <= have else None

    async def _note(self, chain: Chain, contract: str, stored: StoredHead) -> None:
        """Keep where the head stands, found by its event: so it also works for one that was sent before a crash."""
        event = await tree_heads.find_event(chain, contract, self.plan.sender, stored.size, stored.block)
        result = await chain.result(event.transaction) if event else None
        if event is None or event.data != stored.root or result is None or result.block != stored.block:
            raise Temporary(
                f"block {stored.block} no longer tells of the head of {stored.size} messages: chain reorganised"
            )
        note = checkpoint.sign(Checkpoint(self._keys.origin, stored.size, stored.root), *self._keys.signers)
        anchor = Anchor(
            id=0,
            size=stored.size,
            root=stored.root,
            chain=self.plan.chain_id,
            contract=contract,
            tx_hash="0x" + event.transaction.hex(),
            block=stored.block,
            time=stored.time,
            block_hash=result.block_hash,
            sender=self.plan.sender,
            confirmed=self.plan.own,
            gas=result.gas,
            fee=result.fee,
        )
        ours = await self._database.write(lambda tx: _keep(tx, anchor, note))
        self._since = None
        if not (ours or self.plan.own):
            self._count("rival")
            log.error(
                "keeper.rival",
                chain=self.plan.name,
                transaction=anchor.tx_hash,
                error="a head was anchored by a transaction this node never signed: another node uses its key, or an "
                "old backup was restored",
            )
        self._count("anchored")
        metrics.anchor_gas.labels(self.plan.name).inc(result.gas)
        metrics.anchor_fees.labels(self.plan.name).inc(result.fee / WEI)
        log.info(
            "keeper.anchored",
            chain=self.plan.name,
            size=stored.size,
            contract=contract,
            block=stored.block,
            gas=result.gas,
            fee=result.fee,
        )

    async def _watch_on(self) -> None:
        """Tell how much waits, and for how long; loudly where that is too long."""
        self._began = trio.current_time()
        while True:
            try:
                await self._tell_of_waiting()
            except Temporary as error:
                log.warning("keeper.not_watched", chain=self.plan.name, error=str(error))
            await trio.sleep(WATCH_SECONDS)

    async def _tell_of_waiting(self) -> None:
        found = await self._look()
        size = await self._database.read(self._log.size)
        waiting = size - (found.newest.size if found.newest else 0)
        age = trio.current_time() - self._oldest() if found.waiting else 0.0
        name = self.plan.name
        metrics.anchor_waiting.labels(name).set(max(0, waiting))
        metrics.anchor_oldest.labels(name).set(age)
        metrics.anchor_provisional.labels(name).set(found.provisional)
        if found.newest:
            metrics.anchor_last.labels(name).set(found.newest.time)
        now = trio.current_time()
        tried = self._failure is not None or now > self._began + ATTEMPT_SECONDS
        if age > self.plan.alert_seconds and tried and now >= self._alerted + ALERT_AGAIN_SECONDS:
            self._alerted = now
            error = str(self._failure) if self._failure else "no attempt failed: see what is in the chain's pool"
            log.error("keeper.overdue", chain=name, waiting=waiting, oldest_seconds=round(age), error=error)

    def _count(self, result: str) -> None:
        metrics.anchors.labels(self.plan.name, result).inc()

    def _complain(self, error: Exception, pause: float) -> None:
        self._count("failed")
        told = {"chain": self.plan.name, "retry_seconds": pause}
        match error:
            case HistoryError():
                log.error("keeper.history", error=str(error), **told)
            case Rival():
                self._count("rival")
                log.error("keeper.rival", error=str(error), **told)
            case WaxsealError() | trio.TooSlowError():
                log.warning("keeper.not_anchored", error=str(error) or type(error).__name__, **told)
            case _:
                log.exception("keeper.broken", exc_info=error, **told)


def _keep(tx: Writing, anchor: Anchor, note: str) -> bool:
    """Write anchor and checkpoint down; tell whether this node signed the transaction."""
    leaves.put_checkpoint(tx, anchor.size, note.encode(), anchor.time)
    anchors.put(tx, anchor)
    return anchors.is_ours(tx, bytes.fromhex(anchor.tx_hash[2:]))
