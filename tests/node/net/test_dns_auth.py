"""DNS for message authentication, asked of a real server over UDP and TCP that answers, cuts short, lies or hangs."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import dns.edns
import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
import trio

from node.mailauth.resolver import DnsBogus, DnsTemporary, NoSuchName
from node.net import dns_auth
from node.net.dns_auth import DnsAuth, open_resolver

pytestmark = pytest.mark.anyio
SOA = "ns.test. admin.test. 1 3600 600 86400 60"
LONG = " ".join('"' + "x" * 255 + '"' for _ in range(250))


class Server:
    """A small name server: records by (name, type), one port for UDP and TCP.

    Attributes:
        asked: (name, type, transport) of each question.
        quirk: changes an answer before it is sent; None says: send nothing.
    """

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], tuple[int, list[str]]] = {}
        self.asked: list[tuple[str, str, str]] = []
        self.quirk: Callable[[dns.message.Message, str], dns.message.Message | None] = lambda message, _: message
        self.port = 0

    def add(self, name: str, kind: str, *values: str, ttl: int = 60) -> None:
        self.records[name, kind] = (ttl, list(values))

    def answer(self, wire: bytes, transport: str) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), question.rdtype.name
        self.asked.append((name, kind, transport))
        reply = dns.message.make_response(query, recursion_available=True)
        seen: set[str] = set()
        while (alias := self.records.get((name, "CNAME"))) and name not in seen:
            seen.add(name)
            reply.answer.append(dns.rrset.from_text(f"{name}.", alias[0], "IN", "CNAME", *alias[1]))
            name = alias[1][0].removesuffix(".")
        if found := self.records.get((name, kind)):
            reply.answer.append(dns.rrset.from_text(f"{name}.", found[0], "IN", kind, *found[1]))
        else:
            reply.authority.append(dns.rrset.from_text("test.", 60, "IN", "SOA", SOA))
            if not any(known == name for known, _ in self.records):
                reply.set_rcode(dns.rcode.NXDOMAIN)
        changed = self.quirk(reply, transport)
        if changed is None:
            return None
        return changed.to_wire(max_size=1232 if transport == "udp" else 65535, prefer_truncation=True)

    async def udp(self, socket: trio.socket.SocketType) -> None:
        while True:
            wire, peer = await socket.recvfrom(4096)
            if (reply := self.answer(wire, "udp")) is not None:
                await socket.sendto(reply, peer)

    async def tcp(self, stream: trio.SocketStream) -> None:
        async with stream:
            wire = await stream.receive_some(4096)
            if (reply := self.answer(wire[2:], "tcp")) is None:
                await trio.sleep_forever()
            else:
                await stream.send_all(struct.pack("!H", len(reply)) + reply)


@asynccontextmanager
async def _served(server: Server) -> AsyncIterator[None]:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    server.port = listeners[0].socket.getsockname()[1]
    socket = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await socket.bind(("127.0.0.1", server.port))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.udp, socket)
        nursery.start_soon(trio.serve_listeners, server.tcp, listeners)
        yield
        nursery.cancel_scope.cancel()
    socket.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    async with _served(made):
        yield made


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def resolver(server: Server, clock: Clock) -> DnsAuth:
    return DnsAuth(open_resolver([("127.0.0.1", server.port)]), clock)


async def test_every_kind_of_record(server: Server, resolver: DnsAuth) -> None:
    server.add("a.test", "A", "192.0.2.1", "192.0.2.2")
    server.add("a.test", "AAAA", "2001:db8::1")
    server.add("a.test", "MX", "20 two.test.", "10 one.test.")
    server.add("a.test", "TXT", '"v=spf1 " "-all"', '"other"')
    server.add("1.2.0.192.in-addr.arpa", "PTR", "Mail.Test.")
    assert sorted(await resolver.a("A.test.")) == ["192.0.2.1", "192.0.2.2"]
    assert await resolver.aaaa("a.test") == ("2001:db8::1",)
    assert await resolver.mx("a.test") == ((10, "one.test"), (20, "two.test"))
    assert sorted(await resolver.txt("a.test")) == [b"other", b"v=spf1 -all"]
    assert await resolver.ptr("192.0.2.1") == ("Mail.Test",)
    server.add("null.test", "MX", "0 .")
    assert await resolver.mx("null.test") == ((0, ""),)


async def test_answers_are_kept_for_their_ttl_and_so_is_no(server: Server, resolver: DnsAuth, clock: Clock) -> None:
    server.add("a.test", "A", "192.0.2.1", ttl=100)
    for _ in range(3):
        assert await resolver.a("a.test")
        assert await resolver.aaaa("a.test") == ()
        with pytest.raises(NoSuchName, match=r"gone\.test"):
            await resolver.a("gone.test")
    assert len(server.asked) == 3
    clock.now = 61.0  # the SOA says a "no" holds 60 seconds
    await resolver.a("a.test")
    assert await resolver.aaaa("a.test") == ()
    assert len(server.asked) == 4
    clock.now = 101.0
    await resolver.a("a.test")
    assert len(server.asked) == 5


async def test_the_cache_stays_within_its_bounds(
    server: Server, resolver: DnsAuth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns_auth, "MAX_ENTRIES", 3)
    for number in range(10):
        server.add(f"n{number}.test", "A", "192.0.2.1")
        await resolver.a(f"n{number}.test")
    before = len(server.asked)
    for number in (9, 8, 7):
        await resolver.a(f"n{number}.test")
    assert len(server.asked) == before
    await resolver.a("n0.test")
    assert len(server.asked) == before + 1
    monkeypatch.setattr(dns_auth, "MAX_OCTETS", 50_000)
    server.add("big.test", "TXT", LONG)
    assert len((await resolver.txt("big.test"))[0]) == 255 * 250
    await resolver.a("n9.test")  # nothing of it was kept, nor anything else
    assert len(server.asked) == before + 1 + 2 + 1


async def test_a_text_of_64_kib_comes_over_tcp(server: Server, resolver: DnsAuth) -> None:
    server.add("big.test", "TXT", LONG)
    assert await resolver.txt("big.test") == (b"x" * 255 * 250,)
    assert [transport for *_, transport in server.asked] == ["udp", "tcp"]


async def test_a_thousand_records_are_cut(server: Server, resolver: DnsAuth) -> None:
    server.add("many.test", "A", *(f"10.0.{number // 250}.{number % 250}" for number in range(1000)))
    assert len(await resolver.a("many.test")) == dns_auth.MAX_RECORDS


async def test_silence_ends_and_is_remembered_for_a_moment(server: Server, clock: Clock) -> None:
    server.quirk = lambda message, _: None
    resolver = DnsAuth(open_resolver([("127.0.0.1", server.port)]), clock, seconds=0.05)
    for _ in range(3):
        with pytest.raises(DnsTemporary, match=r"a\.test"):
            await resolver.a("a.test")
    assert len({name for name, *_ in server.asked}) == len(server.asked) == 1
    clock.now = dns_auth.FAILURE_TTL + 1
    server.quirk = lambda message, _: message
    server.add("a.test", "A", "192.0.2.1")
    assert await DnsAuth(open_resolver([("127.0.0.1", server.port)]), clock).a("a.test")


async def test_silence_over_tcp_ends_too(server: Server, clock: Clock) -> None:
    server.add("big.test", "TXT", LONG)
    server.quirk = lambda message, transport: None if transport == "tcp" else message
    with pytest.raises(DnsTemporary):
        await DnsAuth(open_resolver([("127.0.0.1", server.port)]), clock, seconds=0.2).txt("big.test")


async def test_an_answer_to_another_question_is_not_taken(server: Server, clock: Clock) -> None:
    server.add("a.test", "A", "192.0.2.66")

    def lie(message: dns.message.Message, _: str) -> dns.message.Message:
        message.id ^= 1
        return message

    server.quirk = lie
    with pytest.raises(DnsTemporary):
        await DnsAuth(open_resolver([("127.0.0.1", server.port)]), clock, seconds=0.1).a("a.test")


async def test_aliases_are_followed_and_circles_end(server: Server, resolver: DnsAuth) -> None:
    server.add("a.test", "CNAME", "b.test.")
    server.add("b.test", "CNAME", "c.test.")
    server.add("c.test", "TXT", '"v=spf1 -all"')
    assert await resolver.txt("a.test") == (b"v=spf1 -all",)
    server.add("x.test", "CNAME", "y.test.")
    server.add("y.test", "CNAME", "x.test.")
    with pytest.raises(DnsTemporary):
        await resolver.txt("x.test")
    for number in range(40):
        server.add(f"l{number}.test", "CNAME", f"l{number + 1}.test.")
    with pytest.raises(DnsTemporary):
        await resolver.txt("l0.test")


async def test_a_failing_server_is_temporary_and_dnssec_says_so(server: Server, resolver: DnsAuth) -> None:
    def refuse(message: dns.message.Message, _: str) -> dns.message.Message:
        message.set_rcode(dns.rcode.SERVFAIL)
        return message

    server.quirk = refuse
    with pytest.raises(DnsTemporary, match="failed on"):
        await resolver.a("a.test")

    def bogus(message: dns.message.Message, _: str) -> dns.message.Message:
        message.set_rcode(dns.rcode.SERVFAIL)
        message.use_edns(0, 0, 1232, options=[dns.edns.EDEOption(dns.edns.EDECode.DNSSEC_BOGUS)])
        return message

    server.quirk = bogus
    with pytest.raises(DnsBogus, match="DNSSEC"):
        await resolver.a("b.test")


async def test_the_ad_bit_is_asked_for_and_kept(server: Server, resolver: DnsAuth) -> None:
    server.add("a.test", "A", "192.0.2.1")

    def vouch(message: dns.message.Message, _: str) -> dns.message.Message:
        message.flags |= dns.flags.AD
        return message

    assert not (await resolver.look_up("a.test", "AAAA")).secure
    server.quirk = vouch
    assert (await resolver.look_up("a.test", "A")).secure
    assert (await resolver.look_up("a.test", "A")).secure
    far = DnsAuth(open_resolver([("127.0.0.1", server.port), ("192.0.2.53", 53)]))
    assert not (await far.look_up("a.test", "A")).secure  # only what does not cross a network is believed


async def test_many_who_ask_are_one_question(server: Server, resolver: DnsAuth) -> None:
    server.add("a.test", "A", "192.0.2.1")
    found: list[tuple[str, ...]] = []

    async def ask() -> None:
        found.append(await resolver.a("a.test"))

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as given_up:
            given_up.cancel()
            await resolver.a("a.test")
        for _ in range(50):
            nursery.start_soon(ask)
    assert found == [("192.0.2.1",)] * 50
    assert len([each for each in server.asked if each[1] == "A"]) <= 2


@pytest.mark.parametrize("name", ["", "a..b", "x" * 64 + ".test", "a." * 200 + "test", "ü.test", "a\udc80.test"])
async def test_what_is_no_name_is_not_asked(server: Server, resolver: DnsAuth, name: str) -> None:
    with pytest.raises(NoSuchName):
        await resolver.txt(name)
    assert not server.asked


async def test_a_name_is_asked_as_it_stands(server: Server, resolver: DnsAuth) -> None:
    with pytest.raises(NoSuchName):
        await resolver.a("we;ird\\046x.test")
    assert server.asked == [("we\\;ird\\\\046x.test", "A", "udp")]


async def test_a_port_where_nobody_listens(clock: Clock) -> None:
    with pytest.raises(DnsTemporary):
        await DnsAuth(open_resolver([("127.0.0.1", 9)]), clock, seconds=0.1).a("a.test")
