"""Growing delays for whoever keeps failing, in a table that cannot grow."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import trio


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast failing gets slow.

    Attributes:
        free: failures that cost no waiting.
        first_seconds: wait after the first failure beyond those; doubles with each further one.
        longest_seconds: the wait grows no further.
        forget_seconds: quiet time after which everything is forgiven.
        entries: table size; the one that failed longest ago falls out.
    """

    free: int = 5
    first_seconds: float = 2
    longest_seconds: float = 300
    forget_seconds: float = 900
    entries: int = 10_000


@dataclass(slots=True)
class _Record:
    failures: int
    last: float
    until: float


class Throttle:
    """Counts failures by key and says how long a key has to wait."""

    def __init__(self, pace: Pace, clock: Callable[[], float] = trio.current_time) -> None:
        self._pace = pace
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, key: str) -> float:
        """Seconds until this key may try again; 0 when it may now."""
        record = self._records.get(key)
        return 0.0 if record is None else max(0.0, record.until - self._clock())

    def fail(self, key: str) -> None:
        """Count one failure."""
        now = self._clock()
        record = self._records.pop(key, None)
        if record is None or now - record.last > self._pace.forget_seconds:
            record = _Record(0, now, now)
        record.failures += 1
        record.last = now
        beyond = record.failures - self._pace.free
        if beyond > 0:
            delay = self._pace.first_seconds * 2.0 ** min(beyond - 1, 30)
            record.until = now + min(delay, self._pace.longest_seconds)
        self._records[key] = record
        while len(self._records) > self._pace.entries:
            self._records.popitem(last=False)

    def __len__(self) -> int:
        return len(self._records)


@lru_cache(maxsize=4096)
def network(peer: str) -> str:
    """The peer as it is counted: one IPv4 address, or one IPv6 /64 (the smallest block a customer gets)."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer[:64]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return str(address)
