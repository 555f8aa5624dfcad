"""What a domain says of its log's account: a real resolver, a real name server, and every misspelling."""

from __future__ import annotations

from collections.abc import AsyncIterator

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rrset
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from node.anchor import domain_word
from node.anchor.domain_word import Account, Word
from node.base.address import AddressError
from node.base.errors import Temporary

pytestmark = pytest.mark.anyio

ADDRESS = "0x96bdC0593a00F04f5E48B61105Dc42e1c8C8bC65"
OTHER = "0xD8d15e089e6887254DBFaDe730656e1AEE5e2DD0"
ORIGIN = "mx.waxseal.test/log"
NAME = "_waxseal.mx.waxseal.test."


class Server:
    """Answers TXT questions on loopback: the texts by name; with `vouch` as a validating resolver does."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.vouch = False
        self.broken = False

    def answer(self, wire: bytes) -> bytes:
        query = dns.message.from_wire(wire)
        (question,) = query.question
        response = dns.message.make_response(query, recursion_available=True)
        assert query.ednsflags & dns.flags.DO
        if self.broken:
            response.set_rcode(2)
        elif texts := self.texts.get(question.name.to_text()):
            response.answer.append(dns.rrset.from_text(question.name, 60, "IN", "TXT", *texts))
            response.flags |= dns.flags.AD if self.vouch else 0
        else:
            response.set_rcode(3)
        return response.to_wire()


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, dns.asyncresolver.Resolver]]:
    made = Server()
    socket = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await socket.bind(("127.0.0.1", 0))
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = ["127.0.0.1"], socket.getsockname()[1]

    async def serve() -> None:
        while True:
            wire, peer = await socket.recvfrom(4096)
            await socket.sendto(made.answer(wire), peer)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        yield made, resolver
        nursery.cancel_scope.cancel()
    socket.close()


async def test_accounts_on_several_chains(server: tuple[Server, dns.asyncresolver.Resolver]) -> None:
    zone, resolver = server
    here, there = Account(1, ADDRESS), Account(8453, OTHER)
    zone.texts[NAME] = [
        domain_word.record("mx.waxseal.test", here).partition("TXT ")[2],
        f'"v=waxseal1; " "account={str(there).lower()}"',  # in two strings, without the address's checksum
        f'"v=waxseal1; account={here}"',
        '"v=spf1 -all"',
    ]
    assert await domain_word.look_up(ORIGIN, resolver) == Word((here, there), vouched=False)
    zone.vouch = True
    word = await domain_word.look_up(ORIGIN, resolver)
    assert (word.vouched, word.on(8453), word.on(10)) == (True, (OTHER,), ())


async def test_a_domain_that_says_nothing(server: tuple[Server, dns.asyncresolver.Resolver]) -> None:
    assert await domain_word.look_up(ORIGIN, server[1]) == Word((), vouched=False)


async def test_a_name_server_that_fails(server: tuple[Server, dns.asyncresolver.Resolver]) -> None:
    server[0].broken = True
    with pytest.raises(Temporary, match=r"cannot look up _waxseal\.mx\.waxseal\.test"):
        await domain_word.look_up(ORIGIN, server[1])


@pytest.mark.parametrize("origin", ["", "/log", "a..b/log", "[192.0.2.1]/log", "white space/log"])
async def test_no_domain(origin: str) -> None:
    with pytest.raises(AddressError):
        await domain_word.look_up(origin)


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"account=eip155:1:{ADDRESS}",
        f"v=waxseal2; account=eip155:1:{ADDRESS}",
        f"v=waxseal1 account=eip155:1:{ADDRESS}",
        f"v=waxseal1; account=eip155:1:{ADDRESS}; more=1",
        f"v=waxseal1; account=eip155:01:{ADDRESS}",
        f"v=waxseal1; account=eip155:1:{ADDRESS[:-1]}",
        f"v=waxseal1; account=eip155:1:{ADDRESS}0",
        f"v=waxseal1; account=solana:1:{ADDRESS}",
        "v=waxseal1; account=",
    ],
)
def test_misspellings_say_nothing(text: str) -> None:
    assert domain_word.parse(text) is None


@given(st.text(max_size=80).map("v=waxseal1; account=".__add__) | st.text(max_size=80))
def test_any_text_is_an_account_or_nothing(text: str) -> None:
    found = domain_word.parse(text)
    assert found is None or domain_word.parse(f"v=waxseal1; account={found}") == found
