"""Mail addresses and domains, as values that compare the way mail routes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import idna

from node.base.errors import WaxsealError

MAX_LOCAL = 64  # octets, RFC 5321 §4.5.3.1.1
MAX_DOMAIN = 255  # octets, RFC 5321 §4.5.3.1.2
MAX_PATH = 254  # octets between < and >, RFC 5321 §4.5.3.1.3 with erratum 1690

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-"
_DOT_ATOM = re.compile(rf"[{_ATEXT}\u0080-\U0010ffff]+(?:\.[{_ATEXT}\u0080-\U0010ffff]+)*\Z")
_QUOTED = re.compile(r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u0080-\U0010ffff]|\\[\x20-\x7e])*"\Z')
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")
_LITERAL = re.compile(r"\[[0-9A-Za-z:.\-]{1,250}\]\Z")


class AddressError(WaxsealError):
    """The text is no address or domain; the message says which rule it breaks."""


@lru_cache(maxsize=4096)
def normalize_domain(text: str) -> str:
    """Return a domain as lower-case A-labels, or an address literal as it stands.

    Raises:
        AddressError: when a label is empty, too long or not valid under IDNA 2008 (RFC 5891 §4).
    """
    if text.startswith("["):
        if not _LITERAL.match(text):
            raise AddressError(f"bad address literal {text[:80]!r}")
        return text.lower()
    name = text.removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError) as error:
            raise AddressError(f"bad domain {text[:80]!r}: {error}") from None
    name = name.lower()
    if not name or len(name) > MAX_DOMAIN:
        raise AddressError(f"domain is empty or longer than {MAX_DOMAIN} octets")
    for label in name.split("."):
        if not _LABEL.match(label):
            raise AddressError(f"bad label {label[:70]!r} in domain {text[:80]!r}")
    return name


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox address: `local` as written (unquoted), `domain` as lower-case A-labels.

    Two addresses are the same mailbox here when their `key` is equal: the node treats local parts
    without regard to case, as every large host does, though RFC 5321 §2.4 lets a host tell them apart.
    """

    local: str
    domain: str

    @property
    def key(self) -> str:
        """The form under which people and aliases are looked up."""
        return f"{self.local.casefold()}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """True when the address can travel without SMTPUTF8 (RFC 6531 §3.2)."""
        return self.local.isascii()

    def __str__(self) -> str:
        if _DOT_ATOM.match(self.local):
            return f"{self.local}@{self.domain}"
        escaped = self.local.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"@{self.domain}'


def parse_address(text: str) -> Address:
    """Parse `local@domain`, quoted local parts and address literals included (RFC 5321 §4.1.2, RFC 6531 §3.3).

    Raises:
        AddressError: with the rule that is broken.
    """
    local, at, domain = text.rpartition("@")
    if not at or not local:
        raise AddressError(f"{text[:80]!r} is no address: it needs a local part and a domain, like ann@example.org")
    try:
        octets = len(local.encode())
    except UnicodeEncodeError:  # lone surrogates: bytes that were no UTF-8
        raise AddressError("local part is not valid UTF-8") from None
    if octets > MAX_LOCAL:
        raise AddressError(f"local part is longer than {MAX_LOCAL} octets")
    if _QUOTED.match(local):
        local = re.sub(r"\\(.)", r"\1", local[1:-1])
    elif not _DOT_ATOM.match(local):
        raise AddressError(f"bad local part {local[:70]!r}")
    return Address(local, normalize_domain(domain))
