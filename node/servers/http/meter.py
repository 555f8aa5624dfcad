"""An allowance for each network: so many requests at once, and so many a second after that."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import trio

from node.auth.throttle import network


class Meter:
    """A token bucket for each network, in a table that cannot grow.

    Args:
        burst: requests that cost no waiting.
        per_second: how fast the allowance comes back.
        entries: table size; who asked longest ago falls out.
    """

    def __init__(
        self,
        burst: float,
        per_second: float,
        entries: int = 10_000,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._burst = burst
        self._per_second = per_second
        self._entries = entries
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()  # what is left, and when it was

    def take(self, peer: str, cost: float = 1.0) -> float:
        """Take from the allowance of a peer's network; 0, or the seconds to wait when it is used up."""
        now, key = self._clock(), network(peer)
        left, then = self._levels.pop(key, (self._burst, now))
        left = min(self._burst, left + (now - then) * self._per_second)
        wait = 0.0 if left >= cost else (cost - left) / self._per_second
        self._levels[key] = (left if wait else left - cost, now)
        while len(self._levels) > self._entries:
            self._levels.popitem(last=False)
        return wait
