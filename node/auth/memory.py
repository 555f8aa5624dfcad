"""Credentials checked lately, so that a client which logs in often costs a look-up and not a derivation."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import trio

RIGHT_SECONDS = 900.0
WRONG_SECONDS = 60.0
ENTRIES = 4096


@dataclass(frozen=True, slots=True)
class Known:
    """These credentials opened that app password.

    Attributes:
        password_id: None when they opened nothing.
        until: on the memory's clock.
    """

    password_id: int | None
    until: float


class Memory:
    """Results under keyed hashes of the credentials; the key dies with the process. Bounded; least used first out."""

    def __init__(self, entries: int = ENTRIES, clock: Callable[[], float] = trio.current_time) -> None:
        self._key = secrets.token_bytes(32)
        self._clock = clock
        self._entries = entries
        self._table: OrderedDict[bytes, Known] = OrderedDict()

    def digest(self, *parts: bytes) -> bytes:
        """The name under which credentials are remembered."""
        # Each with its length, so that no two splits of the same octets meet.
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hashlib.blake2b(framed, digest_size=32, key=self._key).digest()

    def recall(self, digest: bytes) -> Known | None:
        """What is remembered, unless it is stale."""
        known = self._table.get(digest)
        if known is None or known.until < self._clock():
            self._table.pop(digest, None)
            return None
        self._table.move_to_end(digest)
        return known

    def remember(self, digest: bytes, password_id: int | None) -> None:
        """Keep a result for a while; wrong ones shorter."""
        seconds = WRONG_SECONDS if password_id is None else RIGHT_SECONDS
        self._table[digest] = Known(password_id, self._clock() + seconds)
        self._table.move_to_end(digest)
        while len(self._table) > self._entries:
            self._table.popitem(last=False)

    def forget(self, digest: bytes) -> None:
        """Drop a result."""
        self._table.pop(digest, None)

    def __len__(self) -> int:
        return len(self._table)
