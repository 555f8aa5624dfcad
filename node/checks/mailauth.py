"""Who is this message from? Every method of message authentication, asked at once, told in one header field.

It refuses nothing: results are the word of RFC 8601 for the reader, the reader's filters and later checks. Where the
DNS does not answer, they are "temperror", and the mail passes.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address

import trio

from node.base import metrics
from node.base.address import AddressError, normalize_domain, parse_address
from node.base.log import get_log
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Subject
from node.mail.headers import header_end
from node.mailauth import iprev, spf
from node.mailauth.arc import ArcCheck, ArcResult
from node.mailauth.canonical import BodyForm, BodyHash, BodyHasher, header_fields
from node.mailauth.dkim import DkimCheck, DkimResult
from node.mailauth.dmarc import Evaluation, Identity, evaluate
from node.mailauth.dmarc_author import author
from node.mailauth.dmarc_discovery import TreeWalk
from node.mailauth.iprev import ReverseAnswer
from node.mailauth.resolver import Resolver
from node.mailauth.result import MethodResult, Result
from node.mailauth.spf import Asked, SpfAnswer

log = get_log(__name__)
MAX_AHEAD = 200  # envelopes that are asked about before their message is there
_LATE = "no answer within the deadline"
_UNKNOWN_SPF = SpfAnswer(Result.TEMPERROR, problem=_LATE)


@dataclass(slots=True)
class _Facts:
    """What has been found out so far; what is not known at the deadline stays a temperror.

    Attributes:
        mail_from: domain of MAIL FROM, "" for the null sender.
        helo: the HELO name as a domain, "" when it is none.
        hashed: the body was read: signatures can be judged.
    """

    mail_from: str
    helo: str
    local: str
    sender_spf: SpfAnswer = _UNKNOWN_SPF
    helo_spf: SpfAnswer = _UNKNOWN_SPF
    reverse: ReverseAnswer = field(default_factory=lambda: ReverseAnswer(Result.TEMPERROR, problem=_LATE))
    dkim: tuple[DkimResult, ...] = (DkimResult(Result.TEMPERROR, reason=_LATE),)
    arc: ArcResult = field(default_factory=lambda: ArcResult(Result.TEMPERROR, reason=_LATE))
    dmarc: Evaluation = field(default_factory=lambda: Evaluation(Result.TEMPERROR, detail=_LATE))

    @property
    def identities(self) -> list[Identity]:
        """What DMARC compares with the author: HELO stands in for the null sender (RFC 9989 §4.4.2)."""
        answer, domain = (self.sender_spf, self.mail_from) if self.mail_from else (self.helo_spf, self.helo)
        found = [Identity("spf", domain, answer.result)] if domain else []
        return found + [Identity("dkim", each.domain, each.result, each.selector) for each in self.dkim if each.domain]

    def shown(self, subject: Subject) -> tuple[MethodResult, ...]:
        """All of it, in a fixed order."""
        found = [iprev.method_result(self.reverse, subject.peer)]
        if self.mail_from:
            found.append(spf.method_result(self.sender_spf, "mailfrom", subject.sender))
        if self.helo:
            found.append(spf.method_result(self.helo_spf, "helo", self.helo))
        found += [each.shown() for each in self.dkim] or [MethodResult("dkim", Result.NONE)]
        if self.arc.result is not Result.NONE:
            found.append(self.arc.shown())
        return (*found, self.dmarc.method_result())


class MailAuthCheck:
    """Asks all methods about mail from outside. Mail handed over on this very machine (loopback) is not from outside.

    Args:
        resolver: whom to ask.
        hostname: this node's name.
        seconds: for everything together.
        clock: unix seconds.
        nursery: where `arriving` asks; None: it does not.
    """

    def __init__(
        self,
        resolver: Resolver,
        hostname: str,
        seconds: float = 20.0,
        clock: Callable[[], float] = time.time,
        nursery: trio.Nursery | None = None,
    ) -> None:
        self._resolver = resolver
        self._hostname = hostname
        self._seconds = seconds
        self._clock = clock
        self._nursery = nursery
        self._ahead = 0

    def arriving(self, peer: str, helo: str, sender: str) -> None:
        """The envelope is known: ask now what can be asked, so that the answers lie in the cache when the data ends."""
        ip = _address(peer)
        if self._nursery is None or self._ahead >= MAX_AHEAD or ip is None or ip.is_loopback:
            return
        self._ahead += 1
        facts = _facts(Subject(b"", 0, sender, (), peer, helo))
        self._nursery.start_soon(self._ask_ahead, ip, facts, helo)

    async def _ask_ahead(self, ip: IPv4Address | IPv6Address, facts: _Facts, helo: str) -> None:
        try:
            with trio.move_on_after(self._seconds):
                async with trio.open_nursery() as nursery:
                    self._ask_envelope(nursery, ip, facts, helo)
        finally:
            self._ahead -= 1

    async def content(self, subject: Subject) -> Opinion:
        """Find out what can be found out, and let the message pass."""
        ip = _address(subject.peer)
        if ip is None or ip.is_loopback:
            return Opinion(Reason.FINE)
        facts = _facts(subject)
        with trio.move_on_after(self._seconds) as deadline:
            await self._ask(subject, ip, facts)
        if deadline.cancelled_caught:
            log.warning("mailauth.slow", peer=subject.peer, seconds=self._seconds)
        results = facts.shown(subject)
        for each in results:
            metrics.authentications.labels(each.method, str(each.result)).inc()
        return Opinion(Reason.FINE, results=results)

    async def _ask(self, subject: Subject, ip: IPv4Address | IPv6Address, facts: _Facts) -> None:
        async with trio.open_nursery() as nursery:
            self._ask_envelope(nursery, ip, facts, subject.helo)
            nursery.start_soon(_guarded, partial(self._signatures, subject, facts))
        facts.dmarc = await evaluate(
            author(subject.content), facts.identities, TreeWalk(self._resolver), self._resolver
        )

    def _ask_envelope(
        self, nursery: trio.Nursery, ip: IPv4Address | IPv6Address, facts: _Facts, helo_name: str
    ) -> None:
        async def reverse() -> None:
            facts.reverse = await iprev.check_address(self._resolver, ip)

        async def sender() -> None:
            facts.sender_spf = await self._spf(ip, facts.mail_from, facts.local, helo_name)

        async def helo() -> None:
            facts.helo_spf = await self._spf(ip, facts.helo, "postmaster", helo_name)

        for ask in (reverse, sender, helo):
            nursery.start_soon(_guarded, ask)

    async def _spf(self, ip: IPv4Address | IPv6Address, domain: str, local: str, helo: str) -> SpfAnswer:
        asked = Asked(ip, domain, local, helo, self._hostname, int(self._clock()))
        return await spf.check_host(self._resolver, asked)

    async def _signatures(self, subject: Subject, facts: _Facts) -> None:
        """DKIM and ARC, with one pass over the body."""
        start = header_end(subject.content, 0, len(subject.content))
        if start == len(subject.content) < subject.readable:
            facts.dkim, facts.arc = (), ArcResult(Result.NONE)  # a header of that size: nobody's signature is worth it
            return
        fields = header_fields(subject.content[:start])
        dkim, arc = DkimCheck(fields, int(self._clock())), ArcCheck(fields)
        hashes = await _hashes(subject, start, (*dkim.forms, *arc.forms))
        facts.dkim = await dkim.results(hashes, self._resolver)
        facts.arc = await arc.result(hashes, self._resolver)


async def _hashes(subject: Subject, start: int, forms: tuple[BodyForm, ...]) -> dict[BodyForm, BodyHash]:
    """The body's hashes: read piece by piece, so that other mail goes on meanwhile."""
    hasher = BodyHasher(forms)
    if forms:
        at = 0
        async for piece in subject.pieces():
            hasher.feed(piece[max(0, start - at) :])
            at += len(piece)
            await trio.lowlevel.checkpoint()
    return hasher.finish()


async def _guarded(ask: Callable[[], Awaitable[None]]) -> None:
    """A bug in one method must not cost the others' results: it stays a temperror."""
    try:
        await ask()
    except Exception:
        log.exception("mailauth.crashed")


def _facts(subject: Subject) -> _Facts:
    try:
        helo = normalize_domain(subject.helo)
    except AddressError:
        helo = ""
    try:
        sender = parse_address(subject.sender)
    except AddressError:
        return _Facts("", _named(helo), "postmaster")
    return _Facts(sender.domain, _named(helo), sender.local)


def _named(helo: str) -> str:
    """No literal: it has no policy (RFC 7208 §2.3)."""
    return "" if helo.startswith("[") else helo


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        ip = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip
