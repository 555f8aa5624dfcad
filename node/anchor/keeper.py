"""The keeper: signs the log's head at a steady pace and puts it on a chain. Mail never waits for it.

Two tasks. The signer makes a checkpoint when N messages wait or the oldest has waited T seconds. The anchorer puts the
newest checkpoint on the chain; when the chain is slow, gone or wrong it waits longer and longer and says so, while
checkpoints go on being signed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import trio

from node.anchor import checkpoint, tree_heads
from node.anchor.checkpoint import Checkpoint
from node.anchor.keys import LogKeys
from node.anchor.log import Log
from node.anchor.tree_heads import StoredHead
from node.base import metrics
from node.base.errors import Permanent, Temporary, WaxsealError
from node.base.log import get_log
from node.net.chain.interface import Chain
from node.store import leaves
from node.store.database import Database, Reading, Watch, Writing
from node.store.leaves import Anchor

log = get_log(__name__)

OpenChain = Callable[[], AbstractAsyncContextManager[Chain]]

CALM_SECONDS = 0.2  # between two looks at the log: commits come by the thousand, this is enough to notice
ATTEMPT_SECONDS = 180.0  # for one way to the chain and back, deployment included
FIRST_RETRY_SECONDS = 1.0
LAST_RETRY_SECONDS = 300.0


class HistoryError(Permanent):
    """Chain and database contradict each other about the past: nothing is anchored until an operator has looked."""


class Keeper:
    """Keeps one log's checkpoints signed and anchored.

    Args:
        database: the node's.
        keys: the log's.
        open_chain: opens the chain, signing with `keys.chain_key`; None signs checkpoints and anchors nothing.
        every_seconds: sign and anchor at the latest this long after a message.
        every_messages: or at once when so many wait.
    """

    def __init__(
        self,
        database: Database,
        keys: LogKeys,
        open_chain: OpenChain | None,
        every_seconds: float = 60,
        every_messages: int = 1000,
    ) -> None:
        self._database = database
        self._keys = keys
        self._open_chain = open_chain
        self._every_seconds = every_seconds
        self._every_messages = every_messages
        self._log = Log()
        self._signed = Watch()
        self._hurry = Watch()
        self._tried = trio.Event()
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Keep on until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sign_on)
            if self._open_chain:
                nursery.start_soon(self._anchor_on, self._open_chain)

    async def anchor_now(self) -> Anchor | None:
        """Anchor everything logged so far, and return the newest anchor: for demonstrations and tests. Needs `run`.

        Returns:
            None when the log is empty.

        Raises:
            Temporary, Permanent: the attempt failed; the keeper goes on trying by itself.
        """
        if not self._open_chain:
            raise Permanent("anchoring is switched off in the settings (anchor.enabled)")
        head = await self.sign_head()
        if not head.size:
            return None
        try:
            with trio.fail_after(ATTEMPT_SECONDS):
                return await self._anchored(head.size)
        except trio.TooSlowError:
            raise Temporary("the chain took too long to take the log's head") from None

    async def _anchored(self, size: int) -> Anchor:
        while True:
            newest = await self._database.read(leaves.latest_anchor)
            if newest and newest.size >= size:
                return newest
            tried = self._tried
            self._hurry.wake()
            self._signed.wake()
            await tried.wait()
            if self._failure:
                raise self._failure

    async def sign_head(self) -> Checkpoint:
        """Sign the log as it stands, and keep the checkpoint."""
        head = await self._database.read(self._head)
        note = checkpoint.sign(head, self._keys.signer)
        await self._database.write(lambda tx: leaves.put_checkpoint(tx, head.size, note.encode(), int(time.time())))
        return head

    def _head(self, tx: Reading) -> Checkpoint:
        size = self._log.size(tx)
        return Checkpoint(self._keys.origin, size, self._log.root(tx, size))

    async def _sign_on(self) -> None:
        while True:
            try:
                await self._sign_when_due()
            except Temporary as error:  # a full disk, a locked database: mail is told too, the keeper waits
                log.warning("keeper.not_signed", error=str(error))
                await trio.sleep(FIRST_RETRY_SECONDS)

    async def _sign_when_due(self) -> None:
        newest = await self._database.read(leaves.latest_checkpoint)
        signed, since = newest.size if newest else 0, None
        async with self._database.watch_all() as watch:
            while True:
                waiting = await self._database.read(self._log.size) - signed
                now = trio.current_time()
                since = (now if since is None else since) if waiting else None
                if since is not None and (waiting >= self._every_messages or now >= since + self._every_seconds):
                    signed, since = (await self.sign_head()).size, None
                    self._signed.wake()
                    continue
                # What is only passed on to other servers touches no account of ours: look now and then unasked.
                with trio.move_on_at((now if since is None else since) + self._every_seconds):
                    await watch.wait()
                    await trio.sleep(CALM_SECONDS)

    async def _anchor_on(self, open_chain: OpenChain) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                async with open_chain() as chain:
                    self._signed.wake()  # what an earlier run, or the attempt before this one, left
                    while True:
                        await self._signed.wait()
                        with trio.fail_after(ATTEMPT_SECONDS):
                            await self._anchor_newest(chain)
                        pause = FIRST_RETRY_SECONDS
                        self._tell(None)
            except Exception as error:  # noqa: BLE001 - whatever goes wrong with a chain, mail goes on
                _complain(error, pause)
                self._tell(error)
            with trio.move_on_after(pause):
                await self._hurry.wait()
            pause = min(pause * 2, LAST_RETRY_SECONDS)

    def _tell(self, failure: Exception | None) -> None:
        """Wake who waits in `anchor_now`."""
        self._failure = failure
        self._tried.set()
        self._tried = trio.Event()

    async def _anchor_newest(self, chain: Chain) -> None:
        """Bring the newest checkpoint onto the chain, if it is not there.

        1. The newest checkpoint has leaves, and is not anchored as far as we know.
        2. The contract stands, or is deployed.
        3. What the contract holds for us is a beginning of our log: never anchor a rewritten history.
        4. It may hold a head we never noted (we died between sending and noting): it is noted now, not sent again.
        5. Send, read back what the contract holds now, and note where it stands.
        """
        head, anchored = await self._database.read(_newest)
        noted = anchored.size if anchored and anchored.chain == chain.chain_id else 0
        if head is None or noted >= head.size:
            return
        contract = await self._contract(chain, anchored)
        stored = await tree_heads.read_head(chain, contract, self._keys.sender)
        await self._check_history(stored)
        if stored.size > noted:
            await self._note(chain, contract, stored)
        if stored.size < head.size:
            result = await tree_heads.anchor(chain, contract, head.size, head.root)
            stored = await tree_heads.read_head(chain, contract, self._keys.sender)
            await self._note(chain, contract, stored)
            metrics.anchors.labels("embedded", "anchored").inc()
            log.info("keeper.anchored", size=head.size, contract=contract, block=result.block, gas=result.gas)

    async def _contract(self, chain: Chain, anchored: Anchor | None) -> str:
        """The contract in use on this chain: the one of our last anchor, else the foretold one, else a new one."""
        known = anchored.contract if anchored and anchored.chain == chain.chain_id else self._keys.contract
        if await tree_heads.is_there(chain, known):
            return known
        made = await tree_heads.deploy(chain)
        log.info("keeper.deployed", contract=made, chain=chain.chain_id)
        return made

    async def _check_history(self, stored: StoredHead) -> None:
        if not stored.size:
            return
        size, root = await self._database.read(lambda tx: self._root_at(tx, stored.size))
        if root is None:
            raise HistoryError(
                f"the chain holds a head of {stored.size} messages, the log has {size}: an old backup was restored. "
                "Restore the newest one; anchoring is off until then"
            )
        if root != stored.root:
            raise HistoryError(
                f"the log's first {stored.size} messages are not those that were anchored: its history was changed. "
                "Restore the database from a backup; anchoring is off until then"
            )

    def _root_at(self, tx: Reading, size: int) -> tuple[int, bytes | None]:
        have = self._log.size(tx)
        return have, self._log.root(tx, size) if size <= have else None

    async def _note(self, chain: Chain, contract: str, stored: StoredHead) -> None:
        """Keep where the head stands, found by its event: so it also works for one that was sent before a crash."""
        event = await tree_heads.find_event(chain, contract, self._keys.sender, stored.size, stored.block)
        if event is None or event.data != stored.root:
            raise Temporary(
                f"block {stored.block} no longer tells of the head of {stored.size} messages: chain reorganised"
            )
        note = checkpoint.sign(Checkpoint(self._keys.origin, stored.size, stored.root), self._keys.signer)
        place = (chain.chain_id, contract, "0x" + event.transaction.hex(), stored.block, stored.time)

        def work(tx: Writing) -> None:
            leaves.put_checkpoint(tx, stored.size, note.encode(), stored.time)
            leaves.put_anchor(tx, stored.size, stored.root, *place)

        await self._database.write(work)


def _newest(tx: Reading) -> tuple[Checkpoint | None, Anchor | None]:
    """The newest checkpoint with leaves in it, and the newest anchor."""
    row = leaves.latest_checkpoint(tx)
    head = checkpoint.read(row.note.decode()) if row and row.size else None
    return head, leaves.latest_anchor(tx)


def _complain(error: Exception, pause: float) -> None:
    metrics.anchors.labels("embedded", "failed").inc()
    match error:
        case HistoryError():
            log.error("keeper.history", error=str(error), retry_seconds=pause)
        case WaxsealError() | trio.TooSlowError():
            log.warning("keeper.not_anchored", error=str(error) or type(error).__name__, retry_seconds=pause)
        case _:
            log.exception("keeper.broken", retry_seconds=pause, exc_info=error)
