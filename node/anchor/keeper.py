"""The keeper: signs the log's head at a steady pace and puts it on chains. Mail never waits for it.

The signer makes a checkpoint when N messages wait or the oldest has waited T seconds. One loop for each chain
(`anchoring`) puts the newest checkpoint there, at that chain's own pace; when a chain is slow, gone or wrong its loop
waits longer and longer and says so, while checkpoints go on being signed and the other chains go on.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import trio

from node.anchor import checkpoint
from node.anchor.anchoring import ATTEMPT_SECONDS, Anchoring, HistoryError
from node.anchor.checkpoint import Checkpoint
from node.anchor.keys import LogKeys
from node.anchor.log import Log
from node.anchor.plan import Plan, Publish
from node.base.errors import Permanent, Temporary
from node.base.log import get_log
from node.store import leaves
from node.store.anchors import Anchor
from node.store.database import Database, Reading

__all__ = ["HistoryError", "Keeper", "Plan"]

log = get_log(__name__)

CALM_SECONDS = 0.2  # between two looks at the log: commits come by the thousand, this is enough to notice
RETRY_SECONDS = 1.0


class Keeper:
    """Keeps one log's checkpoints signed and anchored.

    Args:
        database: the node's.
        keys: the log's.
        plans: the chains, and how each is anchored on; none: checkpoints are signed, and anchored nowhere.
        every_seconds: sign at the latest this long after a message.
        every_messages: or at once when so many wait.
        publish: what else is put on each chain (`publisher`).
    """

    def __init__(
        self,
        database: Database,
        keys: LogKeys,
        plans: Sequence[Plan] = (),
        every_seconds: float = 60,
        every_messages: int = 1000,
        *,
        publish: Publish | None = None,
    ) -> None:
        self._database = database
        self._keys = keys
        self._chains = [Anchoring(database, keys, plan, publish) for plan in plans]
        self._every_seconds = every_seconds
        self._every_messages = every_messages
        self._log = Log()

    async def run(self) -> None:
        """Keep on until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._sign_on)
            for one in self._chains:
                nursery.start_soon(one.run)

    async def anchor_now(self, chain_id: int | None = None) -> Anchor | None:
        """Anchor everything logged so far, and return the newest anchor: for demonstrations and tests. Needs `run`.

        Args:
            chain_id: on which chain; None: the first.

        Returns:
            None when the log is empty.

        Raises:
            Temporary, Permanent: the attempt failed; the keeper goes on trying by itself.
        """
        chosen = next((one for one in self._chains if chain_id in {None, one.plan.chain_id}), None)
        if chosen is None:
            raise Permanent("anchoring is switched off in the settings (anchor.enabled), or there is no such chain")
        head = await self.sign_head()
        if not head.size:
            return None
        try:
            with trio.fail_after(ATTEMPT_SECONDS):
                return await chosen.reach(head.size)
        except trio.TooSlowError:
            raise Temporary("the chain took too long to take the log's head") from None

    async def sign_head(self) -> Checkpoint:
        """Sign the log as it stands, and keep the checkpoint."""
        head = await self._database.read(self._head)
        note = checkpoint.sign(head, *self._keys.signers)
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
                await trio.sleep(RETRY_SECONDS)

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
                    for one in self._chains:
                        one.signed.wake()
                    continue
                # What is only passed on to other servers touches no account of ours: look now and then unasked.
                with trio.move_on_at((now if since is None else since) + self._every_seconds):
                    await watch.wait()
                    await trio.sleep(CALM_SECONDS)
