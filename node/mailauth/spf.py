"""SPF: may this address send mail in that domain's name? (RFC 7208; addresses beyond ASCII after RFC 8616).

Whatever the resolver answers, `check_host` ends within `MAX_QUESTIONS` questions. It has no deadline of its own: the
caller sets one around it (RFC 7208 §4.6.4 asks for at least 20 seconds) and takes its end for a temperror.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from node.mailauth.resolver import DnsError, NoSuchName, Resolver
from node.mailauth.result import MethodResult, Result
from node.mailauth.spf_macro import (
    LETTERS,
    LETTERS_OF_TEXT,
    MAX_NAME,
    MacroString,
    SpfSyntaxError,
    Unspeakable,
    Values,
    expand,
    expand_name,
    parse_macros,
    uses,
)
from node.mailauth.spf_record import (
    All,
    Exists,
    Hosts,
    Include,
    Mechanism,
    Network,
    Ptr,
    Record,
    parse_record,
    spf_records,
)

MAX_TERMS_ASKING = 10  # include, a, mx, ptr, exists and redirect (§4.6.4)
MAX_VOID = 2  # of those may find nothing (§4.6.4)
MAX_HOSTS = 10  # exchangers of one mx, and names of the client, that are looked at (§4.6.4)
MAX_EXPLANATION = 500  # characters
_EXPLANATION_RECORD = 2000  # octets of the record behind it
_REMEMBERED = 1024  # octets of a record that is read once for many messages
# The first record, an explanation, the client's names once, and all terms being mx.
MAX_QUESTIONS = 1 + 1 + (1 + MAX_HOSTS) + MAX_TERMS_ASKING * (1 + MAX_HOSTS)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who sends, and in whose name.

    Attributes:
        ip: of the client.
        domain: whose record is asked: that of MAIL FROM, or the HELO name; lower-case A-labels.
        local: the local part of MAIL FROM without quotes; "postmaster" for HELO (§4.3).
        helo: what the client called itself; hostile text.
        receiver: this host's name, for explanations.
        time: unix seconds, likewise.
    """

    ip: IPv4Address | IPv6Address
    domain: str
    local: str = "postmaster"
    helo: str = ""
    receiver: str = "unknown"
    time: int = 0


@dataclass(frozen=True, slots=True)
class SpfAnswer:
    """What came of it.

    Attributes:
        result: one of none, neutral, pass, fail, softfail, temperror, permerror (§2.6).
        term: the term that matched, "" for none; hostile text, visible ASCII.
        domain: the domain in whose record it stands, "" likewise.
        explanation: the domain owner's words for a fail, "" for none; hostile text, printable ASCII.
        problem: what went wrong, for temperror and permerror; may quote hostile text.
    """

    result: Result
    term: str = ""
    domain: str = ""
    explanation: str = ""
    problem: str = ""


_read = lru_cache(maxsize=2048)(parse_record)  # large senders' records come again with every message


class _Stop(Exception):
    """The evaluation is over, with an error (§2.6.6, §2.6.7)."""

    def __init__(self, result: Result, problem: str) -> None:
        super().__init__(problem)
        self.result = result


async def check_host(resolver: Resolver, asked: Asked) -> SpfAnswer:
    """The function of RFC 7208 §4. It never raises for what the DNS or the client says."""
    domain = asked.domain.removesuffix(".")
    if not is_multilabel(domain):  # §4.3
        return SpfAnswer(Result.NONE)
    ip = asked.ip
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:  # §5: "MUST be treated as an IPv4 address"
        ip = ip.ipv4_mapped
    values = Values(
        ip, (asked.local or "postmaster", domain), domain, asked.helo, receiver=asked.receiver, time=asked.time
    )
    evaluation = _Evaluation(resolver)
    try:
        answer, record, values = await evaluation.domain(values)
        if answer.result is Result.FAIL and record and record.explanation:
            answer = replace(answer, explanation=await evaluation.explanation(record.explanation, values))
    except _Stop as stop:
        return SpfAnswer(stop.result, problem=str(stop))
    return answer


def is_multilabel(name: str) -> bool:
    """Whether a name is a fully qualified one that SPF asks about (§4.3): no literal, two labels or more."""
    return is_name(name) and "." in name and not name.startswith("[")


def is_name(name: str) -> bool:
    """Whether a name, without its last dot, can be asked for: ASCII, labels of 1 to 63 octets, 253 in all."""
    return 0 < len(name) <= MAX_NAME and name.isascii() and all(0 < len(label) <= 63 for label in name.split("."))


class _Evaluation:
    """One run, with what it has spent."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._terms = 0
        self._void = 0
        self._names: tuple[str, ...] | None = None
        self._nameless = False

    async def domain(self, values: Values) -> tuple[SpfAnswer, Record | None, Values]:
        """The answer of one domain's record, and the record and domain it came from: redirect= may name others."""
        record = await self._record(values.domain)
        if record is None:
            return SpfAnswer(Result.NONE), None, values
        while True:
            for directive in record.directives:
                if await self._matches(directive.mechanism, values):
                    return SpfAnswer(directive.result, directive.text, values.domain), record, values
            if record.redirect is None:  # §4.7
                return SpfAnswer(Result.NEUTRAL, domain=values.domain), record, values
            record, values = await self._redirected(record.redirect, values)

    async def _redirected(self, target: MacroString, values: Values) -> tuple[Record, Values]:
        self._spend()
        name = await self._name(target, values)
        record = await self._record(name) if name else None
        if record is None:  # §6.1
            raise _Stop(Result.PERMERROR, f"redirect= to {name[:80]!r}, which has no SPF record")
        return record, replace(values, domain=name)

    async def _record(self, domain: str) -> Record | None:
        """A domain's record (§4.4, §4.5)."""
        try:
            found = spf_records(await self._resolver.txt(domain))
        except NoSuchName:
            return None
        except DnsError as error:
            raise _Stop(Result.TEMPERROR, f"{domain}: {error}") from None
        if not found:
            return None
        if len(found) > 1:
            raise _Stop(Result.PERMERROR, f"{domain} has more than one SPF record")
        try:
            return _read(found[0]) if len(found[0]) <= _REMEMBERED else parse_record(found[0])
        except SpfSyntaxError as error:
            raise _Stop(Result.PERMERROR, f"{domain}: {error}") from None

    def _spend(self) -> None:
        self._terms += 1
        if self._terms > MAX_TERMS_ASKING:
            raise _Stop(Result.PERMERROR, f"more than {MAX_TERMS_ASKING} terms that ask the DNS")

    def _nothing(self) -> None:
        """Count a term that found nothing."""
        self._void += 1
        if self._void > MAX_VOID:
            raise _Stop(Result.PERMERROR, f"more than {MAX_VOID} terms for which the DNS has nothing")

    async def _matches(self, mechanism: Mechanism, values: Values) -> bool:
        match mechanism:
            case All():
                return True
            case Network(network):
                return values.ip.version == network.version and values.ip in network
            case Include(target):
                return await self._included(target, values)
            case Hosts(exchangers, target, length4, length6):
                self._spend()
                name = await self._name(target, values)
                hosts = await self._exchangers(name) if exchangers and name else (name,)
                return await self._at(hosts, values.ip, length4 if values.ip.version == 4 else length6)
            case Ptr(target):
                self._spend()
                return await self._within(await self._name(target, values), values.ip)
            case Exists(target):
                self._spend()
                name = await self._name(target, values)
                return bool(name) and bool(await self._addresses(name, 4, counts=True))

    async def _name(self, target: MacroString | None, values: Values) -> str:
        """The target-name; "" where it is none that could be asked for, which then matches nothing (§4.8)."""
        if target is None:
            return values.domain
        if uses(target, "p"):
            values = replace(values, validated=await self._validated(values))
        try:
            name = expand_name(target, values)
        except Unspeakable:
            return ""
        return name if is_name(name) else ""

    async def _included(self, target: MacroString, values: Values) -> bool:
        """§5.2: its table."""
        self._spend()
        if any(uses(target, letter) for letter in "sl") and not values.sender[0].isascii():
            return False  # RFC 8616 §4
        name = await self._name(target, values)
        answer = (await self.domain(replace(values, domain=name)))[0] if name else SpfAnswer(Result.NONE)
        if answer.result is Result.NONE:
            raise _Stop(Result.PERMERROR, f"include of {name[:80]!r}, which has no SPF record")
        return answer.result is Result.PASS

    async def _exchangers(self, name: str) -> tuple[str, ...]:
        try:
            found = await self._resolver.mx(name)
        except NoSuchName:
            found = ()
        except DnsError as error:
            raise _Stop(Result.TEMPERROR, f"{name}: {error}") from None
        if not found:
            self._nothing()
        if len(found) > MAX_HOSTS:
            raise _Stop(Result.PERMERROR, f"{name} has more than {MAX_HOSTS} mail exchangers")
        return tuple(host for _, host in found if is_name(host))

    async def _at(self, hosts: Sequence[str], ip: IPv4Address | IPv6Address, length: int) -> bool:
        """Whether one of the hosts has the client's address, as far as the prefix goes. One term: void once at most."""
        network = ip_network((ip, length), strict=False)
        void = False
        for host in filter(None, hosts):
            found = await self._addresses(host, ip.version)
            void = void or not found
            if any(address in network for address in map(ip_address, found)):
                return True
        if void:
            self._nothing()
        return False

    async def _addresses(self, name: str, version: int, *, counts: bool = False) -> tuple[str, ...]:
        try:
            found = await (self._resolver.a(name) if version == 4 else self._resolver.aaaa(name))
        except NoSuchName:
            found = ()
        except DnsError as error:
            raise _Stop(Result.TEMPERROR, f"{name}: {error}") from None
        if counts and not found:
            self._nothing()
        return found

    async def _within(self, target: str, ip: IPv4Address | IPv6Address) -> bool:
        """§5.5: whether a validated name of the client is the target or lies below it."""
        names = await self._client_names(ip)
        if self._nameless:
            self._nothing()
        wanted = target.lower()
        return bool(wanted) and any(name == wanted or name.endswith(f".{wanted}") for name in names)

    async def _client_names(self, ip: IPv4Address | IPv6Address) -> tuple[str, ...]:
        """The client's validated names, looked up once (§5.5): trouble with the DNS leaves names out, no more."""
        if self._names is None:
            try:
                claimed = await self._resolver.ptr(str(ip))
                self._nameless = not claimed
            except DnsError as error:
                claimed, self._nameless = (), isinstance(error, NoSuchName)
            self._names = await validated_names(self._resolver, ip, claimed)
        return self._names

    async def _validated(self, values: Values) -> str:
        """The letter p (§7.3): the domain itself before one below it, before any other."""
        names = await self._client_names(values.ip)
        domain = values.domain.lower()
        ranks = (lambda name: name == domain, lambda name: name.endswith(f".{domain}"), lambda _: True)
        return next((name for rank in ranks for name in names if rank(name)), "unknown")

    async def explanation(self, target: MacroString, values: Values) -> str:
        """What exp= says (§6.2), "" when there is anything wrong with it: it never changes the result."""
        name = await self._name(target, values)
        if not name:
            return ""
        try:
            texts = await self._resolver.txt(name)
            if len(texts) != 1 or len(texts[0]) > _EXPLANATION_RECORD or not texts[0].isascii():
                return ""
            pieces = parse_macros(texts[0].decode("ascii"), letters=LETTERS + LETTERS_OF_TEXT, spaces=True)
            if uses(pieces, "p"):
                values = replace(values, validated=await self._validated(values))
            said = expand(pieces, values)[:MAX_EXPLANATION]
        except (DnsError, SpfSyntaxError, Unspeakable):
            return ""
        return "".join(letter if " " <= letter <= "~" else "?" for letter in said)


async def validated_names(resolver: Resolver, ip: IPv4Address | IPv6Address, claimed: Sequence[str]) -> tuple[str, ...]:
    """Those of the names which an address is mapped to that are mapped back to it, lower case, of the first ten.

    Trouble with one of them leaves it out (§5.5).
    """
    found: list[str] = []
    for name in (each.removesuffix(".").lower() for each in claimed[:MAX_HOSTS]):
        if not is_name(name):
            continue
        try:
            addresses = await (resolver.a(name) if ip.version == 4 else resolver.aaaa(name))
        except DnsError:
            continue
        if ip in map(ip_address, addresses):
            found.append(name)
    return tuple(found)


def method_result(answer: SpfAnswer, identity: str, value: str) -> MethodResult:
    """The answer for `Authentication-Results` (RFC 8601 §2.7.2).

    Args:
        identity: "mailfrom" or "helo".
        value: what the client gave as that.
    """
    comment = answer.problem or (f"{answer.domain}: {answer.term}" if answer.term else "")
    return MethodResult("spf", answer.result, ((f"smtp.{identity}", value),), comment)
