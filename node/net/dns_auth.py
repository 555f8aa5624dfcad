"""The DNS as message authentication asks it: cached, bounded, with deadlines (node/mailauth/resolver.py).

One question is under way once, however many messages ask it. Answers are kept by their TTL within limits, so are "no"
(RFC 2308) and, for a few seconds, the silence of a name server, so that mail does not wait for it again and again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TypeAlias

import dns.asyncresolver
import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.nameserver
import dns.rdata
import dns.resolver
import dns.reversename
import trio
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from node.base import metrics
from node.base.log import get_log
from node.mailauth.resolver import DnsBogus, DnsError, DnsTemporary, NoSuchName

log = get_log(__name__)

QUESTION_SECONDS = 5.0  # with all attempts
ATTEMPT_SECONDS = 2.0  # for one name server
AT_ONCE = 200  # questions under way
MAX_RECORDS = 256  # of one answer; the rest is left out
MAX_ENTRIES, MAX_OCTETS = 20_000, 32 << 20  # of the cache
MIN_TTL, MAX_TTL, MAX_NEGATIVE_TTL, FAILURE_TTL = 5.0, 86_400.0, 900.0, 5.0  # seconds
ENTRY_OCTETS = 200  # what an entry weighs beside its values
PAYLOAD = 1232  # octets of an answer over UDP: no fragments (DNS flag day 2020)

# RFC 8914: what a validating resolver says beside SERVFAIL when signatures do not hold.
_BOGUS = frozenset(
    {
        dns.edns.EDECode.DNSSEC_BOGUS,
        dns.edns.EDECode.SIGNATURE_EXPIRED,
        dns.edns.EDECode.SIGNATURE_NOT_YET_VALID,
        dns.edns.EDECode.DNSKEY_MISSING,
        dns.edns.EDECode.RRSIGS_MISSING,
        dns.edns.EDECode.NO_ZONE_KEY_BIT_SET,
        dns.edns.EDECode.NSEC_MISSING,
    }
)

Value: TypeAlias = bytes | str | tuple[int, str]


@dataclass(frozen=True, slots=True)
class Found:
    """One answer.

    Attributes:
        values: of the records: octets for TXT, text for A, AAAA and PTR, preference and host for MX.
        secure: a validating resolver on this machine vouches for it (the AD bit, RFC 4035 §3.2.3).
        seconds: it may be kept for.
        error: instead of values.
    """

    values: tuple[Value, ...] = ()
    secure: bool = False
    seconds: float = FAILURE_TTL
    error: DnsError | None = None


def open_resolver(servers: Sequence[tuple[str, int]] = ()) -> dns.asyncresolver.Resolver:
    """dnspython's resolver for these name servers: address and port each. None: the system's, else one on loopback."""
    if servers:
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers = [dns.nameserver.Do53Nameserver(host, port) for host, port in servers]
    else:
        try:
            made = dns.asyncresolver.Resolver()
        except dns.resolver.NoResolverConfiguration as error:
            log.warning("dns.not_configured", error=str(error), instead="127.0.0.1")
            made = dns.asyncresolver.Resolver(configure=False)
            made.nameservers = ["127.0.0.1"]
    made.timeout, made.lifetime = ATTEMPT_SECONDS, QUESTION_SECONDS
    made.use_edns(0, 0, PAYLOAD)
    made.set_flags(dns.flags.RD | dns.flags.AD)  # RFC 6840 §5.7: tell us whether it is authentic
    return made


class DnsAuth:
    """The resolver that is handed to message authentication (`node.mailauth.resolver.Resolver`).

    Args:
        resolver: made by `open_resolver`.
        clock: seconds that only rise.
        seconds: for one question, with all attempts.
    """

    def __init__(
        self,
        resolver: dns.asyncresolver.Resolver,
        clock: Callable[[], float] = time.monotonic,
        seconds: float = QUESTION_SECONDS,
    ) -> None:
        self._resolver = resolver
        self._clock = clock
        self._seconds = seconds
        self._near = all(_is_loopback(server) for server in resolver.nameservers)
        self._limiter = trio.CapacityLimiter(AT_ONCE)
        self._cache: OrderedDict[tuple[str, str], tuple[float, int, Found]] = OrderedDict()
        self._octets = 0
        self._asking: dict[tuple[str, str], trio.Event] = {}

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """See `Resolver`."""
        return tuple(value for value in (await self.look_up(name, "TXT")).values if isinstance(value, bytes))

    async def a(self, name: str) -> tuple[str, ...]:
        """See `Resolver`."""
        return tuple(value for value in (await self.look_up(name, "A")).values if isinstance(value, str))

    async def aaaa(self, name: str) -> tuple[str, ...]:
        """See `Resolver`."""
        return tuple(value for value in (await self.look_up(name, "AAAA")).values if isinstance(value, str))

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        """See `Resolver`."""
        return tuple(sorted(value for value in (await self.look_up(name, "MX")).values if isinstance(value, tuple)))

    async def ptr(self, address: str) -> tuple[str, ...]:
        """See `Resolver`."""
        name = dns.reversename.from_address(address).to_text(omit_final_dot=True)
        return tuple(value for value in (await self.look_up(name, "PTR")).values if isinstance(value, str))

    async def look_up(self, name: str, kind: str) -> Found:
        """One answer, from the cache where it lies there.

        Args:
            kind: "TXT", "A", "AAAA", "MX" or "PTR".

        Raises:
            NoSuchName, DnsTemporary, DnsBogus: there is none.
        """
        key = (name.lower().removesuffix("."), kind)
        while (found := self._kept(key)) is None and (asking := self._asking.get(key)) is not None:
            await asking.wait()  # and look again: whoever asked may have been cancelled
        if found is None:
            self._asking[key] = event = trio.Event()
            try:
                found = await self._ask(*key)
                self._keep(key, found)
            finally:
                del self._asking[key]
                event.set()
        if found.error is not None:
            raise type(found.error)(str(found.error))
        return found

    def _kept(self, key: tuple[str, str]) -> Found | None:
        entry = self._cache.get(key)
        if entry is None:
            return None
        if entry[0] < self._clock():
            self._drop(key)
            return None
        self._cache.move_to_end(key)
        metrics.dns_answers.labels("cached").inc()
        return entry[2]

    def _keep(self, key: tuple[str, str], found: Found) -> None:
        octets = ENTRY_OCTETS + len(key[0]) + sum(map(_weight, found.values))
        self._cache[key] = (self._clock() + found.seconds, octets, found)
        self._octets += octets
        while len(self._cache) > MAX_ENTRIES or self._octets > MAX_OCTETS:
            self._drop(next(iter(self._cache)))

    def _drop(self, key: tuple[str, str]) -> None:
        self._octets -= self._cache.pop(key)[1]

    async def _ask(self, name: str, kind: str) -> Found:
        found = await self._answer(name, kind)
        metrics.dns_answers.labels(_said(found)).inc()
        return found

    async def _answer(self, name: str, kind: str) -> Found:
        try:
            qname = dns.name.Name((*name.encode("ascii").split(b"."), b""))  # no escapes: what stands there is asked
        except (dns.exception.DNSException, UnicodeEncodeError):
            return Found(error=NoSuchName(f"{name[:80]!r} is no name of the DNS"), seconds=MAX_NEGATIVE_TTL)
        try:
            async with self._limiter:
                with trio.fail_after(self._seconds):
                    answer = await self._resolver.resolve(
                        qname, kind, raise_on_no_answer=False, search=False, lifetime=self._seconds
                    )
        except dns.resolver.NXDOMAIN as error:
            seconds = min(
                (_seconds(response, MAX_NEGATIVE_TTL) for response in error.kwargs["responses"].values()), default=0
            )
            return Found(error=NoSuchName(f"{name} does not exist"), seconds=max(MIN_TTL, seconds))
        except dns.resolver.NoNameservers as error:
            return Found(error=_refusal(error, name, kind))
        except (dns.exception.DNSException, trio.TooSlowError, OSError):
            return Found(error=DnsTemporary(f"no answer about {name} {kind}"))
        secure = self._near and bool(answer.response.flags & dns.flags.AD)
        if answer.rrset is None:
            return Found(secure=secure, seconds=_seconds(answer.response, MAX_NEGATIVE_TTL))
        values = (_value(record) for record, _ in zip(answer.rrset, range(MAX_RECORDS), strict=False))
        kept = tuple(value for value in values if value is not None)
        return Found(kept, secure, _seconds(answer.response, MAX_TTL))


def _said(found: Found) -> str:
    if found.error is None:
        return "answered" if found.values else "none"
    return {NoSuchName: "none", DnsBogus: "bogus"}.get(type(found.error), "failed")


def _weight(value: Value) -> int:
    return 16 + len(value[1] if isinstance(value, tuple) else value)


def _seconds(response: dns.message.Message, most: float) -> float:
    """How long an answer may be kept: the least TTL on the way to it, the SOA's for a "no" (RFC 2308 §5)."""
    assert isinstance(response, dns.message.QueryMessage)
    return min(most, max(MIN_TTL, float(response.resolve_chaining().minimum_ttl)))


def _refusal(error: dns.resolver.NoNameservers, name: str, kind: str) -> DnsError:
    """Every name server failed: was it because DNSSEC says no?"""
    for *_, response in error.kwargs.get("errors", ()):
        if response is not None and any(each.code in _BOGUS for each in response.extended_errors()):
            return DnsBogus(f"DNSSEC finds the answer about {name} {kind} forged or expired")
    return DnsTemporary(f"the name servers failed on {name} {kind}")


def _value(record: dns.rdata.Rdata) -> Value | None:
    """A record as a plain value; None for a name that is not text."""
    match record:
        case TXT(strings=strings):
            return b"".join(strings)
        case A(address=address) | AAAA(address=address):
            return str(address)
        case MX(exchange=exchange, preference=preference):
            host = _text(exchange)
            return None if host is None else (int(preference), host)
        case PTR(target=target):
            return _text(target)
        case _:
            return None


def _text(name: dns.name.Name) -> str | None:
    labels = [label for label in name.labels if label]
    if any(b"." in label or not label.isascii() for label in labels):
        return None
    return b".".join(labels).decode("ascii")


def _is_loopback(server: str | dns.nameserver.Nameserver) -> bool:
    text = server if isinstance(server, str) else getattr(server, "address", "")
    try:
        return ip_address(text).is_loopback
    except ValueError:
        return False
