"""The spool's runner: takes what is due, has it carried, and records what became of it.

An entry leaves the spool only in the transaction that records its end: delivered, or its notification stored.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial

import trio

from node.base import metrics
from node.base.errors import Temporary
from node.base.log import get_log
from node.base.reply import Reply
from node.outbound import schedule
from node.outbound.bounce import Bouncer, Work
from node.outbound.outcome import Deferred, Delivered, Outcome, Refused
from node.store import spool
from node.store.database import Database
from node.store.spool import Entry
from node.store.transaction import Reading, Writing

log = get_log(__name__)

MAX_WAIT = 5.0  # seconds until the spool is looked at again though nobody called `wake`
RETRY_SECONDS = 5.0  # after the database failed us
MAX_PAUSE = 60.0  # between attempts to record an end
RECORD_SECONDS = 30.0  # how long a shutdown waits for an end to be recorded
GRACE_SECONDS = 24 * 3600  # behind expiry: how long to try storing a notification nobody can take
MAX_ATTEMPT = 3600.0  # seconds one attempt may take in all; every single wait has its own deadline
WINDOW = 1000  # due entries looked at together
MAX_WINDOW = 16_000
_END_OF_TIME = 1 << 62


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is carried at a time."""

    total: int = 50
    per_destination: int = 5


@dataclass(eq=False, slots=True)
class Runner:
    """One for the node; `run` until cancelled.

    Attributes:
        carry: hands one entry to the next server.
        bouncer: tells senders about failures.
        clock: unix seconds; every wait is computed from it.
        chance: a random number in [0, 1), for the schedule's jitter.
    """

    database: Database
    carry: Callable[[Entry], Awaitable[Outcome]]
    bouncer: Bouncer
    clock: Callable[[], float]
    chance: Callable[[], float] = random.random
    limits: Limits = field(default_factory=Limits)
    _busy: dict[int, str] = field(default_factory=dict)  # entries under way and their destinations
    _resting: set[int] = field(default_factory=set)
    _changed: trio.Event = field(default_factory=trio.Event)

    def wake(self) -> None:
        """New entries may be there: look at once. Call it after the commit that spooled them."""
        self._changed.set()

    async def run(self) -> None:
        """Carry mail until cancelled. No fault of a message, a peer or the disk ends it."""
        async with trio.open_nursery() as nursery:
            while True:
                self._changed = trio.Event()
                try:
                    wait = await self._start_due(nursery)
                except Exception:
                    log.exception("spool.unreadable")
                    wait = RETRY_SECONDS
                with trio.move_on_after(wait):
                    await self._changed.wait()

    async def _start_due(self, nursery: trio.Nursery) -> float:
        """Start what may be started; return how long to wait for the next look."""
        window = WINDOW
        while True:
            entries = await self.database.read(partial(spool.due, now=int(self.clock()), limit=window))
            self._start(nursery, entries)
            # A window full of mail for one slow destination must not hide the others behind it.
            if len(entries) < window or window >= MAX_WINDOW or len(self._busy) >= self.limits.total:
                break
            window *= 4
        metrics.spool_entries.set(await self.database.read(spool.count))
        if any(entry.id not in self._busy for entry in entries):
            return MAX_WAIT  # it waits for a free place, and a finished attempt wakes us
        when = await self.database.read(partial(_next_after, now=int(self.clock()), skip=len(entries)))
        return MAX_WAIT if when is None else min(MAX_WAIT, max(0.0, when - self.clock()))

    def _start(self, nursery: trio.Nursery, entries: list[Entry]) -> None:
        destinations = Counter(self._busy.values())
        for entry in entries:
            destination = entry.recipient.rpartition("@")[2].lower()
            if (
                entry.id in self._busy
                or entry.id in self._resting
                or destinations[destination] >= self.limits.per_destination
            ):
                continue
            if len(self._busy) >= self.limits.total:
                break
            destinations[destination] += 1
            self._busy[entry.id] = destination
            nursery.start_soon(self._attempt, entry)

    async def _attempt(self, entry: Entry) -> None:
        """One entry, once; afterwards its place is free."""
        try:
            outcome = await self._carried(entry)
            with trio.move_on_after(RECORD_SECONDS) as scope:
                # The peer has answered: a shutdown now must not make us send the message again.
                scope.shield = True
                await self._record(entry, outcome)
        except Exception:
            # A bug of ours. The entry rests until the next start: carried again at once, it could arrive for ever.
            self._resting.add(entry.id)
            log.exception("mail.record_failed", entry=entry.id)
        finally:
            del self._busy[entry.id]
            self.wake()

    async def _carried(self, entry: Entry) -> Outcome:
        try:
            with trio.fail_after(MAX_ATTEMPT):
                return await self.carry(entry)
        except (Temporary, trio.TooSlowError) as error:
            return Deferred("", Reply(451, "4.3.0", str(error) or "it took too long"))
        except Exception:
            # The one crash guard of an attempt: a message that trips a bug of ours waits, and the others go on.
            log.exception("mail.attempt_failed", entry=entry.id)
            return Deferred("", Reply(451, "4.3.0", "internal error"))

    async def _record(self, entry: Entry, outcome: Outcome) -> None:
        """Write down what became of the attempt; insist while the disk is full or the database is locked."""
        pause = 1.0
        while True:
            try:
                result = await self._written(entry, outcome)
            except Temporary as error:
                log.warning("spool.unwritable", entry=entry.id, error=str(error))
                await trio.sleep(pause)
                pause = min(2 * pause, MAX_PAUSE)
                continue
            metrics.messages.labels("sent", result).inc()
            _decided(entry, outcome, result)
            return

    async def _written(self, entry: Entry, outcome: Outcome) -> str:
        if isinstance(outcome, Delivered):
            await self.database.write(partial(spool.done, id=entry.id))
            return "delivered"
        now = self.clock()
        when = schedule.next_attempt(entry.attempts + 1, now, entry.expires, self.chance())
        if isinstance(outcome, Deferred) and when is not None:
            await self._defer(entry, when, outcome.reply)
            return "deferred"
        return await self._give_up(entry, outcome, now)

    async def _give_up(self, entry: Entry, end: Refused | Deferred, now: float) -> str:
        """Store the notification and forget the entry, in one transaction."""
        try:
            work = await self.bouncer.work(entry, end)
            await self.database.write(partial(_finish, entry_id=entry.id, notification=work))
        except Temporary as error:
            if now >= entry.expires + GRACE_SECONDS:
                log.warning("mail.bounce_lost", entry=entry.id, sender=entry.sender, error=str(error))
                await self.database.write(partial(spool.done, id=entry.id))
                return "dropped"
            log.warning("mail.bounce_waits", entry=entry.id, error=str(error))
            await self._defer(entry, int(now) + schedule.wait_after(entry.attempts + 1, self.chance()), end.reply)
            return "deferred"
        return "bounced" if work else "dropped"

    async def _defer(self, entry: Entry, when: int, reply: Reply) -> None:
        await self.database.write(partial(spool.defer, id=entry.id, when=when, reply=str(reply)[:1000]))


def _finish(tx: Writing, *, entry_id: int, notification: Work | None) -> None:
    if spool.get(tx, entry_id) is None:
        return  # it was finished before; a second notification would be one too many
    if notification is not None:
        notification(tx)
    spool.done(tx, entry_id)


def _next_after(tx: Reading, *, now: int, skip: int) -> int | None:
    """The earliest attempt in the future, behind `skip` entries that are due already."""
    entries = spool.due(tx, _END_OF_TIME, skip + 1)
    return next((entry.next_attempt for entry in entries if entry.next_attempt > now), None)


def _decided(entry: Entry, outcome: Outcome, result: str) -> None:
    """The postmaster's line."""
    log.info(
        "mail.sent",
        entry=entry.id,
        result=result,
        sender=entry.sender or "<>",
        recipient=entry.recipient,
        host=outcome.host,
        reply=str(outcome.reply)[:300],
        tls=outcome.tls if isinstance(outcome, Delivered) else "",
        attempts=entry.attempts + 1,
    )
