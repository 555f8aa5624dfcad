"""Replicas: every sealed tree goes to the places that the operator names, and what they hold is looked after.

The queue lies in the database and is read off the parts, so that nothing is lost by a crash, and a place that is down
makes the queue grow and nothing else. For each tree and place:

1. WAITING: the tree is sent, as a CARv1 archive or by its name.
2. ASKED: the place is asked until it confirms the whole tree, or does not know of it any more (then 1 again).
3. HELD. Once enough places hold a tree, its leaves may go from here, where the settings say so.
4. GOING: no message needs it any more; it is dropped there, and its row goes.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import trio

from node.base import metrics
from node.base.errors import Temporary, WaxsealError
from node.base.log import get_log
from node.ipfs import car
from node.ipfs.blockstore import BlockCorrupt, BlockMissing
from node.ipfs.cid import Cid, Codec
from node.ipfs.repair import Repair
from node.ipfs.tiered import TieredBlocks
from node.ipfs.unixfs import blocks_of
from node.store import parts, replicas
from node.store.database import Database
from node.store.replicas import Replica, State

log = get_log(__name__)

ROUND = 100  # trees looked at together
IN_VAIN = 3  # failures in a row that end a round
FIRST_SECONDS, LONGEST_SECONDS = 5, 600  # until a tree or a place is tried again; doubled each time
LOOK_SECONDS = 30.0  # at the latest, for what is new or due
PAUSE_SECONDS = 2.0  # a busy node commits hundreds of times a second
FIRST_PATROL_SECONDS = 3600.0  # after the start
PACE = 0.005  # seconds of rest after each block of a patrol
MAX_ERROR = 500  # characters remembered
BATCH = 500  # blocks deleted in one call


class Place(Protocol):
    """Somebody who keeps trees (node.net.ipfs: a Kubo daemon, a pinning service)."""

    @property
    def name(self) -> str:
        """As the settings name it; the queue's rows are found by it."""

    async def send(self, root: str, car: Callable[[], AsyncGenerator[bytes, None]], size: int) -> str:
        """Have it keep a tree. Twice is no harm.

        Returns:
            What it calls the request, "" for nothing.

        Raises:
            WaxsealError: it does not, now.
        """

    async def holds(self, root: str, request: str) -> bool | None:
        """True: it has the whole tree. False: it is at it. None: it knows nothing of it, or gave up."""

    async def drop(self, root: str, request: str) -> None:
        """Have it keep a tree no longer. What it does not hold is no error."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is wanted.

    Attributes:
        copies: places that must hold a tree before its leaves may go from here.
        keep_local: they stay all the same.
        patrol_seconds: between two looks at every block and replica; 0 for none.
    """

    copies: int = 1
    keep_local: bool = True
    patrol_seconds: float = 0


class Replication:
    """Brings trees to places and keeps them there.

    Args:
        places: none: nothing leaves this machine.
        writing: held while leaves are removed here, so that none goes that is being written just now.
        clock: seconds since 1970.
    """

    def __init__(
        self,
        database: Database,
        blocks: TieredBlocks,
        places: Sequence[Place],
        policy: Policy,
        *,
        writing: AbstractAsyncContextManager[object] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._blocks = blocks
        self.places = tuple(places)
        self._policy = policy
        self._writing = writing or trio.Lock()
        self._clock = clock
        self._news = trio.Event()
        self._released: set[bytes] = set()

    async def run(self) -> None:
        """Work for ever. A broken place disturbs no other."""
        await self.forget_strangers()
        async with trio.open_nursery() as nursery:
            for place in self.places:
                nursery.start_soon(self._tend, place)
            if self._policy.patrol_seconds:
                nursery.start_soon(self._patrol)
            async with self._database.watch_all() as watch:
                while True:
                    await self.refresh()
                    await self._quietly(self.release)
                    with trio.move_on_after(LOOK_SECONDS):
                        await watch.wait()
                    await trio.sleep(PAUSE_SECONDS)

    async def refresh(self) -> None:
        """Read the queue off the parts."""
        names = [place.name for place in self.places]
        if await self._database.read(partial(replicas.is_stale, places=names)):
            await self._database.write(partial(replicas.refresh, places=names, now=self._now()))
            self._news.set()
            self._news = trio.Event()

    async def forget_strangers(self) -> None:
        """Places that are not in the settings any more hold nothing that is counted on."""
        names = {place.name for place in self.places}
        for name in await self._database.read(replicas.places):
            if name not in names:
                log.warning("replicas.place_gone", place=name)
                await self._database.write(partial(replicas.forget_place, place=name))

    async def round(self, place: Place) -> bool:
        """Do what is due at a place; False when it ended in failures. A row of them ends it early."""
        in_vain = 0
        for row in await self._database.read(partial(replicas.due, place=place.name, now=self._now(), limit=ROUND)):
            in_vain = 0 if await self._attempt(place, row) else in_vain + 1
            if in_vain == IN_VAIN:
                break
        standing = await self._database.read(partial(replicas.standing, place=place.name))
        metrics.replicas_waiting.labels(place.name).set(standing.waiting)
        age = 0 if standing.oldest is None else max(0, self._now() - standing.oldest)
        metrics.replica_oldest.labels(place.name).set(age)
        return not in_vain

    async def release(self) -> int:
        """Remove the leaves of trees that enough others hold; return how many trees. In quiet moments only.

        Trees may share leaves (deduplication): while any tree is being written or lacks copies, every leaf stays.
        """
        if self._policy.keep_local or not self.places:
            return 0
        count = 0
        async with self._writing:
            if await self._database.read(partial(replicas.needy, copies=self._policy.copies)):
                return 0
            for root in await self._database.read(parts.roots):
                if root not in self._released:
                    count += await self._release(Cid.from_bytes(root))
                    self._released.add(root)
        return count

    async def recheck(self, place: Place) -> int:
        """Ask a place for everything it has confirmed; return how many trees it lost. They are sent again."""
        lost, after = 0, b""
        while rows := await self._database.read(partial(replicas.held, place=place.name, after=after, limit=ROUND)):
            for row in rows:
                if await place.holds(str(Cid.from_bytes(row.root)), row.request) is not True:
                    lost += 1
                    log.error("replica.lost", place=place.name, cid=str(Cid.from_bytes(row.root)))
                    metrics.replica_answers.labels(place.name, "lost").inc()
                    await self._put(row, State.WAITING, request="", error="it was confirmed once and is not held now")
            after = rows[-1].root
        return lost

    # --- one place ----------------------------------------------------------------------------------------------------

    async def _tend(self, place: Place) -> None:
        failures = 0
        while True:
            news = self._news
            try:
                failures = 0 if await self.round(place) else failures + 1
            except WaxsealError as error:  # the database; the next round may find it again
                log.warning("replicas.round_failed", place=place.name, error=str(error))
                failures += 1
            with trio.move_on_after(await self._pause(place, failures)):
                await news.wait()
            await trio.sleep(min(FIRST_SECONDS * failures, LOOK_SECONDS) if failures > 1 else 0)

    async def _pause(self, place: Place, failures: int) -> float:
        at = await self._database.read(partial(replicas.next_due, place=place.name))
        if at is None:
            return LOOK_SECONDS
        return min(max(at - self._clock(), _backoff(failures - 1) if failures else 0), LONGEST_SECONDS)

    async def _attempt(self, place: Place, row: Replica) -> bool:
        root = Cid.from_bytes(row.root)
        try:
            match row.state:
                case State.WAITING:
                    row = await self._send(place, root, row)
                    await self._ask(place, root, row)
                case State.ASKED:
                    await self._ask(place, root, row)
                case State.GOING:
                    await place.drop(str(root), row.request)
                    await self._database.write(partial(replicas.forget, root=row.root, place=place.name))
                    metrics.replica_answers.labels(place.name, "dropped").inc()
        except WaxsealError as error:
            metrics.replica_answers.labels(place.name, "failed").inc()
            log.warning("replica.failed", place=place.name, cid=str(root), error=str(error), attempts=row.attempts + 1)
            await self._put(row, row.state, attempts=row.attempts + 1, error=str(error)[:MAX_ERROR])
            return False
        return True

    async def _send(self, place: Place, root: Cid, row: Replica) -> Replica:
        size = row.size + (row.size >> 6) + 65536  # a little more than the archive has
        request = await place.send(str(root), partial(car.of_tree, self._blocks.get, root), size)
        return await self._put(row, State.ASKED, request=request)

    async def _ask(self, place: Place, root: Cid, row: Replica) -> None:
        held = await place.holds(str(root), row.request)
        if held is None:
            await self._put(row, State.WAITING, request="")
            raise Temporary(f"{place.name} was given {root} and knows nothing of it")
        if not held:
            await self._put(row, State.ASKED, attempts=row.attempts + 1)
            return
        await self._put(row, State.HELD)
        metrics.replica_answers.labels(place.name, "held").inc()
        log.info("replica.held", place=place.name, cid=str(root))

    async def _put(
        self, row: Replica, state: State, *, request: str | None = None, attempts: int = 0, error: str = ""
    ) -> Replica:
        now = self._now()
        row = replace(
            row,
            state=state,
            request=row.request if request is None else request,
            attempts=attempts,
            due=now + (_backoff(attempts - 1) if attempts else 0),
            since=row.since if state in {row.state, State.ASKED} else now,
            error=error,
        )
        await self._database.write(partial(replicas.put, row=row))
        return row

    async def _patrol(self) -> None:
        """Now and then, look at every block here and every replica elsewhere."""
        await trio.sleep(min(FIRST_PATROL_SECONDS, self._policy.patrol_seconds))
        while True:
            copies = 0 if self._policy.keep_local else self._policy.copies
            await self._quietly(Repair(self._database, self._blocks, copies=copies, pace=PACE).run)
            for place in self.places:
                await self._quietly(partial(self.recheck, place))
            await trio.sleep(self._policy.patrol_seconds)

    # --- this place ---------------------------------------------------------------------------------------------------

    async def _release(self, root: Cid) -> int:
        """The nodes stay: they are small, and tell what a tree holds without asking anybody."""
        local, leaves = self._blocks.local, list[Cid]()
        async with aclosing(blocks_of(local.get, root, unless=(BlockMissing, BlockCorrupt))) as cids:
            async for cid in cids:
                if cid.codec is Codec.RAW:
                    leaves.append(cid)
        removed = sum([await local.delete(leaves[at : at + BATCH]) for at in range(0, len(leaves), BATCH)])
        if removed:
            log.info("replica.leaves_released", cid=str(root), blocks=removed)
        return int(removed > 0)

    async def _quietly(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except WaxsealError as error:
            log.warning("replicas.care_failed", error=str(error))

    def _now(self) -> int:
        return int(self._clock())


def _backoff(attempts: int) -> int:
    return min(FIRST_SECONDS << min(max(attempts, 0), 16), LONGEST_SECONDS)
