"""Which servers take a domain's mail, asked of a real name server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dns.asyncresolver
import pytest

from node.base.errors import Temporary
from node.outbound.destination import NO_DOMAIN, NO_HOST, NULL_MX, UNREACHABLE, addresses, exchangers

if TYPE_CHECKING:
    Zone = Any

pytestmark = pytest.mark.anyio


async def hosts(resolver: dns.asyncresolver.Resolver, domain: str) -> object:
    return await exchangers(resolver, domain, lambda hosts: hosts.sort(reverse=True))


async def test_exchangers_come_by_preference_and_equal_ones_shuffled(
    zone: Zone, resolver: dns.asyncresolver.Resolver
) -> None:
    zone.add("example.org", "MX", "20 c.example.org.", "10 a.example.org.", "10 B.example.org.")
    assert await hosts(resolver, "example.org") == ["b.example.org", "a.example.org", "c.example.org"]


async def test_a_domain_without_exchangers_is_its_own(zone: Zone, resolver: dns.asyncresolver.Resolver) -> None:
    zone.add("example.org", "A", "192.0.2.1")
    assert await hosts(resolver, "example.org") == ["example.org"]


async def test_a_null_mx_takes_no_mail(zone: Zone, resolver: dns.asyncresolver.Resolver) -> None:
    zone.add("example.org", "MX", "0 .")
    assert await hosts(resolver, "example.org") == NULL_MX


async def test_a_null_mx_beside_others_is_passed_over(zone: Zone, resolver: dns.asyncresolver.Resolver) -> None:
    zone.add("example.org", "MX", "0 .", "10 mx.example.org.")
    assert await hosts(resolver, "example.org") == ["mx.example.org"]


async def test_a_domain_that_does_not_exist(resolver: dns.asyncresolver.Resolver) -> None:
    assert await hosts(resolver, "example.org") == NO_DOMAIN


async def test_a_failing_name_server_is_temporary(zone: Zone, resolver: dns.asyncresolver.Resolver) -> None:
    for kind in ("MX", "A", "AAAA"):
        zone.add("example.org", kind, "fail")
    with pytest.raises(Temporary):
        await hosts(resolver, "example.org")
    with pytest.raises(Temporary):
        await addresses(resolver, "example.org")


async def test_address_literals_need_no_name_server(resolver: dns.asyncresolver.Resolver) -> None:
    assert await hosts(resolver, "[192.0.2.7]") == ["192.0.2.7"]
    assert await hosts(resolver, "[ipv6:2001:db8::7]") == ["2001:db8::7"]
    assert await addresses(resolver, "2001:db8::7") == ["2001:db8::7"]


async def test_both_families_take_turns(zone: Zone, resolver: dns.asyncresolver.Resolver) -> None:
    zone.add("mx.example.org", "A", "192.0.2.1", "192.0.2.2", "192.0.2.3")
    zone.add("mx.example.org", "AAAA", "2001:db8::1")
    found = await addresses(resolver, "mx.example.org")
    assert isinstance(found, list)
    assert found[0] == "2001:db8::1"
    assert set(found[1:]) == {"192.0.2.1", "192.0.2.2", "192.0.2.3"}


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "0.0.0.0", "224.0.0.1", "169.254.169.254"])
async def test_exchangers_may_not_lead_back_to_us(
    zone: Zone, resolver: dns.asyncresolver.Resolver, address: str
) -> None:
    zone.add("mx.example.org", "A", address)
    assert await addresses(resolver, "mx.example.org") == UNREACHABLE
    zone.add("mx.example.org", "A", address, "192.0.2.1")
    assert await addresses(resolver, "mx.example.org") == ["192.0.2.1"]


@pytest.mark.parametrize("address", ["::1", "::", "::ffff:127.0.0.1", "ff02::1", "fe80::1"])
async def test_nor_in_ipv6(zone: Zone, resolver: dns.asyncresolver.Resolver, address: str) -> None:
    zone.add("mx.example.org", "AAAA", address)
    assert await addresses(resolver, "mx.example.org") == UNREACHABLE


async def test_an_exchanger_without_address(resolver: dns.asyncresolver.Resolver) -> None:
    assert await addresses(resolver, "mx.example.org") == NO_HOST
