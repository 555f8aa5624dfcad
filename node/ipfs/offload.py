"""Keeps the database small: large attachments, and what is old, leave stored messages for the sealed block store.

A listener of the change feed: mail was delivered long before, and whatever goes wrong here leaves a message whole.
`node.ipfs.moving` moves one message; here it is decided which, when, and what is done about failures.

Deleting a message's blob removes its keys in the same transaction; `sweep` removes the blocks. `collect_garbage` finds
blocks no part refers to.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import trio

from node.base import metrics
from node.base.errors import Temporary, WaxsealError
from node.base.log import get_log
from node.ipfs import clearing, wraps
from node.ipfs.blockstore import Blocks, LocalBlocks
from node.ipfs.cid import Cid
from node.ipfs.moving import Mover
from node.ipfs.seal import Keys
from node.ipfs.sealed_parts import SealedParts
from node.store import changes, parts
from node.store.blobs import Blobs
from node.store.database import Database
from node.store.parts import Candidate

log = get_log(__name__)

CURSOR = "offload"
THRESHOLD = 1 << 20  # decoded octets
CHANGES = 500  # looked at together
RETRY_SECONDS = (5, 30, 120, 600)  # after each failure that may pass; then the message is left whole
SWEEP_SECONDS = 60
PAUSE_SECONDS = 0.1  # between two looks at the feed: a busy node commits hundreds of times a second
CURSOR_EVERY = 5000  # changes; looking at that many again after a restart costs less than a commit for each look
ARCHIVE_SECONDS = 3600  # between two rounds through all messages
ARCHIVE_WINDOW = 2000  # messages looked at together
DAY = 86400

_Move = Callable[[Candidate], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class _Later:
    """A message whose attachments could not be moved, to be tried again."""

    candidate: Candidate
    attempts: int
    due: float


class Offload:
    """Moves attachments and archives; `parts` reads them back for `node.store.blobs.Blobs`.

    Args:
        database: the node's; large content is laid out in its directory while it is cut.
        threshold: attachments of so many decoded octets or more leave the message.
        archive_after: days after which a message leaves the database whole; 0: never.
    """

    def __init__(
        self, database: Database, blocks: Blocks, keys: Keys, threshold: int = THRESHOLD, archive_after: int = 0
    ) -> None:
        self.parts = SealedParts(database, blocks, keys)
        self._database = database
        self._blocks = blocks
        self._mover = Mover(database, Blobs(database, database.path.parent, self.parts), blocks, keys)
        self._threshold = threshold
        self._archive_after = archive_after
        self._archive_due = float("-inf")
        self._keys = keys
        self._rewrap_due = float("-inf")
        self._held = 0  # the last message kept back that was looked at
        self._seen = 0
        self._saved = 0
        self._moved = trio.Event()
        self._later: dict[int, _Later] = {}

    @classmethod
    def open(
        cls, database: Database, blocks: Path, keys: Path, threshold: int = THRESHOLD, archive_after: int = 0
    ) -> Offload:
        """With the embedded block store in one folder and the node's attachment key in another.

        Raises:
            ConfigError: the key file cannot be used.
        """
        return cls(database, LocalBlocks(blocks), Keys.open(keys), threshold, archive_after)

    @property
    def writing(self) -> trio.Lock:
        """Held while blocks are written that belong to no part yet: whoever removes blocks waits for it."""
        return self._mover.writing

    async def run(self) -> None:
        """Follow the change feed for ever; clear up what a crash or a deletion left."""
        self._seen = self._saved = await self._database.read(partial(changes.cursor, name=CURSOR))
        if any(not part.cid for part in await self._database.read(parts.loose)):
            await self._quietly(self.collect_garbage)
        async with self._database.watch_all() as watch:
            while True:
                await self._catch_up()
                await self._look_at_held()
                await self._try_again()
                await self._quietly(self.sweep)
                await self._rewrap_in_time()
                await self._archive_in_time()
                with trio.move_on_after(self._next_look()):
                    await watch.wait()
                await trio.sleep(PAUSE_SECONDS)

    async def idle(self) -> None:
        """Wait until every change committed before this call was looked at. `run` must be running."""
        target = await self._database.read(changes.last)
        while self._seen < target:
            await self._moved.wait()

    async def of_message(self, sha256: bytes) -> list[tuple[str, Cid, int]]:
        """What was cut out of a message: (file name or "", CID of the sealed tree, decoded octets), in its order."""
        found = await self._database.read(partial(parts.of_message, sha256=sha256))
        return [(part.name, Cid.from_bytes(part.cid), part.size) for part in found]

    async def sweep(self) -> int:
        """Remove the blocks of parts whose message is gone; return how many parts went."""
        async with self._mover.writing:  # a tree that is being written may be the same as one that goes
            return await clearing.sweep(self._database, self._blocks, self.parts.forget)

    async def collect_garbage(self) -> int:
        """Remove blocks that belong to no part, and what a crash left of parts; return how many blocks went.

        Raises:
            BlockError: a tree that is needed cannot be read whole, so nobody can tell what is garbage.
        """
        async with self._mover.writing:
            return await clearing.collect_garbage(self._database, self._blocks)

    async def cut(self, candidate: Candidate) -> int:
        """Move the large attachments of one stored message; see `Mover.cut`."""
        return await self._mover.cut(candidate, self._threshold)

    async def put_away(self, candidate: Candidate) -> bool:
        """Move all that the database keeps of a message; see `Mover.archive`."""
        return await self._mover.archive(candidate)

    async def archive(self, before: float) -> int:
        """Move what the database keeps of messages that came into their last mailbox before `before` (unix seconds).

        Returns how many went. A failure is logged and counted; the next round tries again.
        """
        number = 0
        last = await self._database.read(parts.last_blob)
        for after in range(0, last, ARCHIVE_WINDOW):
            look = partial(parts.aged, after=after, upto=after + ARCHIVE_WINDOW, before=int(before))
            for candidate in await self._database.read(look):
                number += await self._attempt(candidate, self.put_away) is None
        return number

    async def rewrap(self) -> tuple[int, int]:
        """Wrap content keys for who came to hold a message, shred the wraps of who let go; (made, shredded)."""
        return await wraps.reconcile(self._database, self._keys)

    async def _rewrap_in_time(self) -> None:
        if trio.current_time() >= self._rewrap_due:
            await self._quietly(self.rewrap)
            self._rewrap_due = trio.current_time() + SWEEP_SECONDS

    async def _archive_in_time(self) -> None:
        if self._archive_after and trio.current_time() >= self._archive_due:
            await self.archive(time.time() - self._archive_after * DAY)
            self._archive_due = trio.current_time() + ARCHIVE_SECONDS

    # --- the change feed ----------------------------------------------------------------------------------------------

    async def _catch_up(self) -> None:
        full = True
        while full:  # a page that is not full is the last: what comes meanwhile waits for the next look
            rows = await self._database.read(partial(changes.after, seq=self._seen, limit=CHANGES))
            full = len(rows) == CHANGES
            if rows:
                await self._look_at(rows[-1].seq)
        # What is to be tried again is found again after a restart: the cursor waits for it.
        if self._seen >= self._saved + CURSOR_EVERY and not self._later:
            await self._database.write(partial(changes.advance, name=CURSOR, seq=self._seen))
            self._saved = self._seen

    async def _look_at(self, upto: int) -> None:
        look = partial(parts.uncut, after=self._seen, upto=upto, larger_than=self._threshold)
        for candidate in await self._database.read(look):
            await self._cut_or_later(candidate, 0)
        self._seen = upto
        self._moved.set()
        self._moved = trio.Event()

    async def _look_at_held(self) -> None:
        """What is kept back for an administrator is in no mailbox, so the change feed says nothing of it."""
        look = partial(parts.uncut_held, after=self._held, larger_than=self._threshold)
        self._held, candidates = await self._database.read(look)
        for candidate in candidates:
            await self._cut_or_later(candidate, 0)

    async def _try_again(self) -> None:
        now = trio.current_time()
        for later in [later for later in self._later.values() if later.due <= now]:
            del self._later[later.candidate.blob_id]
            await self._cut_or_later(later.candidate, later.attempts)

    def _next_look(self) -> float:
        soonest = min((later.due for later in self._later.values()), default=float("inf")) - trio.current_time()
        return max(0.0, min(soonest, SWEEP_SECONDS))

    async def _cut_or_later(self, candidate: Candidate, attempts: int) -> None:
        failure = await self._attempt(candidate, self.cut)
        if isinstance(failure, Temporary) and attempts < len(RETRY_SECONDS):
            due = trio.current_time() + RETRY_SECONDS[attempts]
            self._later[candidate.blob_id] = _Later(candidate, attempts + 1, due)

    async def _attempt(self, candidate: Candidate, move: _Move) -> Exception | None:
        """Move one message; a failure is logged, counted and returned. The message stays whole."""
        try:
            await move(candidate)
        except Exception as error:
            metrics.offload_failures.inc()
            log.warning(
                "offload.failed",
                blob=candidate.blob_id,
                error=str(error),
                again=isinstance(error, Temporary),
                exc_info=None if isinstance(error, WaxsealError) else error,
            )
            return error
        return None

    async def _quietly(self, work: clearing.Work) -> None:
        """Clearing up can wait: say what hinders it and go on."""
        try:
            await work()
        except WaxsealError as error:
            log.warning("offload.clearing_failed", error=str(error))
