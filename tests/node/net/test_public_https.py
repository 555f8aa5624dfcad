"""Fetching from strangers: a name server and a web server of ours, and every way in which they may play foul."""

from __future__ import annotations

import ipaddress
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import dns.asyncresolver
import dns.message
import dns.rdatatype
import dns.rrset
import pytest
import trio
import trio.testing

from identity.did.document import Document, Purpose
from identity.did.syntax import Did
from identity.refusal import Reason, Refusal
from node.base.errors import Permanent, Temporary
from node.net import public_https
from node.net.did_resolver import KEEP_DOCUMENTS, KEEP_FAILURE_SECONDS, KEEP_SECONDS, DidResolver, Remembered
from node.net.public_https import IP, PublicHttps, is_public
from node.net.tls import self_made, server_context

pytestmark = pytest.mark.anyio
HOST = "people.test"
JSON = frozenset({"application/json"})
KEY = {"kty": "OKP", "crv": "Ed25519", "x": "XLcSVET9VHW3sYxKeYk_pTNttF5VvIyl478VjvqWmfg"}


@dataclass
class NameServer:
    """A name server on loopback: for each name the answers to give, one after the other; the last one stays."""

    answers: dict[tuple[str, str], list[list[str]]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as udp:
            await udp.bind(("127.0.0.1", 0))
            self.port = udp.getsockname()[1]
            task_status.started()
            while True:
                data, peer = await udp.recvfrom(4096)
                await udp.sendto(self._answer(data), peer)

    def _answer(self, data: bytes) -> bytes:
        query = dns.message.from_wire(data)
        (question,) = query.question
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked.append((name, kind))
        scripted = self.answers.get((name, kind), [[]])
        addresses = scripted.pop(0) if len(scripted) > 1 else scripted[0]
        reply = dns.message.make_response(query)
        if addresses:
            reply.answer.append(dns.rrset.from_text(question.name, 0, "IN", kind, *addresses))
        return reply.to_wire()

    def resolver(self) -> dns.asyncresolver.Resolver:
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers = ["127.0.0.1"]
        made.port = self.port
        return made


Speak = Callable[[trio.SSLStream[trio.SocketStream]], Awaitable[None]]


def saying(body: bytes, *, status: str = "200 OK", kind: str = "application/json", more: str = "") -> Speak:
    async def speak(stream: trio.SSLStream[trio.SocketStream]) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
        await stream.send_all(head.encode() + body)

    return speak


@dataclass
class Site:
    """A web server on loopback with a certificate for `HOST`, and the name server that knows it."""

    names: NameServer
    port: int
    trusting: ssl.SSLContext
    speak: Speak
    requests: list[bytes] = field(default_factory=list)

    def https(self, **options: Any) -> PublicHttps:
        """A fetcher that trusts the site's certificate; it may reach loopback only where the test says so."""
        return PublicHttps(**{"resolver": self.names.resolver(), "tls": self.trusting, **options})

    async def fetch(self, host: str = HOST, limit: int = 65536, **options: Any) -> bytes:
        allowed = {"admits": lambda address: address.is_loopback, **options}
        return await self.https(**allowed).fetch(host, self.port, "/x", kinds=JSON, limit=limit)


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Site]:
    certificate = self_made(folder, HOST)
    names = NameServer({(HOST, "A"): [["127.0.0.1"]], ("other.test", "A"): [["127.0.0.1"]]})
    async with trio.open_nursery() as nursery:
        await nursery.start(names.serve)
        site = Site(names, 0, ssl.create_default_context(cafile=certificate.ca), saying(b"{}"))

        async def handle(stream: trio.SSLStream[trio.SocketStream]) -> None:
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                request = b""
                while b"\r\n\r\n" not in request:
                    piece = await stream.receive_some(4096)
                    if not piece:
                        return
                    request += piece
                site.requests.append(request)
                await site.speak(stream)
                await stream.aclose()

        serve = partial(
            trio.serve_ssl_over_tcp, handle, 0, server_context(certificate), host="127.0.0.1", https_compatible=True
        )
        listeners = await nursery.start(serve)
        site.port = listeners[0].transport_listener.socket.getsockname()[1]
        yield site
        nursery.cancel_scope.cancel()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with running(tmp_path) as opened:
        yield opened


async def test_a_document_is_fetched(site: Site) -> None:
    site.speak = saying(b'{"a":1}', kind="Application/JSON; charset=utf-8")
    assert await site.fetch() == b'{"a":1}'
    (request,) = site.requests
    assert request.startswith(b"GET /x HTTP/1.1\r\n")
    assert f"\r\nhost: {HOST}:{site.port}\r\n".encode() in request.lower()
    assert b"\r\naccept-encoding: identity\r\n" in request.lower()
    assert b"cookie" not in request.lower()


async def test_the_certificate_is_the_names_not_the_addresses(site: Site) -> None:
    """The certificate is good for 127.0.0.1 as well, and for nothing but its names."""
    with pytest.raises(Temporary, match="certificate"):
        await site.fetch("other.test")
    assert not site.requests
    with pytest.raises(Temporary, match="certificate"):
        await site.fetch(tls=ssl.create_default_context())


NOT_PUBLIC = [
    "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.254", "169.254.169.254", "172.16.0.1", "192.0.0.1",
    "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1",
    "2001::1", "2001:db8::1", "2002:7f00:1::1", "3fff::1", "5f00::1", "fc00::1", "fd12:3456::1", "fe80::1", "fec0::1",
    "ff02::1", "4000::1",
]  # fmt: skip


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_addresses_that_are_not_public_are_never_connected_to(site: Site, address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))
    kind = "AAAA" if ":" in address else "A"
    site.names.answers[HOST, "A"] = [[]]
    for addresses in ([address], ["2606:4700::1111", address] if kind == "AAAA" else ["93.184.215.14", address]):
        site.names.answers[HOST, kind] = [addresses]
        with pytest.raises(Permanent, match="public address"):
            await site.https().fetch(HOST, site.port, "/x", kinds=JSON, limit=100)
    assert not site.requests


def test_public_addresses() -> None:
    for address in (
        "1.1.1.1",
        "93.184.215.14",
        "172.32.0.1",
        "2606:4700:4700::1111",
        "2a00:1450:4001::200e",
        "2001:4860::1",
    ):
        assert is_public(ipaddress.ip_address(address))


async def test_a_name_is_looked_up_once(site: Site) -> None:
    """DNS rebinding: a first answer that passes the check, and a second one that leads within."""
    site.names.answers[HOST, "A"] = [["127.0.0.1"], ["127.0.0.2"]]
    checked: list[IP] = []

    def admits(address: IP) -> bool:
        checked.append(address)
        return True

    assert await site.fetch(admits=admits) == b"{}"
    assert site.names.asked == [(HOST, "AAAA"), (HOST, "A")]
    assert checked == [ipaddress.ip_address("127.0.0.1")]  # the one that was connected to


async def test_rebinding_between_two_fetches_is_noticed(site: Site) -> None:
    site.names.answers[HOST, "A"] = [["127.0.0.1"], ["127.0.0.2"]]
    first = ipaddress.ip_address("127.0.0.1")
    https = site.https(admits=lambda address: address == first)  # the public one of the two, as it were
    assert await https.fetch(HOST, site.port, "/x", kinds=JSON, limit=100) == b"{}"
    with pytest.raises(Permanent, match="public address"):
        await https.fetch(HOST, site.port, "/x", kinds=JSON, limit=100)


@pytest.mark.parametrize(
    "status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent", "304 Same"]
)
async def test_redirects_are_not_followed(site: Site, status: str) -> None:
    site.speak = saying(b"", status=status, more="Location: https://127.0.0.1/admin\r\n")
    with pytest.raises(Permanent, match="redirects"):
        await site.fetch()
    assert len(site.requests) == 1


@pytest.mark.parametrize("status", ["404 Not Found", "500 Broken", "204 No Content", "206 Part"])
async def test_what_is_not_200_is_no_document(site: Site, status: str) -> None:
    site.speak = saying(b"{}", status=status)
    with pytest.raises(Temporary, match="HTTP status"):
        await site.fetch()


@pytest.mark.parametrize("kind", ["text/html", "", "application/octet-stream", "application/jsonx", "x" * 3000])
async def test_other_media_types_are_refused(site: Site, kind: str) -> None:
    site.speak = saying(b"{}", kind=kind)
    with pytest.raises(Permanent, match="not asked for"):
        await site.fetch()


async def test_400_megabytes_are_not_read(site: Site) -> None:
    sent = 0

    async def announced(stream: Any) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 419430400\r\n\r\n")

    async def unannounced(stream: Any) -> None:
        nonlocal sent
        await stream.send_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for _ in range(400 * 16):
            await stream.send_all(b"10000\r\n" + b" " * 65536 + b"\r\n")
            sent += 65536

    for speak, words in ((announced, "announces"), (unannounced, "sends")):
        site.speak = speak
        with pytest.raises(Permanent, match=f"{words} more than 65536"):
            await site.fetch()
    assert sent < 64 << 20  # what lies in buffers between us


async def test_what_is_encoded_is_refused(site: Site) -> None:
    site.speak = saying(b"\x1f\x8b", more="Content-Encoding: gzip\r\n")
    with pytest.raises(Permanent, match="encodes"):
        await site.fetch()


async def test_what_is_no_http_is_refused(site: Site) -> None:
    async def nonsense(stream: Any) -> None:
        await stream.send_all(b"SSH-2.0-OpenSSH\r\n")

    async def nothing(stream: Any) -> None:
        pass

    async def endless(stream: Any) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100_000)

    for site.speak in (nonsense, nothing, endless):
        with pytest.raises(Temporary, match="no answer"):
            await site.fetch()


async def test_a_slow_server_is_left(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_https, "SECONDS", 0.5)

    async def drip(stream: Any) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
        await trio.sleep_forever()

    site.speak = drip
    with pytest.raises(Temporary, match="within"):
        await site.fetch()


async def test_names_that_are_not_there(site: Site) -> None:
    with pytest.raises(Temporary, match="has no address"):
        await site.fetch("nobody.test")
    for port in (22, 25, 80, 442, 444, 1023, 65536, 0, -1):
        with pytest.raises(Permanent, match="port"):
            await site.https().fetch(HOST, port, "/x", kinds=JSON, limit=100)


async def test_what_does_not_listen(site: Site, unused_port: int) -> None:
    https = site.https(admits=lambda address: True)
    with pytest.raises(Temporary, match="cannot be reached"):
        await https.fetch(HOST, unused_port, "/x", kinds=JSON, limit=100)


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


# --- the resolver on top ----------------------------------------------------------------------------------------------


def described(did: Did, **members: Any) -> bytes:
    method = {"id": "#key", "type": "JsonWebKey2020", "controller": str(did), "publicKeyJwk": KEY}
    return json.dumps({"id": str(did), "verificationMethod": [method], "authentication": ["#key"], **members}).encode()


def did_of(site: Site, *path: str) -> Did:
    return Did("web", ":".join([f"{HOST}%3A{site.port}", *path]))


def resolver_of(site: Site, **options: Any) -> DidResolver:
    return DidResolver(site.https(admits=lambda address: address.is_loopback), **options)


async def test_a_did_web_is_resolved(site: Site) -> None:
    for did, path in (
        (did_of(site), b"/.well-known/did.json"),
        (did_of(site, "people", "ann"), b"/people/ann/did.json"),
    ):
        site.speak = saying(described(did), kind="application/did+json")
        found = await resolver_of(site).resolve(did)
        assert isinstance(found, Document)
        assert found.methods_for(Purpose.AUTHENTICATION)[0].id == f"{did}#key"
        assert site.requests[-1].split(b" ")[1] == path


async def test_a_document_with_another_id_is_refused(site: Site) -> None:
    site.speak = saying(described(Did("web", "victim.example")))
    found = await resolver_of(site).resolve(did_of(site))
    assert isinstance(found, Refusal)
    assert found.reason is Reason.UNRESOLVABLE


async def test_answers_and_failures_are_remembered_for_a_while(site: Site) -> None:
    clock = trio.testing.MockClock()
    resolver = resolver_of(site, clock=clock.current_time)
    did = did_of(site)
    site.speak = saying(b"", status="500 Broken")
    assert isinstance(await resolver.resolve(did), Refusal)
    clock.jump(KEEP_FAILURE_SECONDS - 1)
    assert isinstance(await resolver.resolve(did), Refusal)
    assert len(site.requests) == 1
    site.speak = saying(described(did))
    clock.jump(2)
    assert isinstance(await resolver.resolve(did), Document)
    site.speak = saying(described(did, authentication=[]))  # the key was taken out
    clock.jump(KEEP_SECONDS - 1)
    assert isinstance(await resolver.resolve(did), Document)
    assert len(site.requests) == 2
    clock.jump(2)
    found = await resolver.resolve(did)
    assert isinstance(found, Document)
    assert not found.methods_for(Purpose.AUTHENTICATION)


async def test_many_who_ask_at_once_cost_one_fetch(site: Site) -> None:
    resolver, did = resolver_of(site), did_of(site)
    site.speak = saying(described(did))
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(resolver.resolve, did)
    assert len(site.requests) == 1


async def test_memory_is_bounded() -> None:
    remembered: Remembered[int] = Remembered(KEEP_DOCUMENTS)

    async def make() -> int:
        return 1

    for number in range(KEEP_DOCUMENTS + 50):
        assert await remembered.get(str(number), make) == 1
    assert len(remembered) == KEEP_DOCUMENTS


async def test_who_waited_for_a_cancelled_fetch_asks_again() -> None:
    remembered: Remembered[int] = Remembered(1)
    asked = 0

    async def make() -> int:
        nonlocal asked
        asked += 1
        if asked == 1:
            await trio.sleep_forever()
        return asked

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as first:
            nursery.start_soon(_when_waiting, first.cancel)
            await remembered.get("x", make)
        assert await remembered.get("x", make) == 2


async def _when_waiting(then: Callable[[], None]) -> None:
    await trio.testing.wait_all_tasks_blocked()
    then()


async def test_without_a_fetcher_did_web_is_unknown() -> None:
    for text, expected in (("example.org", Reason.UNKNOWN_METHOD),):
        found = await DidResolver(None).resolve(Did("web", text))
        assert isinstance(found, Refusal)
        assert found.reason is expected
    key = Did("key", "z6MkkhBTpCYRHvAHWn4C2T1nwBigNmKPT8xicoS3Gw3Tfszw")
    assert isinstance(await DidResolver(None).resolve(key), Document)


async def test_a_status_list_is_fetched(site: Site) -> None:
    site.speak = saying(b"a.b.c\n", kind="application/vc+jwt")
    assert await resolver_of(site).fetch(f"https://{HOST}:{site.port}/status/1?x=y") == "a.b.c"
    assert site.requests[-1].startswith(b"GET /status/1?x=y HTTP/1.1\r\n")


URLS: Sequence[str] = (
    "http://people.test/", "https://127.0.0.1/", "https://[::1]/", "https://localhost/", "https://user@people.test/",
    "https://people.test/#a", "https://people.test:99999/", "https://people.test/\r\nX: y", "https://people.test/a b",
    "ftp://people.test/", "", "https://", "people.test", "https://people.test/" + "x" * 2000, "https://exämple.test/",
)  # fmt: skip


@pytest.mark.parametrize("url", URLS)
async def test_addresses_that_are_no_status_lists(site: Site, url: str) -> None:
    found = await resolver_of(site).fetch(url)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.MALFORMED
    assert not site.requests
