"""A message made ready to be kept: trace header put in front, hashed, compressed, summarised; no lock held yet."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from mmap import mmap

import trio

from node.mail.layout import shifted
from node.mail.summary import summarize
from node.mailauth.authres import without_forged
from node.store import blobs
from node.store.blobs import Prepared
from node.store.database import Database
from node.store.incoming import Incoming
from node.store.messages import Summary

SALT_BYTES = 32
QUICK = 64 << 10  # octets that are summarised without a thread (under a millisecond)
HEADER_LIMIT = 1 << 20  # octets in which a forged verdict is looked for
_FORGED = re.compile(rb"^x-waxseal-verdict(?=[ \t]*:)", re.IGNORECASE | re.MULTILINE)

_limiter = trio.lowlevel.RunVar[trio.CapacityLimiter]("node.flow.parcel")


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message ready for the store.

    Attributes:
        content: hashed and compressed already when large, else as it came.
        summary: finished IMAP answers.
        salt: blinds the message's leaf in the public log; kept with the message and told in its receipt.
        received: unix seconds.
    """

    content: Prepared | bytes
    summary: Summary
    salt: bytes
    received: int

    def prepared(self) -> Prepared:
        """Hash, size and compressed form.

        Called within the transaction: on the writer's thread a small message is hashed and compressed beside the loop
        and without a hop of its own (docs/performance.md has what it is worth).
        """
        return blobs.prepare_inline(self.content) if isinstance(self.content, bytes) else self.content


async def pack(
    database: Database, incoming: Incoming, prefix: bytes, *, own: bool = False, names: Sequence[str] = ()
) -> Parcel:
    """Make a parcel of what came in, with `prefix` (whole header fields) before it.

    A verdict header that the sender wrote is renamed, so that nobody downstream takes a forged one for ours
    (the attack RFC 8601 §5 describes). Authentication-Results under a name of ours are removed.

    Args:
        names: under which this node writes Authentication-Results; none for what our own people send.
        own: the message is its reader's own copy, kept octet for octet, our true verdict and the receipt included.

    Raises:
        Temporary: when the disk cannot take it.
    """
    with incoming.view() as view:
        start, head = (0, b"") if own else _front(view, names)
        front = prefix + head
        prepared: Prepared | bytes
        if isinstance(view, mmap):
            with memoryview(view) as whole, whole[start:] as rest:
                prepared = await blobs.prepare(database, rest, prefix=front)
            summary = await trio.to_thread.run_sync(_summarize_large, view, len(front) - start, limiter=_threads())
        else:
            prepared = front + view[start:]
            if len(prepared) > QUICK:
                summary = await trio.to_thread.run_sync(_summarize, prepared, limiter=_threads())
                prepared = await blobs.prepare(database, prepared)
            else:
                summary = _summarize(prepared)
    return Parcel(prepared, summary, os.urandom(SALT_BYTES), int(time.time()))


def small_parcel(content: bytes) -> Parcel:
    """Make a parcel of a small message of our own, at once: for what is told within a transaction."""
    return Parcel(content, _summarize(content), os.urandom(SALT_BYTES), int(time.time()))


def _front(view: bytes | mmap, names: Sequence[str]) -> tuple[int, bytes]:
    """Where the untouched rest of the message starts, and the header to put before it when it had to be changed."""
    end = view.find(b"\r\n\r\n", 0, HEADER_LIMIT)
    header = view[: end + 4] if end >= 0 else view[:HEADER_LIMIT]
    cleaned = without_forged(header, names) if names else header
    if b"x-waxseal-verdict" in cleaned.lower():
        cleaned = _FORGED.sub(b"X-Foreign-Verdict", cleaned)
    return (0, b"") if cleaned == header else (len(header), cleaned)


def _summarize(content: bytes) -> Summary:
    made = summarize(content)
    return Summary(made.envelope, made.body, made.bodystructure, made.layout)


def _summarize_large(view: mmap, shift: int) -> Summary:
    """Summarise a large message where it lies: what stands before it changes neither ENVELOPE nor BODYSTRUCTURE."""
    made = summarize(view)
    return Summary(made.envelope, made.body, made.bodystructure, shifted(made.layout, shift))


def _threads() -> trio.CapacityLimiter:
    """Two large messages at a time; each Trio run has a limiter of its own."""
    try:
        return _limiter.get()
    except LookupError:
        _limiter.set(trio.CapacityLimiter(2))
        return _limiter.get()
