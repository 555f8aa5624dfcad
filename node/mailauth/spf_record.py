"""SPF records, read strictly (RFC 7208 §4.5, §4.6, §12). No I/O.

Whatever the octets, `parse_record` gives a `Record` or raises `SpfSyntaxError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeAlias

from node.mailauth.result import Result
from node.mailauth.spf_macro import (
    LETTERS,
    LETTERS_OF_TEXT,
    MacroString,
    SpfSyntaxError,
    parse_domain_spec,
    parse_macros,
)

MAX_RECORD = 65_535  # octets: what a DNS answer can hold
MAX_TERMS = 1000  # of one record
VERSION = b"v=spf1"

_QUALIFIERS = {"+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}
_MODIFIER = re.compile(r"([A-Za-z][A-Za-z0-9\-_.]*)=")
_MECHANISM = re.compile(r"([A-Za-z][A-Za-z0-9\-_.]*)(?=[:/]|\Z)")
_LENGTH = r"(?:0|[1-9][0-9]{0,2})"
_DUAL_CIDR = re.compile(rf"(?:/({_LENGTH}))?(?://({_LENGTH}))?\Z")
_CIDR = re.compile(rf"(?:/({_LENGTH}))?\Z")


@dataclass(frozen=True, slots=True)
class All:
    """Matches always (§5.1)."""


@dataclass(frozen=True, slots=True)
class Include:
    """Matches where the other domain's record says "pass" (§5.2)."""

    target: MacroString


@dataclass(frozen=True, slots=True)
class Hosts:
    """`a` or `mx`: the addresses of a name, or of its mail exchangers (§5.3, §5.4)."""

    exchangers: bool
    target: MacroString | None
    length4: int = 32
    length6: int = 128


@dataclass(frozen=True, slots=True)
class Ptr:
    """A validated name of the client lies within a domain (§5.5)."""

    target: MacroString | None


@dataclass(frozen=True, slots=True)
class Network:
    """`ip4` or `ip6` (§5.6)."""

    network: IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Exists:
    """A name has an A record (§5.7)."""

    target: MacroString


Mechanism: TypeAlias = All | Include | Hosts | Ptr | Network | Exists


@dataclass(frozen=True, slots=True)
class Directive:
    """A mechanism and what its match means.

    Attributes:
        text: as it stands in the record.
    """

    result: Result
    mechanism: Mechanism
    text: str


@dataclass(frozen=True, slots=True)
class Record:
    """A whole record: directives in order, and the two modifiers that mean something (§6)."""

    directives: tuple[Directive, ...]
    redirect: MacroString | None = None
    explanation: MacroString | None = None


def spf_records(texts: Sequence[bytes]) -> list[bytes]:
    """Those TXT records that are SPF records (§4.5): "v=spf1", case ignored, then a space or the end."""
    return [text for text in texts if text[:6].lower() == VERSION and text[6:7] in {b"", b" "}]


def parse_record(text: bytes) -> Record:
    """Read one record that `spf_records` chose.

    Raises:
        SpfSyntaxError: anything in it breaks the grammar; nothing of such a record counts (§4.6).
    """
    if len(text) > MAX_RECORD:
        raise SpfSyntaxError(f"the record is longer than {MAX_RECORD} octets")
    if not text.isascii():
        raise SpfSyntaxError("the record is not ASCII")
    version, _, rest = text.decode("ascii").partition(" ")
    if version.lower().encode() != VERSION:
        raise SpfSyntaxError("the record does not start with v=spf1")
    terms = [term for term in rest.split(" ") if term]
    if len(terms) > MAX_TERMS:
        raise SpfSyntaxError(f"more than {MAX_TERMS} terms")
    directives: list[Directive] = []
    modifiers: dict[str, MacroString] = {}
    for term in terms:
        if found := _MODIFIER.match(term):
            _modifier(found[1].lower(), term[found.end() :], modifiers)
        else:
            directives.append(_directive(term))
    return Record(tuple(directives), modifiers.get("redirect"), modifiers.get("exp"))


def _modifier(name: str, value: str, known: dict[str, MacroString]) -> None:
    if name not in {"redirect", "exp"}:
        parse_macros(value, letters=LETTERS + LETTERS_OF_TEXT)  # unknown: of no meaning, but of valid syntax (§6)
        return
    if name in known:
        raise SpfSyntaxError(f"{name}= occurs twice")
    known[name] = parse_domain_spec(value)


def _directive(term: str) -> Directive:
    qualifier, rest = (term[0], term[1:]) if term[0] in _QUALIFIERS else ("+", term)
    found = _MECHANISM.match(rest)
    read = _READERS.get(found[1].lower()) if found else None
    if found is None or read is None:
        raise SpfSyntaxError(f"unknown term {term[:60]!r}")
    try:
        mechanism = read(rest[found.end() :])
    except SpfSyntaxError as error:
        raise SpfSyntaxError(f"{term[:60]!r}: {error}") from None
    return Directive(_QUALIFIERS[qualifier], mechanism, term)


def _all(rest: str) -> All:
    if rest:
        raise SpfSyntaxError("all takes nothing")
    return All()


def _target(rest: str) -> MacroString:
    if not rest.startswith(":"):
        raise SpfSyntaxError("a domain is missing")
    return parse_domain_spec(rest[1:])


def _ptr(rest: str) -> Ptr:
    return Ptr(_target(rest) if rest else None)


def _hosts(rest: str, *, exchangers: bool) -> Hosts:
    found = _DUAL_CIDR.search(rest, max(0, len(rest) - 9))  # "/32//128" is the longest
    assert found  # the empty end matches
    length4, length6 = int(found[1] or 32), int(found[2] or 128)
    if length4 > 32 or length6 > 128:
        raise SpfSyntaxError("a prefix is too long")
    named = rest[: found.start()]
    return Hosts(exchangers, _target(named) if named else None, length4, length6)


def _network(rest: str, *, version: int) -> Network:
    found = _CIDR.search(rest, max(0, len(rest) - 4))
    assert found  # the empty end matches
    text = rest[1 : found.start()]
    try:
        if not rest.startswith(":") or "%" in text:  # no zone of IPv6
            raise AddressValueError("no address")
        address = IPv4Address(text) if version == 4 else IPv6Address(text)
    except AddressValueError:
        raise SpfSyntaxError(f"{text[:50]!r} is no IPv{version} address") from None
    length = address.max_prefixlen if found[1] is None else int(found[1])
    if length > address.max_prefixlen:
        raise SpfSyntaxError("the prefix is too long")
    if isinstance(address, IPv4Address):
        return Network(IPv4Network((address, length), strict=False))
    return Network(IPv6Network((address, length), strict=False))


_READERS: dict[str, Callable[[str], Mechanism]] = {
    "all": _all,
    "include": lambda rest: Include(_target(rest)),
    "a": lambda rest: _hosts(rest, exchangers=False),
    "mx": lambda rest: _hosts(rest, exchangers=True),
    "ptr": _ptr,
    "ip4": lambda rest: _network(rest, version=4),
    "ip6": lambda rest: _network(rest, version=6),
    "exists": lambda rest: Exists(_target(rest)),
}
