"""A circuit breaker: a daemon that keeps failing is left alone for a while, so that mail does not wait for it in vain.

Three states (M. Nygard, "Release It!", 2007). Closed: everybody asks. Open, after some failures in a row: nobody does.
Half-open, once the rest is over: one question goes through, and its fate decides. Each failed trial doubles the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto

import trio

from node.base import metrics
from node.base.log import get_log

log = get_log(__name__)


class State(Enum):
    """Where the breaker stands; the value is what the metric shows."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class Event(Enum):
    """What can happen to it."""

    ANSWERED = auto()
    FAILED = auto()
    EXHAUSTED = auto()  # failed, and that was the last of the failures in a row that are put up with
    ABANDONED = auto()  # the question was given up on our side, which says nothing about the daemon
    RESTED = auto()  # somebody asks, and the rest is over


NEXT: dict[tuple[State, Event], State] = {
    (State.CLOSED, Event.ANSWERED): State.CLOSED,
    (State.CLOSED, Event.FAILED): State.CLOSED,
    (State.CLOSED, Event.EXHAUSTED): State.OPEN,
    (State.CLOSED, Event.ABANDONED): State.CLOSED,
    (State.OPEN, Event.RESTED): State.HALF_OPEN,
    (State.HALF_OPEN, Event.ANSWERED): State.CLOSED,
    (State.HALF_OPEN, Event.FAILED): State.OPEN,
    (State.HALF_OPEN, Event.EXHAUSTED): State.OPEN,
    (State.HALF_OPEN, Event.ABANDONED): State.OPEN,
}


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to ask once; give it back with `settle`, whatever happened."""

    epoch: int


@dataclass(frozen=True, slots=True)
class Patience:
    """How much is put up with.

    Attributes:
        failures: in a row, until the daemon is left alone.
        rest: seconds it is left alone the first time.
        longest: seconds at most, however often trials fail.
    """

    failures: int = 5
    rest: float = 15.0
    longest: float = 600.0


class Breaker:
    """One daemon's breaker. It waits for nothing and starts nothing; its clock is given.

    Args:
        name: of the check, for log and metric.
        clock: seconds that only grow; Trio's by default.
    """

    def __init__(
        self, name: str, patience: Patience | None = None, clock: Callable[[], float] = trio.current_time
    ) -> None:
        self.name = name
        self.state = State.CLOSED
        self._patience = patience or Patience()
        self._clock = clock
        self._failures = 0
        self._rest = self._patience.rest
        self._open_until = 0.0
        self._epoch = 0  # grows with each change of state
        metrics.check_breaker.labels(name).set(self.state.value)

    def admit(self) -> Ticket | None:
        """A ticket to ask, or None while the daemon is to be left alone."""
        if self.state is State.OPEN and self._clock() >= self._open_until:
            self._happen(Event.RESTED)
            return Ticket(self._epoch)
        return Ticket(self._epoch) if self.state is State.CLOSED else None

    def settle(self, ticket: Ticket, event: Event) -> None:
        """Tell how the question ended: ANSWERED, FAILED or ABANDONED.

        Tickets from before the last change of state are out of date: a question that was under way when the breaker
        opened must not end the rest, nor count as the trial.
        """
        if ticket.epoch != self._epoch:
            return
        if event is Event.FAILED:
            self._failures += 1
            if self._failures >= self._patience.failures:
                event = Event.EXHAUSTED
        elif event is Event.ANSWERED:
            self._failures = 0
        self._happen(event)

    def _happen(self, event: Event) -> None:
        before, self.state = self.state, NEXT[self.state, event]
        if self.state is before:
            return
        self._epoch += 1
        metrics.check_breaker.labels(self.name).set(self.state.value)
        if self.state is State.OPEN:
            self._open(before, event)
        elif self.state is State.CLOSED:
            self._rest = self._patience.rest
            log.info("check.back", check=self.name)

    def _open(self, before: State, event: Event) -> None:
        if event is Event.ABANDONED:  # the trial was never finished: let the next one try
            self._open_until = self._clock()
            return
        if before is State.HALF_OPEN:
            self._rest = min(self._rest * 2, self._patience.longest)
        self._open_until = self._clock() + self._rest
        log.warning("check.resting", check=self.name, seconds=self._rest)
