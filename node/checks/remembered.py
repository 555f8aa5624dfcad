"""Answers that hold for a while, by digest of the question; bounded in number, oldest out first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import trio

T = TypeVar("T")


class Remembered(Generic[T]):
    """A small cache in memory.

    Args:
        seconds: how long an answer holds.
        most: answers kept at a time.
        clock: seconds that only grow; Trio's by default.
    """

    def __init__(self, seconds: float, most: int, clock: Callable[[], float] = trio.current_time) -> None:
        self._seconds = seconds
        self._most = most
        self._clock = clock
        self._kept: OrderedDict[bytes, tuple[float, T]] = OrderedDict()

    def get(self, digest: bytes) -> T | None:
        """The answer to this question, None when there is none or it is too old."""
        until, answer = self._kept.get(digest, (0.0, None))
        return answer if until > self._clock() else None

    def put(self, digest: bytes, answer: T) -> None:
        """Remember an answer."""
        self._kept.pop(digest, None)
        self._kept[digest] = (self._clock() + self._seconds, answer)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
