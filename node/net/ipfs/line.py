"""The way to one place that keeps blocks: each question has a deadline, and a place that keeps failing has a rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import trio

from node.base.errors import RemoteProtocolError, Temporary, WaxsealError
from node.net.breaker import Breaker, Event, Patience

T = TypeVar("T")

MAX_BLOCK = 2 << 20  # octets: what IPFS nodes agree to exchange
LONGEST = 4 * 3600.0  # seconds for one question, however much comes

IsRight = Callable[[bytes], bool]
"""True for the bytes that a block's name names: whoever knows names gives it, so that no lie gets past a client."""


class Answered(Temporary):
    """It answers, and says no: nothing is wrong with the way to it."""


class Absent(Answered):
    """It answers that it does not have the block."""


class Lied(RemoteProtocolError):
    """It gave other bytes under a block's name."""


class Line:
    """The way to one place.

    Args:
        name: of the place, for errors, log and metric; never its address, which may hold a key.
        seconds: for a short question, and between two pieces of a long answer.
    """

    def __init__(self, name: str, seconds: float, patience: Patience | None = None) -> None:
        self.name = name
        self.seconds = seconds
        self._breaker = Breaker(name, patience)

    async def ask(self, question: Callable[[trio.CancelScope], Awaitable[T]], within: float | None = None) -> T:
        """The answer to a question; it is given the scope of its deadline, which it may move while things happen.

        Raises:
            Temporary: no answer, not in time, or the place is left alone for a while.
            RemoteProtocolError: the answer breaks a rule.
        """
        ticket = self._breaker.admit()
        if ticket is None:
            raise Temporary(f"{self.name} failed several times and is left alone for a while")
        event = Event.ABANDONED
        within = self.seconds if within is None else within
        try:
            with trio.move_on_after(within) as scope:
                answer = await question(scope)
                event = Event.ANSWERED
                return answer
            event = Event.FAILED
            raise Temporary(f"{self.name} gives no whole answer in time")
        except Answered:
            event = Event.ANSWERED
            raise
        except WaxsealError:
            event = Event.FAILED
            raise
        finally:
            self._breaker.settle(ticket, event)

    def checked(self, cid: str, data: bytes, is_right: IsRight) -> bytes:
        """The block that came, if it is the one asked for."""
        if not is_right(data):
            raise Lied(f"{self.name} gives other bytes for block {cid}")
        return data
