"""Finding the DMARC record that holds for a domain, and the organisational domain it belongs to: two ways.

`TreeWalk` asks the DNS label by label (RFC 9989 §4.10); `SuffixList` asks the public suffix list (RFC 7489 §3.2, with
RFC 9091 for records of public suffixes). The first is the standard and the default: what counts as one organisation
is then said by those who publish records, for everybody alike, not by the age of a list on this machine. The list only
keeps a registry from passing for an organisation.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from node.mailauth import psl
from node.mailauth.dmarc_record import Record, is_record, parse_record
from node.mailauth.resolver import DnsTemporary, NoSuchName, Resolver

MAX_LABELS = 8  # a longer name is cut to seven labels after its first lookup (RFC 9989 §4.10)
MAX_LOOKUPS = 64  # of one message, whatever it names


@dataclass(frozen=True, slots=True)
class Published:
    """A record and where it stands."""

    domain: str
    record: Record


class Discovery(Protocol):
    """One way of finding things out. Serves one message: answers are remembered.

    Both methods raise `DnsTemporary` when the DNS does not say.
    """

    @property
    def method(self) -> str:
        """ "treewalk" or "psl", as aggregate reports say it (RFC 9990)."""
        ...

    async def policy(self, author: str) -> Published | None:
        """The record to apply to mail of that domain."""
        ...

    async def organisational(self, domain: str) -> str:
        """The organisational domain of a domain."""
        ...


class Records:
    """Looks up `_dmarc` names, each once."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._known: dict[str, Record | None] = {}

    async def at(self, domain: str) -> Record | None:
        """The one valid record there; several count as none (RFC 9989 §4.10, step 2)."""
        if domain not in self._known:
            if len(self._known) >= MAX_LOOKUPS:
                raise DnsTemporary(f"more than {MAX_LOOKUPS} DMARC lookups for one message")
            self._known[domain] = await self._ask(domain)
        return self._known[domain]

    async def _ask(self, domain: str) -> Record | None:
        name = f"_dmarc.{domain}"
        if len(name) > 253:
            return None
        try:
            texts = await self._resolver.txt(name)
        except NoSuchName:
            return None
        records = [text for text in texts if is_record(text)]
        return parse_record(records[0]) if len(records) == 1 else None


def walk(domain: str) -> list[str]:
    """The names a tree walk asks about, eight at most (RFC 9989 §4.10)."""
    labels = domain.split(".")
    rest = labels[1:] if len(labels) < MAX_LABELS else labels[-(MAX_LABELS - 1) :]
    return [domain, *(".".join(rest[start:]) for start in range(len(rest)))]


class TreeWalk:
    """The way of RFC 9989."""

    method = "treewalk"

    def __init__(self, resolver: Resolver) -> None:
        self._records = Records(resolver)

    async def policy(self, author: str) -> Published | None:
        """RFC 9989 §4.10.1: the author domain's own, else its organisational domain's, else its public suffix's."""
        own = await self._records.at(author)
        if own is not None:
            return Published(author, own)
        found = await self._walk(author)
        wanted = _organisational(author, found)
        inherited = [each for each in found if each.domain == wanted or each.record.psd == "y"]
        return inherited[0] if inherited else None

    async def organisational(self, domain: str) -> str:
        """RFC 9989 §4.10.2."""
        return _organisational(domain, await self._walk(domain))

    async def _walk(self, domain: str) -> list[Published]:
        found: list[Published] = []
        for name in walk(domain):
            record = await self._records.at(name)
            if record is None:
                continue
            if record.psd == "u" and psl.is_registry(name):
                # A registry that forgot to say so (RFC 9989 §5.2 obliges it): else all its customers were one
                # organisation, and each could sign for each other.
                record = replace(record, psd="y")
            found.append(Published(name, record))
            if record.psd != "u":
                break
        return found


def _organisational(start: str, found: list[Published]) -> str:
    """Choose among the records of one walk, the longest name first (RFC 9989 §4.10.2, rules 1 to 3)."""
    for each in found:
        if each.record.psd == "n":
            return each.domain
        if each.record.psd == "y" and each.domain != start:
            below = each.domain.count(".") + 2
            return ".".join(start.split(".")[-below:])
    return found[-1].domain if found else start


class SuffixList:
    """The way of RFC 7489, for those who must agree with older receivers."""

    method = "psl"

    def __init__(self, resolver: Resolver) -> None:
        self._records = Records(resolver)

    async def policy(self, author: str) -> Published | None:
        """The author domain's record, else its organisational domain's (RFC 7489 §6.6.3), else its public suffix's
        where that says so itself (RFC 9091 §3.5)."""
        names = (author, psl.organisational_domain(author), psl.public_suffix(author))
        for name in dict.fromkeys(filter(None, names)):
            record = await self._records.at(name)
            if record is not None and (name in names[:2] or record.psd == "y"):
                return Published(name, record)
        return None

    async def organisational(self, domain: str) -> str:
        """From the list alone, without a lookup."""
        return psl.organisational_domain(domain)
