"""Where a domain's mail goes: its mail exchangers in the order to try them, and their addresses (RFC 5321 §5.1)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias

import dns.exception
import dns.name
import dns.resolver

from node.base.errors import Temporary
from node.base.reply import Reply

MAX_HOSTS = 10  # exchangers tried in one attempt; a domain may not make us knock at a thousand doors
MAX_ADDRESSES = 4  # of one exchanger

NO_DOMAIN = Reply(550, "5.1.2", "the domain does not exist")
NULL_MX = Reply(556, "5.1.10", "the domain takes no mail (null MX)")  # RFC 7505 §4.2
NO_HOST = Reply(550, "5.1.2", "the domain has neither mail exchangers nor an address")
UNREACHABLE = Reply(550, "5.4.4", "the mail exchanger's addresses lead back here or nowhere")


class Resolver(Protocol):
    """`dns.asyncresolver.Resolver`, which finds Trio by itself."""

    async def resolve(self, qname: str, rdtype: str) -> Any:
        """The records as a `dns.resolver.Answer`."""
        ...


Shuffle: TypeAlias = Callable[[list[str]], None]


async def exchangers(resolver: Resolver, domain: str, shuffle: Shuffle) -> Sequence[str] | Reply:
    """The hosts to try for `domain`, best first; equal ones in random order. A Reply when there are none for ever.

    Args:
        domain: A-labels, or an address literal in brackets (RFC 5321 §4.1.3).

    Raises:
        Temporary: the name server does not answer or fails.
    """
    if domain.startswith("["):
        return [domain[1:-1].removeprefix("ipv6:").removeprefix("IPv6:")]
    try:
        records = [(record.preference, record.exchange) for record in await resolver.resolve(domain, "MX")]
    except dns.resolver.NXDOMAIN:
        return NO_DOMAIN
    except dns.resolver.NoAnswer:
        return [domain]  # the implicit MX, RFC 5321 §5.1
    except dns.exception.DNSException as error:
        raise Temporary(f"cannot look up the mail exchangers of {domain}: {error}") from error
    if any(exchange == dns.name.root for _, exchange in records):
        # RFC 7505 §3: alone it says "no mail here"; beside others it is no name to knock at.
        records = [record for record in records if record[1] != dns.name.root]
        if not records:
            return NULL_MX
    by_preference: dict[int, list[str]] = {}
    for preference, exchange in records:
        by_preference.setdefault(preference, []).append(exchange.to_text(omit_final_dot=True).lower())
    for hosts in by_preference.values():
        shuffle(hosts)
    return [host for preference in sorted(by_preference) for host in by_preference[preference]][:MAX_HOSTS]


async def addresses(resolver: Resolver, host: str) -> Sequence[str] | Reply:
    """The IP addresses to dial for one exchanger, IPv6 and IPv4 in turn. A Reply when there are none for ever.

    Loopback, link-local, multicast and unspecified addresses are left out: an exchanger that names them would have us
    talk to ourselves, or to the machine that hosts us, behind every check that trusts them.

    Raises:
        Temporary: the name server does not answer or fails.
    """
    if (literal := _address(host)) is not None:
        found = [literal]
    else:
        wide, narrow = await _lookup(resolver, host, "AAAA"), await _lookup(resolver, host, "A")
        count = max(len(wide), len(narrow))
        found = [each for place in range(count) for each in (*wide[place : place + 1], *narrow[place : place + 1])]
    usable = [str(each) for each in found if not _leads_back(each)]
    if usable:
        return usable[:MAX_ADDRESSES]
    return UNREACHABLE if found else NO_HOST


_IP: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


def _leads_back(address: _IP) -> bool:
    return address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified


def _address(text: str) -> _IP | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


async def _lookup(resolver: Resolver, host: str, kind: str) -> list[_IP]:
    try:
        records = await resolver.resolve(host, kind)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except dns.exception.DNSException as error:
        raise Temporary(f"cannot look up the address of {host}: {error}") from error
    return [address for record in records if (address := _address(record.address)) is not None]
