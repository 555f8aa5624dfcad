"""What may be asked within an hour: a bucket that fills steadily, so that a flood of mail cannot cost a fortune."""

from __future__ import annotations

from collections.abc import Callable

import trio


class Allowance:
    """A token bucket that holds an hour's questions.

    Args:
        per_hour: questions an hour, and at once after a quiet hour.
        clock: seconds that only grow; Trio's by default.
    """

    def __init__(self, per_hour: int, clock: Callable[[], float] = trio.current_time) -> None:
        self._most = float(per_hour)
        self._left = self._most
        self._clock = clock
        self._seen: float | None = None

    def take(self) -> bool:
        """Take one; False when none is left."""
        now = self._clock()
        if self._seen is not None:
            self._left = min(self._most, self._left + (now - self._seen) * self._most / 3600)
        self._seen = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
