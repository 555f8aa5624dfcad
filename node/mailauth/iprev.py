"""iprev: does the client's address have a name that leads back to it? (RFC 8601 §2.7.3 and §3; also called FCrDNS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from node.mailauth.resolver import DnsError, NoSuchName, Resolver
from node.mailauth.result import MethodResult, Result
from node.mailauth.spf import MAX_HOSTS, is_name


@dataclass(frozen=True, slots=True)
class ReverseAnswer:
    """What came of it.

    Attributes:
        result: pass, fail, temperror, or permerror where the address has no name at all.
        name: the first name that leads back, lower case, else ""; hostile text.
        problem: what the DNS said, where it said no.
    """

    result: Result
    name: str = ""
    problem: str = ""


async def check_address(resolver: Resolver, ip: IPv4Address | IPv6Address) -> ReverseAnswer:
    """Look an address's names up, and their addresses: at most 1 + 10 questions. Never raises for what the DNS says."""
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    try:
        names = await resolver.ptr(str(ip))
    except NoSuchName:
        names = ()
    except DnsError as error:
        return ReverseAnswer(Result.TEMPERROR, problem=str(error))
    if not names:
        return ReverseAnswer(Result.PERMERROR, problem="the address has no name")
    return await _forward(resolver, ip, [each.removesuffix(".").lower() for each in names[:MAX_HOSTS]])


async def _forward(resolver: Resolver, ip: IPv4Address | IPv6Address, names: Sequence[str]) -> ReverseAnswer:
    trouble = ""
    for name in filter(is_name, names):
        try:
            addresses = await (resolver.a(name) if ip.version == 4 else resolver.aaaa(name))
        except NoSuchName:
            continue
        except DnsError as error:
            trouble = trouble or str(error)
            continue
        if ip in map(ip_address, addresses):
            return ReverseAnswer(Result.PASS, name)
    if trouble:  # the name that was not found out about might have led back
        return ReverseAnswer(Result.TEMPERROR, problem=trouble)
    return ReverseAnswer(Result.FAIL, problem="none of the address's names leads back to it")


def method_result(answer: ReverseAnswer, ip: str) -> MethodResult:
    """The answer for `Authentication-Results` (RFC 8601 §2.7.3)."""
    return MethodResult("iprev", answer.result, (("policy.iprev", ip),), answer.name or answer.problem)
