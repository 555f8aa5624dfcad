"""A message made ready to be kept: trace header put in front, hashed, compressed, summarised; no lock held yet."""

from __future__ import annotations

import os
import re
import time
from dataclasses import dataclass
from mmap import mmap

import trio

from node.mail.layout import shifted
from node.mail.summary import summarize
from node.store.blobs import Blobs, Prepared
from node.store.incoming import Incoming
from node.store.messages import Summary

SALT_BYTES = 32
_IN_LINE = 64 << 10  # octets: larger messages are summarised in a thread
_END_OF_HEADER = re.compile(rb"\r\n\r\n|\A\r\n")
_FORGED = re.compile(rb"^x-waxseal-verdict(?=[ \t]*:)", re.IGNORECASE | re.MULTILINE)
_HEADER_LIMIT = 1 << 20

_heavy = trio.CapacityLimiter(2)


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message ready for the store.

    Attributes:
        prepared: hash, size and compressed form.
        summary: finished IMAP answers.
        salt: blinds the message's leaf in the public log; kept with the message and told in its receipt.
        received: unix seconds.
    """

    prepared: Prepared
    summary: Summary
    salt: bytes
    received: int


async def pack(blobs: Blobs, incoming: Incoming, prefix: bytes) -> Parcel:
    """Make a parcel of what came in, with `prefix` (whole header fields) before it.

    A verdict header that the sender wrote is renamed, so that nobody downstream takes a forged one for ours
    (the attack RFC 8601 §5 describes for Authentication-Results).

    Raises:
        Temporary: when the disk cannot take it.
    """
    with incoming.view() as view:
        start, head = _front(view)
        front = prefix + head
        prepared = await blobs.prepare(view, prefix=front, start=start)
        if isinstance(view, mmap) or incoming.size > _IN_LINE:
            summary = await trio.to_thread.run_sync(_summary, view, front, start, limiter=_heavy)
        else:
            summary = _summary(view, front, start)
    return Parcel(prepared, summary, os.urandom(SALT_BYTES), int(time.time()))


def _front(view: bytes | mmap) -> tuple[int, bytes]:
    """Where the untouched rest of the message starts, and the header to put before it when it had to be changed."""
    head = view[:_HEADER_LIMIT]
    end = _END_OF_HEADER.search(head)
    header = head[: end.end()] if end else head
    renamed = _FORGED.sub(b"X-Foreign-Verdict", header)
    return (len(header), renamed) if renamed != header else (0, b"")


def _summary(view: bytes | mmap, front: bytes, start: int) -> Summary:
    """Summarise `front + view[start:]` without joining a large message in memory.

    The fields of `front` change neither ENVELOPE nor BODYSTRUCTURE, so a large message is read where it lies
    and only its layout moves.
    """
    if isinstance(view, mmap):
        made = summarize(view)
        layout = shifted(made.layout, len(front) - start)
        return Summary(made.envelope, made.body, made.bodystructure, layout)
    made = summarize(front + view[start:])
    return Summary(made.envelope, made.body, made.bodystructure, made.layout)
