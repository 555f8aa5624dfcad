"""Our client against a foreign server (aiosmtpd, no PIPELINING) and against scripted ones."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
import trio
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from node.base.address import Address
from node.base.errors import Permanent, Temporary
from node.base.reply import Reply
from node.net.smtp_client import SmtpClient, Waits
from node.net.tls import Certificate, self_made, server_context

pytestmark = pytest.mark.anyio

ANN, BOB = Address("ann", "waxseal.test"), Address("bob", "elsewhere.example")


class Foreign:
    """What the foreign server keeps; it does not know nobody."""

    def __init__(self) -> None:
        self.envelopes: list[tuple[str, list[str], bytes]] = []

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]) -> str:
        if address.startswith("nobody"):
            return "550 5.1.1 Nobody here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
        return "250 2.0.0 Kept"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def foreign(tls: ssl.SSLContext | None = None) -> Iterator[tuple[Foreign, int]]:
    def check(*arguments: Any) -> AuthResult:
        return AuthResult(success=arguments[4].password == b"secret", handled=False)

    handler = Foreign()
    controller = Controller(
        handler,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=tls,
        authenticator=check,
        enable_SMTPUTF8=True,
    )
    controller.start()
    try:
        yield handler, controller.port
    finally:
        controller.stop()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_made(tmp_path_factory.mktemp("tls"), "mx.waxseal.test")


async def test_sends_to_a_foreign_server(certificate: Certificate) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate.ca))
    with foreign(server_context(certificate)) as (kept, port), trio.fail_after(20):
        async with SmtpClient.connect("127.0.0.1", port, name="me.example", tls=trusting) as client:
            assert "SMTPUTF8" in client.extensions
            with pytest.raises(Permanent, match="535"):
                await client.authenticate("ann", "wrong")
            await client.authenticate("ann", "secret")
            first = await client.send(BOB, [ANN, Address("nobody", "waxseal.test")], b"Subject: x\n\n.\nend")
            assert first.reply == Reply(250, "2.0.0", "Kept")
            assert (first.accepted, list(first.refused)) == ((ANN,), [Address("nobody", "waxseal.test")])
            none = await client.send(BOB, [Address("nobody", "waxseal.test")], b"x")
            assert (none.reply.code, none.accepted) == (550, ())
            utf8 = await client.send(None, [Address("jürgen", "waxseal.test")], "Subject: ü\r\n".encode() * 50_000)
            assert utf8.reply.is_positive
            assert client.is_open
    assert [(sender, to) for sender, to, _ in kept.envelopes] == [
        (str(BOB), [str(ANN)]),
        ("<>", ["jürgen@waxseal.test"]),
    ]
    assert kept.envelopes[0][2] == b"Subject: x\r\n\r\n.\r\nend\r\n"
    assert kept.envelopes[1][2] == "Subject: ü\r\n".encode() * 50_000


async def test_tls_is_a_must_when_asked_for() -> None:
    with foreign() as (_, port), trio.fail_after(20):
        with pytest.raises(Permanent, match="no STARTTLS"):
            async with SmtpClient.connect("127.0.0.1", port, name="me", tls=ssl.create_default_context()):
                pass
        async with SmtpClient.connect("127.0.0.1", port, name="me") as client:
            with pytest.raises(Permanent, match="TLS only"):
                await client.authenticate("ann", "secret")


async def test_a_certificate_nobody_vouches_for_is_refused(certificate: Certificate) -> None:
    with foreign(server_context(certificate)) as (_, port), pytest.raises(Temporary, match="certificate"):
        async with SmtpClient.connect("localhost", port, name="me", tls=ssl.create_default_context()):
            pass


async def test_nobody_listens() -> None:
    with pytest.raises(Temporary, match="cannot connect"):
        async with SmtpClient.connect("127.0.0.1", 1, name="me"):
            pass


HELLO = b"220 hi\r\n", b"250-x\r\n250 PIPELINING\r\n"


@asynccontextmanager
async def scripted(*answers: bytes) -> AsyncIterator[int]:
    """A server that says each answer after the next bytes it hears (the first at once), then closes."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            for number, answer in enumerate(answers):
                if number and not await stream.receive_some():
                    return
                await stream.send_all(answer)
            while answers[-1] == b"" and await stream.receive_some():
                pass

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        with trio.fail_after(20):
            yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ((b"554 no\r\n",), Permanent),
        ((b"421 later\r\n",), Temporary),
        ((b"HTTP/1.1 400 Bad Request\r\n",), Permanent),
        ((b"220 hi\n",), Permanent),
        ((b"220 hi\r\n", b"550 no\r\n"), Permanent),
        ((b"220 hi\r\n", b""), Temporary),
        ((b"220 hi",), Temporary),
    ],
)
async def test_servers_that_cannot_be_talked_to(answers: tuple[bytes, ...], error: type[Exception]) -> None:
    async with scripted(*answers) as port:
        with pytest.raises(error):
            async with SmtpClient.connect("127.0.0.1", port, name="me", waits=Waits(command=0.05)):
                pass


async def test_an_old_server_gets_helo() -> None:
    script = scripted(b"220 hi\r\n", b"500 what?\r\n", b"250 hello\r\n", b"221 bye\r\n")
    async with script as port, SmtpClient.connect("127.0.0.1", port, name="me") as client:
        assert not client.extensions


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ((b"451 4.7.1 later\r\n503 x\r\n503 x\r\n", b"250 reset\r\n"), 451),
        ((b"250 ok\r\n550 no\r\n554 none\r\n", b"250 reset\r\n"), 550),
        ((b"250 ok\r\n550 no\r\n354 go\r\n", b"554 5.5.1 none\r\n"), 554),
        ((b"250 ok\r\n250 ok\r\n354 go\r\n", b"552 big\r\n"), 552),
        ((b"250 ok\r\n250 ok\r\n451 not now\r\n", b"250 reset\r\n"), 451),
    ],
)
async def test_pipelined_refusals(answers: tuple[bytes, ...], code: int) -> None:
    script = scripted(*HELLO, *answers, b"221 bye\r\n")
    async with script as port, SmtpClient.connect("127.0.0.1", port, name="me") as client:
        outcome = await client.send(None, [ANN], b"x")
        assert outcome.reply.code == code
        assert outcome.accepted == ()


@pytest.mark.parametrize("answers", [(b"250 ok\r\n",), (b"250 ok\r\n250 ok\r\n354 go\r\n", b"25")])
async def test_a_broken_conversation_is_temporary(answers: tuple[bytes, ...]) -> None:
    async with scripted(*HELLO, *answers) as port, SmtpClient.connect("127.0.0.1", port, name="me") as client:
        with pytest.raises(Temporary):
            await client.send(None, [ANN], b"x")


async def test_a_421_ends_the_conversation() -> None:
    async with (
        scripted(*HELLO, b"250 ok\r\n250 ok\r\n421 bye\r\n") as port,
        SmtpClient.connect("127.0.0.1", port, name="me") as client,
    ):
        outcome = await client.send(None, [ANN], b"x")
        assert outcome.reply.code == 421
        assert not client.is_open


async def test_what_the_server_cannot_carry_is_not_sent() -> None:
    script = scripted(*HELLO, b"221 bye\r\n")
    async with script as port, SmtpClient.connect("127.0.0.1", port, name="me") as client:
        with pytest.raises(Permanent, match="SMTPUTF8"):
            await client.send(None, [Address("jürgen", "waxseal.test")], b"x")
