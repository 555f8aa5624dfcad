"""What a message's DKIM signatures and ARC chain come to, found in one pass over its body and within a deadline.

It gives values, no opinion: who weighs them is `node/checks/mailauth.py`. It never costs mail: what cannot be found out
in time is a temporary error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import trio

from node.base.log import get_log
from node.checks.panel import Subject
from node.mail.headers import header_end
from node.mailauth.arc import ArcCheck, ArcResult
from node.mailauth.canonical import BodyForm, BodyHash, BodyHasher, header_fields
from node.mailauth.dkim import DkimCheck, DkimResult
from node.mailauth.resolver import Resolver
from node.mailauth.result import Result

log = get_log(__name__)

SECONDS = 10.0  # for all keys together
QUICK = 64 << 10  # octets that are hashed without a thread
_AT_ONCE = 2  # bodies hashed at a time

NO_CHAIN = ArcResult(Result.NONE)

_limiter = trio.lowlevel.RunVar[trio.CapacityLimiter]("node.checks.signatures")


@dataclass(frozen=True, slots=True)
class Signatures:
    """What was found.

    Attributes:
        dkim: one result a signature, those of the author's domain first; empty where there is none.
        arc: what the chain of forwarders came to.
    """

    dkim: tuple[DkimResult, ...] = ()
    arc: ArcResult = NO_CHAIN


async def examine(subject: Subject, resolver: Resolver, now: int, seconds: float = SECONDS) -> Signatures:
    """Verify everything.

    Args:
        now: unix seconds.
        seconds: after which what is still open is `temperror`.
    """
    content = subject.content
    start = header_end(content, 0, len(content))
    if start == len(content) < subject.size:
        return Signatures((DkimResult(Result.PERMERROR, reason="the header is too long to be verified"),))
    fields = header_fields(content[:start])
    dkim, arc = DkimCheck(fields, now), ArcCheck(fields)
    found = Signatures()
    with trio.move_on_after(seconds) as scope:
        hashes = await _hashes(subject, start, (*dkim.forms, *arc.forms))
        found = replace(found, dkim=await dkim.results(hashes, resolver))
        found = replace(found, arc=await arc.result(hashes, resolver))
    if scope.cancelled_caught:
        log.info("mailauth.too_slow", seconds=seconds)
        found = _unfinished(found, dkim, arc)
    return found


def _unfinished(found: Signatures, dkim: DkimCheck, arc: ArcCheck) -> Signatures:
    reason = "the keys could not be looked up in time"
    results = found.dkim or tuple(DkimResult(Result.TEMPERROR, reason=reason) for _ in dkim.forms[:1])
    return Signatures(results, ArcResult(Result.TEMPERROR, reason=reason) if arc.forms else found.arc)


async def _hashes(subject: Subject, start: int, forms: Iterable[BodyForm]) -> Mapping[BodyForm, BodyHash]:
    """The hashes of the body; large pieces are hashed beside the loop."""
    hasher = BodyHasher(forms)
    if hasher.is_idle:
        return {}
    skip = start
    async for piece in subject.pieces():
        block, skip = piece[skip:], max(0, skip - len(piece))
        if len(block) <= QUICK:
            hasher.feed(block)
        else:
            await trio.to_thread.run_sync(hasher.feed, block, limiter=_threads())
    return hasher.finish()


def _threads() -> trio.CapacityLimiter:
    """Each Trio run has a limiter of its own."""
    try:
        return _limiter.get()
    except LookupError:
        _limiter.set(trio.CapacityLimiter(_AT_ONCE))
        return _limiter.get()
