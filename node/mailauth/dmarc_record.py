"""DMARC policy records: what an owner asks of those who receive mail in its name (RFC 9989 §4.7, RFC 7489 §6.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import unquote

from node.base.address import AddressError, parse_address

MAX_RECORD = 4096  # octets of a record that are read
MAX_URIS = 10  # addresses of one kind that are kept

# The version stands first, exactly so (RFC 9989 §4.8): a record that lacks a semicolon behind it is none.
_VERSION = re.compile(rb"[vV][ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")
_TAG = re.compile(r"[ \t]*([A-Za-z]{1,32})[ \t]*=[ \t]*([\x20-\x3a\x3c-\x7e]*?)[ \t]*\Z")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+\Z")
_SIZE = re.compile(r"(.+?)!([0-9]{1,12})([kmgtKMGT]?)\Z")  # RFC 7489 §6.2; RFC 9989 §4.6 has it ignored
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}
_FAILURES = frozenset("01ds")


class Policy(StrEnum):
    """What an owner asks for, and what a receiver does; in order of strictness."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def strictness(self) -> int:
        """0, 1 or 2."""
        return _ORDER.index(self)

    @property
    def milder(self) -> Policy:
        """One level below (RFC 9989 §4.7, t=y)."""
        return _ORDER[max(0, self.strictness - 1)]


_ORDER = tuple(Policy)


@dataclass(frozen=True, slots=True)
class ReportUri:
    """Where reports go.

    Attributes:
        address: of a mailto: URI.
        max_octets: the old limit on a report's size, None without.
    """

    address: str
    max_octets: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A DMARC policy record, defaults filled in.

    Attributes:
        p, sp, np: as published; None where absent.
        applies: False for a record that asks for nothing one can do: its policy is faulty and it names no address
            for reports (RFC 9989 §4.10.1).
        strict_dkim, strict_spf: the alignment asked for.
        testing: t=y.
        pct: percentage of RFC 7489; RFC 9989 dropped it.
        psd: "y", "n" or "u".
        rua, ruf: mailto addresses; other schemes are left out.
        fo: letters of "01ds".
        ri: seconds between reports that the owner wished for (RFC 7489).
        slips: what was ignored, in words for the domain's owner.
    """

    p: Policy = Policy.NONE
    sp: Policy | None = None
    np: Policy | None = None
    applies: bool = True
    strict_dkim: bool = False
    strict_spf: bool = False
    testing: bool = False
    pct: int = 100
    psd: str = "u"
    rua: tuple[ReportUri, ...] = ()
    ruf: tuple[ReportUri, ...] = ()
    fo: str = "0"
    ri: int = 86400
    slips: tuple[str, ...] = ()

    def for_subdomain(self, *, exists: bool) -> Policy:
        """What holds for a subdomain (RFC 9989 §4.10.1)."""
        if not exists and self.np is not None:
            return self.np
        return self.p if self.sp is None else self.sp


def is_record(text: bytes) -> bool:
    """True for a TXT record that is a DMARC policy record of the one version there is."""
    return _VERSION.match(text) is not None


def parse_record(text: bytes) -> Record | None:
    """Read a TXT record; None when it is no DMARC record. Faulty tags count as absent (RFC 9989 §4.7)."""
    version = _VERSION.match(text)
    if version is None:
        return None
    tags = _Tags(text[version.end() : MAX_RECORD].decode("utf-8", "replace"))
    p, sp, np = tags.policy("p"), tags.policy("sp"), tags.policy("np")
    rua, some_rua = tags.uris("rua")
    ruf, _ = tags.uris("ruf")
    sound = p is not None and not tags.faulty({"sp", "np"})
    return Record(
        p=p if p is not None and sound else Policy.NONE,
        sp=sp if sound else None,
        np=np if sound else None,
        applies=sound or some_rua,
        strict_dkim=tags.choice("adkim", "rs") == "s",
        strict_spf=tags.choice("aspf", "rs") == "s",
        testing=tags.choice("t", "ny") == "y",
        pct=tags.number("pct", 100, 100),
        psd=tags.choice("psd", "uyn"),
        rua=rua,
        ruf=ruf,
        fo=tags.failures(),
        ri=tags.number("ri", 86400, 2**32 - 1),
        slips=tuple(tags.slips),
    )


class _Tags:
    """The tags behind the version; what is wrong with them gathers in `slips`."""

    def __init__(self, text: str) -> None:
        self._values: dict[str, str] = {}
        self._faulty: set[str] = set()
        self.slips: list[str] = []
        for part in text.split(";")[:64]:
            if part.strip(" \t"):
                self._add(part)

    def _add(self, part: str) -> None:
        match = _TAG.match(part)
        if match is None:
            self.slips.append(f"{part.strip()[:40]!r} is no tag")
        elif match[1].lower() in self._values:
            self.slips.append(f"{match[1].lower()}= stands there twice")  # the first counts
        else:
            self._values[match[1].lower()] = match[2]

    def _slip(self, name: str) -> None:
        self._faulty.add(name)
        self.slips.append(f"{name}={self._values[name][:40]} makes no sense")

    def faulty(self, names: set[str]) -> bool:
        """True when one of them is there and makes no sense."""
        return not self._faulty.isdisjoint(names)

    def policy(self, name: str) -> Policy | None:
        """none, quarantine or reject."""
        value = self._values.get(name)
        if value is None:
            return None
        try:
            return Policy(value.lower())
        except ValueError:
            self._slip(name)
            return None

    def choice(self, name: str, letters: str) -> str:
        """One letter, the first of them by default."""
        value = self._values.get(name, letters[0]).lower()
        if len(value) == 1 and value in letters:
            return value
        self._slip(name)
        return letters[0]

    def number(self, name: str, default: int, most: int) -> int:
        """Digits up to a most."""
        value = self._values.get(name)
        if value is None:
            return default
        if value.isascii() and value.isdigit() and len(value) <= 10 and int(value) <= most:
            return int(value)
        self._slip(name)
        return default

    def failures(self) -> str:
        """Letters of `fo`; without `ruf` they mean nothing (RFC 9989 §4.7)."""
        letters = [letter.strip().lower() for letter in self._values.get("fo", "0").split(":")]
        if _FAILURES.issuperset(letters):
            return "".join(dict.fromkeys(letters))
        self._slip("fo")
        return "0"

    def uris(self, name: str) -> tuple[tuple[ReportUri, ...], bool]:
        """The mailto URIs of a list, and whether it holds any valid URI at all."""
        value = self._values.get(name)
        if value is None:
            return (), False
        texts = [text.strip(" \t") for text in value.split(",")]
        valid = [text for text in texts if _SCHEME.match(text)]
        if len(valid) < len(texts):
            self._slip(name)
        found = [uri for uri in map(_mailto, valid) if uri is not None]
        return tuple(found[:MAX_URIS]), bool(valid)


def _mailto(text: str) -> ReportUri | None:
    scheme, _, rest = text.partition(":")
    if scheme.lower() != "mailto":
        return None
    limit = None
    sized = _SIZE.match(rest)
    if sized:
        rest, limit = sized[1], int(sized[2]) << _UNITS[sized[3].lower()]
    try:
        return ReportUri(str(parse_address(unquote(rest.partition("?")[0]))), limit)
    except AddressError:
        return None
