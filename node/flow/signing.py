"""Signing what our people send with DKIM, before it is kept or leaves. If that fails, the mail goes unsigned."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import trio

from node.base import metrics
from node.base.errors import ConfigError
from node.base.log import get_log
from node.mailauth.canonical import body_hashes, header_fields
from node.mailauth.dkim_sign import BODY, SigningKey, sign
from node.store import dkim_keys
from node.store.incoming import Incoming

log = get_log(__name__)

LOOK_AGAIN = 60  # seconds after which keys are read anew: a new pair needs no restart
MAX_DOMAINS = 10_000  # kept in memory
_AT_ONCE = 2  # messages signed at a time

_limiter = trio.lowlevel.RunVar[trio.CapacityLimiter]("node.flow.signing")


class Signing:
    """Signs for the domains that have keys.

    Args:
        folder: of the keys (`node.store.dkim_keys`).
        clock: unix seconds.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._keys: dict[str, tuple[float, list[dkim_keys.DkimKey]]] = {}

    async def fields(self, domain: str, added: bytes, head: bytes, incoming: Incoming) -> bytes:
        """The signature fields to put before a message, one for each kind of key; b"" where it cannot be signed.

        Args:
            domain: of the author, A-labels: receivers look for its signature (RFC 7489 §3.1.1).
            added: header fields that are put before the message.
            head: the message's own header, with the empty line.
        """
        try:
            made = await trio.to_thread.run_sync(self._sign, domain, added, head, incoming, limiter=_threads())
        except ConfigError as error:
            log.warning("dkim.key_unusable", domain=domain, error=str(error))
            made = None
        except Exception:  # an unsigned message arrives more often than one that is not sent
            log.exception("dkim.crashed", domain=domain)
            made = None
        metrics.dkim_signed.labels("failed" if made is None else "signed" if made else "no_key").inc()
        return made or b""

    def _sign(self, domain: str, added: bytes, head: bytes, incoming: Incoming) -> bytes:
        now = self._clock()
        keys = self._current(domain, now)
        if not keys:
            return b""
        with incoming.view() as view:
            digest = body_hashes(view, [BODY], start=len(head))[BODY]
        return sign(header_fields(added + head), digest, keys, int(now))

    def _current(self, domain: str, now: float) -> list[SigningKey]:
        """The keys that sign now.

        Raises:
            ConfigError: a key file cannot be used.
        """
        read, keys = self._keys.get(domain, (0.0, []))
        if not read <= now < read + LOOK_AGAIN:
            keys = dkim_keys.load(self._folder, domain)
            if len(self._keys) >= MAX_DOMAINS:
                self._keys.clear()
            self._keys[domain] = (now, keys)
        return [one.key for one in keys if one.signs(now)]


def _threads() -> trio.CapacityLimiter:
    """Each Trio run has a limiter of its own."""
    try:
        return _limiter.get()
    except LookupError:
        _limiter.set(trio.CapacityLimiter(_AT_ONCE))
        return _limiter.get()
