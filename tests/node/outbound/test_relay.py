"""Mail handed to a real foreign server (aiosmtpd) on loopback; names come from a real name server."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session

from node.base.address import Address
from node.base.errors import Temporary
from node.mail.headers import get
from node.net.smtp_client import SmtpClient, Waits
from node.net.tls import self_made
from node.outbound.bounce import Bouncer
from node.outbound.destination import NULL_MX
from node.outbound.outcome import Deferred, Delivered, Refused
from node.outbound.relay import Relay, without_return_path
from node.outbound.runner import Runner
from node.store import spool
from node.store.blobs import Blobs, add, prepare
from node.store.database import Database, Writing
from node.store.spool import Entry

pytestmark = pytest.mark.anyio

MESSAGE = b"Return-Path: <ann@example.org>\r\nSubject: hello\r\n\r\n.dots\r\nand the rest\r\n"


@dataclass
class Exchanger:
    """What a foreign server does and what it has got."""

    rcpt: str = "250 2.1.5 fine"
    content: str = "250 2.0.0 taken"
    got: list[tuple[str | None, list[str], bytes, bool]] = field(default_factory=list)

    async def handle_RCPT(
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.rcpt.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, _server: Any, session: Session, envelope: Envelope) -> str:
        if self.content.startswith("250"):
            assert isinstance(envelope.original_content, bytes)
            secure = session.ssl is not None
            self.got.append((envelope.mail_from, envelope.rcpt_tos, envelope.original_content, secure))
        return self.content


class FreePort(Controller):
    """aiosmtpd's server on whatever port is free; it greets itself once to see that it runs."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def listening(exchanger: Exchanger, **options: Any) -> Iterator[int]:
    """Serve on a free port of loopback, in a thread."""
    controller = FreePort(exchanger, hostname="127.0.0.1", port=0, ready_timeout=10, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


@pytest.fixture
async def entry(database: Database) -> Entry:
    return await spooled(database, MESSAGE)


async def spooled(database: Database, content: bytes, recipient: str = "bob@example.net", **options: Any) -> Entry:
    prepared = await prepare(database, content)

    def work(tx: Writing) -> Entry:
        sender = options.pop("sender", "ann@example.org")
        return spool.add(tx, add(tx, prepared), sender, recipient, next_attempt=0, expires=1 << 40, **options)

    return await database.write(work)


def relay(blobs: Blobs, resolver: Any, **options: Any) -> Relay:
    return Relay("mail.example.org", blobs, resolver, waits=Waits(5, 5, 5, 5, 5), shuffle=list.sort, **options)


def mapped(ports: dict[str, int]) -> Any:
    """A dialer that finds addresses of the documentation's network on loopback."""

    def connect(host: str, _port: int, **options: Any) -> AbstractAsyncContextManager[SmtpClient]:
        return SmtpClient.connect("127.0.0.1", ports.get(host, 1), **options)

    return connect


async def test_a_route_leads_to_the_server(blobs: Blobs, resolver: Any, entry: Entry) -> None:
    exchanger = Exchanger()
    with listening(exchanger) as port:
        outcome = await relay(blobs, resolver, routes={"example.net": ("127.0.0.1", port)}).carry(entry)
    assert isinstance(outcome, Delivered)
    assert (outcome.reply.enhanced, outcome.tls) == ("2.0.0", "")
    assert exchanger.got == [("ann@example.org", ["bob@example.net"], MESSAGE.partition(b"\r\n")[2], False)]


async def test_starttls_is_used_where_it_is_offered(blobs: Blobs, resolver: Any, entry: Entry, tmp_path: Path) -> None:
    certificate = self_made(tmp_path / "tls", "unproven.example")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.chain, certificate.key)
    exchanger = Exchanger()
    with listening(exchanger, tls_context=context, require_starttls=True) as port:
        outcome = await relay(blobs, resolver, smarthost=("127.0.0.1", port)).carry(entry)
    assert isinstance(outcome, Delivered)
    assert outcome.tls
    assert exchanger.got[0][3]


async def test_exchangers_are_tried_in_their_order(zone: Any, blobs: Blobs, resolver: Any, entry: Entry) -> None:
    zone.add("example.net", "MX", "20 second.example.net.", "10 first.example.net.", "30 third.example.net.")
    zone.add("first.example.net", "A", "192.0.2.1")  # nobody listens there
    zone.add("second.example.net", "A", "192.0.2.2")
    zone.add("third.example.net", "A", "192.0.2.3")
    second, third = Exchanger(), Exchanger()
    with listening(second) as port, listening(third) as other:
        connect = mapped({"192.0.2.2": port, "192.0.2.3": other})
        outcome = await relay(blobs, resolver, connect=connect).carry(entry)
    assert isinstance(outcome, Delivered)
    assert outcome.host == "second.example.net"
    assert (len(second.got), len(third.got)) == (1, 0)


async def test_a_refusal_is_final_and_asks_no_other_server(
    zone: Any, blobs: Blobs, resolver: Any, entry: Entry
) -> None:
    zone.add("example.net", "MX", "10 first.example.net.", "20 second.example.net.")
    zone.add("first.example.net", "A", "192.0.2.1")
    zone.add("second.example.net", "A", "192.0.2.2")
    first, second = Exchanger(rcpt="550 5.1.1 no such user"), Exchanger()
    with listening(first) as port, listening(second) as other:
        outcome = await relay(blobs, resolver, connect=mapped({"192.0.2.1": port, "192.0.2.2": other})).carry(entry)
    assert isinstance(outcome, Refused)
    assert str(outcome.reply) == "550 5.1.1 no such user"
    assert outcome.host == "first.example.net"
    assert second.got == []


@pytest.mark.parametrize(
    ("behaviour", "kind", "enhanced"),
    [
        ({"rcpt": "450 4.2.1 busy"}, Deferred, "4.2.1"),
        ({"content": "451 4.7.1 greylisted"}, Deferred, "4.7.1"),
        ({"content": "554 5.7.1 spam"}, Refused, "5.7.1"),
        ({"rcpt": "552 too much"}, Refused, ""),
    ],
)
async def test_the_servers_word_decides(
    blobs: Blobs, resolver: Any, entry: Entry, behaviour: dict[str, str], kind: type, enhanced: str
) -> None:
    with listening(Exchanger(**behaviour)) as port:
        outcome = await relay(blobs, resolver, smarthost=("127.0.0.1", port)).carry(entry)
    assert isinstance(outcome, kind)
    assert outcome.reply.enhanced == enhanced  # type: ignore[attr-defined]


async def test_nobody_listening_is_a_delay(blobs: Blobs, resolver: Any, entry: Entry) -> None:
    outcome = await relay(blobs, resolver, smarthost=("127.0.0.1", 1)).carry(entry)
    assert isinstance(outcome, Deferred)
    assert outcome.reply.enhanced == "4.4.1"


async def test_a_server_that_hangs_up_is_a_delay(blobs: Blobs, resolver: Any, entry: Entry) -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.send_all(b"220 hello\r\n")
        await stream.receive_some()
        await stream.send_all(b"250-hi\r\n250 SIZE\r\n")
        await stream.receive_some()

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, hang_up, [listener])
        port = listener.socket.getsockname()[1]
        outcome = await relay(blobs, resolver, smarthost=("127.0.0.1", port)).carry(entry)
        nursery.cancel_scope.cancel()
    assert isinstance(outcome, Deferred)


async def test_names_that_lead_nowhere_are_refused(zone: Any, blobs: Blobs, resolver: Any, entry: Entry) -> None:
    zone.add("example.net", "MX", "0 .")
    assert await relay(blobs, resolver).carry(entry) == Refused("", NULL_MX)
    zone.add("example.net", "MX", "10 loop.example.net.")
    zone.add("loop.example.net", "A", "127.0.0.1")
    outcome = await relay(blobs, resolver).carry(entry)
    assert isinstance(outcome, Refused)
    assert outcome.reply.enhanced == "5.4.4"


async def test_a_silent_name_server_is_temporary(zone: Any, blobs: Blobs, resolver: Any, entry: Entry) -> None:
    zone.add("example.net", "MX", "fail")
    with pytest.raises(Temporary):
        await relay(blobs, resolver).carry(entry)
    zone.add("example.net", "MX", "10 a.example.net.", "20 b.example.net.")
    zone.add("a.example.net", "AAAA", "fail")
    zone.add("a.example.net", "A", "fail")
    with pytest.raises(Temporary):
        await relay(blobs, resolver).carry(entry)


@pytest.mark.parametrize("recipient", ["nonsense", "a b@example.net", "@", "bob@-.example"])
async def test_an_impossible_recipient_is_refused(
    database: Database, blobs: Blobs, resolver: Any, recipient: str
) -> None:
    outcome = await relay(blobs, resolver).carry(await spooled(database, MESSAGE, recipient))
    assert isinstance(outcome, Refused)


async def test_addresses_beyond_ascii_need_a_server_that_takes_them(
    database: Database, blobs: Blobs, resolver: Any
) -> None:
    entry = await spooled(database, MESSAGE, "büro@example.net", smtputf8=True)
    exchanger = Exchanger()
    with listening(exchanger, enable_SMTPUTF8=False) as port:
        outcome = await relay(blobs, resolver, smarthost=("127.0.0.1", port)).carry(entry)
    assert isinstance(outcome, Refused)
    assert outcome.reply.enhanced == "5.6.7"
    with listening(exchanger) as port:
        outcome = await relay(blobs, resolver, smarthost=("127.0.0.1", port)).carry(entry)
    assert isinstance(outcome, Delivered)
    assert exchanger.got[0][1] == ["büro@example.net"]


async def test_a_large_message_arrives_whole(database: Database, blobs: Blobs, resolver: Any) -> None:
    content = b"Subject: large\r\n\r\n" + b"0123456789" * 7 + b"\r\n" + b".line of text\r\n" * 200_000
    exchanger = Exchanger()
    with listening(exchanger, data_size_limit=1 << 24) as port:
        entry = await spooled(database, content)
        outcome = await relay(blobs, resolver, smarthost=("127.0.0.1", port)).carry(entry)
    assert isinstance(outcome, Delivered)
    assert exchanger.got[0][2] == content


async def test_the_null_sender_travels(database: Database, blobs: Blobs, resolver: Any) -> None:
    exchanger = Exchanger()
    with listening(exchanger) as port:
        entry = await spooled(database, MESSAGE, sender="")
        assert isinstance(await relay(blobs, resolver, smarthost=("127.0.0.1", port)).carry(entry), Delivered)
    assert exchanger.got[0][0] == "<>"


def test_only_a_leading_return_path_is_taken_off() -> None:
    assert without_return_path(b"RETURN-PATH: <a@b>\r\n\tfolded\r\nA: b\r\n") == b"A: b\r\n"
    assert without_return_path(b"A: b\r\nReturn-Path: <>\r\n") == b"A: b\r\nReturn-Path: <>\r\n"
    assert without_return_path(b"") == b""


async def test_the_runner_brings_the_bounce_of_a_refusal_to_a_foreign_sender(
    database: Database, blobs: Blobs, resolver: Any
) -> None:
    """Spool, relay, refusal, notification into the spool, and out again, all through one real server each."""
    refusing, home = Exchanger(rcpt="550 5.1.1 no such user"), Exchanger()

    async def prepared(reader: Address, message: bytes) -> Any:
        ready = await prepare(database, message)

        def work(tx: Writing) -> None:
            spool.add(tx, add(tx, ready), "", str(reader), next_attempt=0, expires=1 << 40)

        return work

    with listening(refusing) as away, listening(home) as near:
        routes = {"example.net": ("127.0.0.1", away), "example.org": ("127.0.0.1", near)}
        await spooled(database, MESSAGE)
        bouncer = Bouncer("mail.example.org", blobs, prepared, lambda: 1_700_000_000.0)
        runner = Runner(database, relay(blobs, resolver, routes=routes).carry, bouncer, lambda: 1_700_000_000.0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(runner.run)
            with trio.fail_after(10):
                while await database.read(spool.count):
                    pass
            nursery.cancel_scope.cancel()
    ((sender, recipients, notice, _),) = home.got
    assert (sender, recipients) == ("<>", ["ann@example.org"])
    assert get(notice, 0, len(notice), b"Auto-Submitted") == b"auto-replied"
