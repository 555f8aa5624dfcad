"""Asking somebody else's program: bounded in time and number, behind a circuit breaker, and never an exception.

Fail open (mail first): whatever a daemon does, the answer is an opinion or a reason for having none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import trio

from node.base import metrics
from node.base.errors import RemoteProtocolError, WaxsealError
from node.base.log import get_log
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Subject
from node.net.breaker import Breaker, Event

log = get_log(__name__)
T = TypeVar("T")


class NotAsked(WaxsealError):
    """This message is not put to the daemon, or is too much for it; says nothing about the daemon's health."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class Guard:
    """The way to one daemon.

    Args:
        deadline: seconds for everything: waiting for one's turn, connecting, asking, reading.
        at_once: questions under way at a time.
    """

    def __init__(self, breaker: Breaker, deadline: float, at_once: int) -> None:
        self._breaker = breaker
        self._deadline = deadline
        self._turn = trio.Semaphore(at_once)

    @property
    def name(self) -> str:
        """Of the check, as log, metric and header have it."""
        return self._breaker.name

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T | Reason:
        """The answer, or why there is none; raises nothing but Trio's cancellation from outside."""
        end = trio.current_time() + self._deadline
        with metrics.check_seconds.labels(self.name).time():
            with trio.move_on_at(end) as waiting:
                await self._turn.acquire()
            if waiting.cancelled_caught:
                return Reason.CHECK_BUSY  # our own queue: no failure of the daemon's
            try:
                return await self._admitted(question, end)
            finally:
                self._turn.release()

    async def _admitted(self, question: Callable[[], Awaitable[T]], end: float) -> T | Reason:
        ticket = self._breaker.admit()
        if ticket is None:
            return Reason.CHECK_RESTING
        event = Event.ABANDONED
        try:
            with trio.move_on_at(end):
                answer, event = await self._answer(question)
                return answer
            event = Event.FAILED
            self._say(Reason.CHECK_SLOW, "no whole answer in time")
            return Reason.CHECK_SLOW
        finally:
            self._breaker.settle(ticket, event)

    async def _answer(self, question: Callable[[], Awaitable[T]]) -> tuple[T | Reason, Event]:
        try:
            return await question(), Event.ANSWERED
        except NotAsked as error:
            return error.reason, Event.ABANDONED
        except RemoteProtocolError as error:
            return self._say(Reason.CHECK_GARBLED, str(error)), Event.FAILED
        except (WaxsealError, trio.TooSlowError) as error:
            return self._say(Reason.CHECK_UNREACHABLE, str(error)), Event.FAILED
        except Exception:  # a bug of ours on this way must not cost mail either
            log.exception("check.crashed", check=self.name)
            return Reason.CHECK_FAILED, Event.FAILED

    def _say(self, reason: Reason, problem: str) -> Reason:
        log.info("check.failed", check=self.name, reason=str(reason), problem=problem[:300])
        return reason


class Asks(Protocol):
    """Knows how to ask one daemon about a message.

    Raises `RemoteProtocolError` where its answer makes no sense, `Temporary` or `Permanent` without one, `NotAsked`.
    """

    async def ask(self, subject: Subject) -> Opinion: ...


class External:
    """A content check behind a guard (see `node.checks.panel.ContentCheck`)."""

    def __init__(self, asks: Asks, guard: Guard) -> None:
        self._asks = asks
        self._guard = guard

    async def content(self, subject: Subject) -> Opinion:
        """The daemon's opinion, or an unscored one with the reason."""
        answer = await self._guard.ask(lambda: self._asks.ask(subject))
        name = self._guard.name
        opinion = Opinion(answer, "unscored", check=name) if isinstance(answer, Reason) else answer
        result = opinion.label if opinion.label != "unscored" else str(opinion.reason)
        metrics.check_answers.labels(name, result).inc()
        return opinion
