"""What message authentication asks of the DNS. The node hands one in (node/net/dns_auth.py); here is only the joint."""

from __future__ import annotations

from typing import Protocol


class DnsError(Exception):
    """A lookup without an answer. Its text says what was asked and what went wrong."""


class NoSuchName(DnsError):
    """The name does not exist (NXDOMAIN)."""


class DnsTemporary(DnsError):
    """No word from the DNS: a server failed, or none answered in time. Another try may succeed."""


class DnsBogus(DnsTemporary):
    """An answer that DNSSEC finds forged. Whoever treats it as temporary errs on the safe side (RFC 4035 §5.5)."""


class Resolver(Protocol):
    """Looks names up. Names are text, absolute, with or without the last dot; an A-label is sent as it stands.

    Every method gives an empty tuple where the name exists but has no such record, and raises `NoSuchName`,
    `DnsTemporary` or `DnsBogus` otherwise. Answers are bounded in number and size; aliases (CNAME) have been followed.
    """

    async def txt(self, name: str) -> tuple[bytes, ...]:
        """TXT records, the strings of each joined without a gap (RFC 7208 §3.3)."""
        ...

    async def a(self, name: str) -> tuple[str, ...]:
        """IPv4 addresses as text."""
        ...

    async def aaaa(self, name: str) -> tuple[str, ...]:
        """IPv6 addresses as text."""
        ...

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        """Preference and host of each MX record, the best first; the host "" is a null MX (RFC 7505)."""
        ...

    async def ptr(self, address: str) -> tuple[str, ...]:
        """Names that an IPv4 or IPv6 address, given as text, is mapped back to; without the last dot."""
        ...
