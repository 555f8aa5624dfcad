"""Whose name a message bears: the domains in its From field, by which DMARC judges (RFC 9989 §5.3.1).

The attacks: several From fields or several addresses, so that the reader sees another than the check; a domain spelt
with look-alike full-width letters that mail programs fold to the real one; a label that a strict reader refuses, so
that nothing is checked.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from node.base.address import AddressError, normalize_domain
from node.mail.address_list import MISSING_DOMAIN, Group, Mailbox, addresses
from node.mail.headers import FIELD, header_end, unfolded

MAX_FROM = 1 << 16  # octets of a From field that are looked at
MAX_DOMAINS = 8  # distinct domains that are told

# Names that DNS can hold, beyond those a host may have: an underscore is no way around a policy.
_ASCII_DOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*\Z")
_QUOTED_OR_COMMENT = re.compile(rb'"(?:[^"\\]|\\.)*"|\((?:[^()\\]|\\.)*\)', re.DOTALL)
_ANGLE = re.compile(rb"<[^<>@]*@([^<>@]+)>")


@dataclass(frozen=True, slots=True)
class Author:
    """What the From fields name.

    Attributes:
        domains: distinct ones in order, as lower-case A-labels.
        fields: how many From fields there are; one is lawful.
        unreadable: an address stands there without a domain one could look up.
    """

    domains: tuple[str, ...] = ()
    fields: int = 0
    unreadable: bool = False

    @property
    def domain(self) -> str:
        """The author domain; "" unless there is precisely one in precisely one field."""
        return self.domains[0] if len(self.domains) == 1 and self.fields == 1 and not self.unreadable else ""


def author(content: bytes) -> Author:
    """Read the author of a message, whole or its beginning. Never fails."""
    values = [
        match[2][:MAX_FROM]
        for match in FIELD.finditer(content, 0, header_end(content, 0, len(content)))
        if match[1].lower() == b"from"
    ]
    found: dict[str, None] = {}
    unreadable = False
    for value in values[:MAX_DOMAINS]:
        for raw in _domains(unfolded(value)):
            domain = domain_of(raw)
            unreadable = unreadable or not domain
            if domain:
                found[domain] = None
    return Author(tuple(found)[:MAX_DOMAINS], len(values), unreadable)


def _domains(value: bytes) -> list[bytes]:
    """Every domain of a field: of mailboxes, of groups' members (RFC 6854), and of what else stands in < and >."""
    mailboxes: list[Mailbox] = []
    for entry in addresses(value):
        mailboxes += entry.members if isinstance(entry, Group) else (entry,)
    found = [mailbox.domain for mailbox in mailboxes]
    bare = _QUOTED_OR_COMMENT.sub(b"", value)
    return list(dict.fromkeys([*found, *(match.strip() for match in _ANGLE.findall(bare))]))


def domain_of(raw: bytes) -> str:
    """A domain as lower-case A-labels, or "" when nothing can be looked up under it."""
    if raw == MISSING_DOMAIN:
        return ""
    try:
        text = raw.decode("utf-8").strip().lower()
        if not text.isascii():
            return normalize_domain(text)
    except (UnicodeDecodeError, AddressError):
        return ""
    text = text.removesuffix(".")
    return text if _ASCII_DOMAIN.match(text) else ""
