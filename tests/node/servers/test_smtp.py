"""SMTP sessions over real loopback sockets, with a reception that keeps mail in memory."""

from __future__ import annotations

import base64
import smtplib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.message import EmailMessage
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from node.base.address import Address
from node.base.errors import Permanent, Temporary
from node.base.reply import Reply
from node.flow.reception import Limits, Session, Transaction
from node.net.smtp_client import SmtpClient
from node.net.stream import Connection
from node.servers import listen
from node.servers.listen import Door, Room, Stop, open_listener, serve
from node.servers.smtp import SmtpServer, SmtpSession, busy, farewell
from node.store.accounts import Account
from node.store.incoming import Incoming
from node.wire.smtp import SaslResponse

pytestmark = pytest.mark.anyio

HOST = "mx.waxseal.test"
ANN = Address("ann", "waxseal.test")
BOB = Address("bob", "elsewhere.example")
OK = Reply(250, "2.0.0", "OK")


@dataclass
class Memory:
    """A reception that keeps everything, knows ann's password, and fails where a test wants it to."""

    directory: Path
    limits: Limits = Limits()  # noqa: RUF009 - frozen
    offers_auth: bool = False
    kept: list[tuple[Session, Transaction, bytes]] = field(default_factory=list)
    opened: list[Incoming] = field(default_factory=list)
    fails: Exception | None = None
    greeting: Reply | None = None
    hold: trio.Event | None = None

    async def connect(self, session: Session) -> Reply | None:
        return self.greeting

    async def authenticate(self, session: Session, username: str, password: str) -> Account | Reply:
        if username == "ann" and password in {"password", "pässword"}:
            return Account(1, str(ANN), "Ann")
        return Reply(535, "5.7.8", "Wrong name or password")

    def mechanisms(self, session: Session) -> tuple[str, ...]:
        return ("TWO-STEPS",) if self.offers_auth and session.tls else ()

    async def converse(self, session: Session, response: SaslResponse) -> Account | Reply:
        if response.first:
            return Reply(334, "", "cGxlYXNlPw==")
        return Account(1, str(ANN), "Ann") if response.data == b"please" else Reply(535, "5.7.8", "No")

    async def sender(self, session: Session, transaction: Transaction) -> Reply:
        if transaction.sender == Address("crash", "elsewhere.example"):
            raise ZeroDivisionError
        return Reply(250, "2.1.0", "OK")

    async def recipient(self, session: Session, transaction: Transaction, address: Address) -> Reply:
        if address.domain != "waxseal.test":
            return Reply(550, "5.7.1", "Relaying is not for you")
        return Reply(550, "5.1.1", "No such person") if address.local.startswith("no") else Reply(250, "2.1.5", "OK")

    def incoming(self) -> Incoming:
        self.opened.append(Incoming(self.directory, memory=20_000))
        return self.opened[-1]

    async def finish(self, session: Session, transaction: Transaction, incoming: Incoming) -> Reply:
        if self.hold is not None:
            await self.hold.wait()
        if self.fails is not None:
            raise self.fails
        with incoming.view() as content:
            self.kept.append((session, transaction, bytes(content)))
        return Reply(250, "2.0.0", "Kept")


@dataclass
class House:
    door: Door
    room: Room
    stop: Stop
    reception: Memory

    async def dial(self) -> Peer:
        return Peer(Connection(await trio.open_tcp_stream(*self.door.address)))


@dataclass
class Peer:
    """The other side, by hand: says bytes, reads replies."""

    connection: Connection
    buffer: bytes = b""

    async def reply(self) -> str:
        """The next reply whole, "" at the end of the connection."""
        lines: list[str] = []
        while not lines or lines[-1][3:4] == "-":
            while b"\r\n" not in self.buffer:
                data = await self.connection.receive(within=10)
                if not data:
                    return ""
                self.buffer += data
            line, _, self.buffer = self.buffer.partition(b"\r\n")
            lines.append(line.decode())
        return "\n".join(lines)

    async def say(self, data: bytes, replies: int = 1) -> list[str]:
        await self.connection.send(data, within=10)
        return [await self.reply() for _ in range(replies)]

    async def codes(self, data: bytes, replies: int = 1) -> list[int]:
        return [int(reply[:3] or 0) for reply in await self.say(data, replies)]


@asynccontextmanager
async def house(
    reception: Memory, tls: ssl.SSLContext | None = None, *, implicit: bool = False, limits: listen.Limits | None = None
) -> AsyncIterator[House]:
    stop = Stop()
    door = await open_listener("127.0.0.1", 0, "smtp", tls if implicit else None)
    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            room = await nursery.start(
                partial(
                    serve,
                    [door],
                    SmtpServer(reception, HOST, tls).handle,
                    limits=limits or listen.Limits(grace_seconds=0.2),
                    busy=busy(HOST),
                    farewell=farewell(HOST),
                    stop=stop,
                )
            )
            yield House(door, room, stop, reception)
            stop.request()
    assert room.crashed == 0
    assert all(incoming._closed for incoming in reception.opened), "content left open"


@asynccontextmanager
async def talk(reception: Memory, tls: ssl.SSLContext | None = None) -> AsyncIterator[Peer]:
    async with house(reception, tls) as here:
        peer = await here.dial()
        try:
            assert (await peer.reply()).startswith(f"220 {HOST} ESMTP")
            await peer.say(b"EHLO me.example\r\n")
            yield peer
        finally:
            await peer.connection.aclose()


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path)


ENVELOPE = b"MAIL FROM:<bob@elsewhere.example>\r\nRCPT TO:<ann@waxseal.test>\r\n"


async def test_a_message_comes_in(memory: Memory) -> None:
    async with talk(memory) as peer:
        assert await peer.codes(ENVELOPE + b"DATA\r\n", 3) == [250, 250, 354]
        assert await peer.say(b"Subject: hi\r\n\r\n..dots\r\n.\r\n") == ["250 2.0.0 Kept"]
        assert await peer.say(b"QUIT\r\n") == [f"221 2.0.0 {HOST} closing connection"]
        assert await peer.reply() == ""
    (session, transaction, content), *others = memory.kept
    assert content == b"Subject: hi\r\n\r\n.dots\r\n"
    assert not others
    assert (session.helo, session.extended, session.tls) == ("me.example", True, None)
    assert (transaction.sender, transaction.recipients) == (BOB, [ANN])


async def test_a_burst_is_answered_in_one_write(memory: Memory) -> None:
    async with talk(memory) as peer:
        burst = ENVELOPE + b"RCPT TO:<nobody@waxseal.test>\r\nDATA\r\n"
        await peer.connection.send(burst)
        data = await peer.connection.receive(within=10)
        assert data.count(b"\r\n") == 4
        assert data.endswith(b"354 End with <CRLF>.<CRLF>\r\n")


async def test_the_ehlo_answer(memory: Memory, server_tls: ssl.SSLContext) -> None:
    async with talk(memory, server_tls) as peer:
        (answer,) = await peer.say(b"EHLO me\r\n")
        assert answer.split("\n")[1:] == [
            "250-PIPELINING",
            f"250-SIZE {64 << 20}",
            "250-8BITMIME",
            "250-SMTPUTF8",
            "250-ENHANCEDSTATUSCODES",
            "250-CHUNKING",
            "250 STARTTLS",
        ]
        assert await peer.say(b"HELO me\r\n") == [f"250 {HOST} greets me"]


async def test_null_sender_chunks_and_small_talk(memory: Memory) -> None:
    async with talk(memory) as peer:
        assert await peer.codes(b"MAIL FROM:<> BODY=8BITMIME\r\nRCPT TO:<ann@waxseal.test>\r\n", 2) == [250, 250]
        assert await peer.codes(b"BDAT 4\r\nab\r\nBDAT 6 LAST\r\n\r\n.\r\n\xfc", 2) == [250, 250]
        assert await peer.codes(b"NOOP\r\nVRFY ann\r\nHELP\r\nRSET\r\nEXPN x\r\n", 5) == [250, 252, 214, 250, 502]
    _, transaction, content = memory.kept[0]
    assert transaction.sender is None
    assert content == b"ab\r\n\r\n.\r\n\xfc"


async def test_an_empty_message_is_a_message(memory: Memory) -> None:
    async with talk(memory) as peer:
        assert await peer.codes(ENVELOPE + b"DATA\r\n", 3) == [250, 250, 354]
        assert await peer.codes(b".\r\n") == [250]
    assert memory.kept[0][2] == b""


# Bad input


@pytest.mark.parametrize("fake_end", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n"])
async def test_smuggled_line_ends_lose_the_message_not_the_session(memory: Memory, fake_end: bytes) -> None:
    forged = b"MAIL FROM:<ceo@bank.example>\r\nRCPT TO:<ann@waxseal.test>\r\nDATA\r\nforged\r\n.\r\n"
    async with talk(memory) as peer:
        await peer.say(ENVELOPE + b"DATA\r\n", 3)
        (answer,) = await peer.say(b"first" + fake_end + forged)
        assert answer.startswith("554 5.5.2 Message has a bare CR or LF")
        assert await peer.codes(b"NOOP\r\n") == [250]
    assert not memory.kept


async def test_bare_line_ends_in_commands_close_the_session(memory: Memory) -> None:
    async with talk(memory) as peer:
        assert (await peer.say(b"NOOP\r\nNOOP\nMAIL FROM:<>\r\n", 2))[1].startswith("500 5.5.2 Lines end with CR LF")
        assert await peer.reply() == ""


async def test_overlong_lines(memory: Memory) -> None:
    async with talk(memory) as peer:
        assert await peer.codes(b"NOOP " + b"x" * 5000 + b"\r\n") == [500]
        await peer.say(ENVELOPE + b"DATA\r\n", 3)
        assert await peer.say(b"x" * 70_000 + b"\r\n.\r\n") == [
            "554 5.6.0 Message has a line longer than this server takes"
        ]
        await peer.say(ENVELOPE + b"DATA\r\n", 3)
        assert await peer.codes(b"x" * 60_000 + b"\r\n.\r\n") == [250]
        assert await peer.codes(b"x" * 20_000) == [500]
        assert await peer.reply() == ""


async def test_ten_thousand_recipients(memory: Memory) -> None:
    async with talk(memory) as peer:
        await peer.say(b"MAIL FROM:<bob@elsewhere.example>\r\n")
        burst = b"".join(b"RCPT TO:<ann+%d@waxseal.test>\r\n" % number for number in range(10_000))
        codes: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.connection.send, burst)
            for _ in range(10_000):
                codes.append(int((await peer.reply())[:3]))
        assert codes == [250] * 1000 + [452] * 9000
        assert await peer.codes(b"DATA\r\n") == [354]
        assert await peer.codes(b"x\r\n.\r\n") == [250]
    assert len(memory.kept[0][1].recipients) == 1000


async def test_bytes_behind_starttls(memory: Memory, server_tls: ssl.SSLContext) -> None:
    async with talk(memory, server_tls) as peer:
        assert (await peer.say(b"STARTTLS\r\nEHLO injected\r\n"))[0].startswith("554 5.5.1 Nothing may follow STARTTLS")
        assert await peer.reply() == ""


async def test_invalid_utf8(memory: Memory) -> None:
    async with talk(memory) as peer:
        assert await peer.codes(b"MAIL FROM:<\xc3\x28@waxseal.test> SMTPUTF8\r\n") == [500]
        assert await peer.codes("MAIL FROM:<jürgen@elsewhere.example> SMTPUTF8\r\n".encode()) == [250]


async def test_oversized_messages(tmp_path: Path) -> None:
    memory = Memory(tmp_path, Limits(message_size=100_000))
    async with talk(memory) as peer:
        assert await peer.codes(b"MAIL FROM:<> SIZE=100001\r\n") == [552]
        await peer.say(ENVELOPE + b"DATA\r\n", 3)
        assert await peer.codes(b"1234567\r\n" * 20_000 + b".\r\n") == [552]
        assert await peer.codes(b"NOOP\r\n") == [250]
    assert not memory.kept


async def test_a_message_without_end_is_cut_off(tmp_path: Path) -> None:
    memory = Memory(tmp_path, Limits(message_size=1000))
    async with talk(memory) as peer:
        await peer.say(ENVELOPE + b"DATA\r\n", 3)
        assert await peer.codes(b"1234567\r\n" * 150_000) == [552]
        assert await peer.reply() == ""


async def test_http_is_shown_the_door(memory: Memory) -> None:
    async with talk(memory) as peer:
        assert await peer.codes(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<>\r\n") == [521]
        assert await peer.reply() == ""


async def test_too_many_errors(tmp_path: Path) -> None:
    memory = Memory(tmp_path, Limits(errors=3))
    async with talk(memory) as peer:
        assert await peer.codes(b"BAD\r\n" * 5, 4) == [500, 500, 500, 421]
        assert await peer.reply() == ""


async def test_guessing_recipients_ends_the_session(tmp_path: Path) -> None:
    memory = Memory(tmp_path, Limits(errors=2))
    async with talk(memory) as peer:
        await peer.say(b"MAIL FROM:<>\r\n")
        codes = await peer.codes(b"RCPT TO:<nobody@waxseal.test>\r\n" * 20, 16)
        assert 10 < codes.index(421) < 16


async def test_enough_messages_for_one_connection(tmp_path: Path) -> None:
    memory = Memory(tmp_path, Limits(transactions=1))
    async with talk(memory) as peer:
        await peer.say(ENVELOPE + b"DATA\r\n", 3)
        assert await peer.codes(b".\r\n") == [250]
        assert await peer.codes(b"MAIL FROM:<>\r\n") == [421]


# When the house fails


@pytest.mark.parametrize(
    "failure", [Temporary("database is locked"), Permanent("odd"), ZeroDivisionError(), OSError(28, "x")]
)
async def test_a_failing_finish_is_never_a_250(memory: Memory, failure: Exception) -> None:
    memory.fails = failure
    async with talk(memory) as peer:
        await peer.say(ENVELOPE + b"DATA\r\n", 3)
        (answer,) = await peer.say(b"x\r\n.\r\n")
        assert answer == "451 4.3.0 Local error, the message was not taken; try again later"
        memory.fails = None
        await peer.say(ENVELOPE + b"DATA\r\n", 3)
        assert await peer.codes(b"x\r\n.\r\n") == [250]


async def test_a_crash_at_mail_is_a_451(memory: Memory) -> None:
    async with talk(memory) as peer:
        assert await peer.codes(b"MAIL FROM:<crash@elsewhere.example>\r\nRCPT TO:<ann@waxseal.test>\r\n", 2) == [
            451,
            503,
        ]


async def test_a_full_disk_loses_the_message_not_the_framing(memory: Memory) -> None:
    memory.directory = Path("/dev/null")  # content beyond the memory limit cannot be written below it
    async with talk(memory) as peer:
        await peer.say(ENVELOPE + b"DATA\r\n", 3)
        assert await peer.codes(b"MAIL FROM:<>\r\n" * 20_000 + b".\r\nNOOP\r\n", 2) == [451, 250]
        await peer.say(ENVELOPE, 2)
        assert await peer.codes(b"BDAT 65536\r\n" + b"x\r\n" * 21845 + b"x" + b"BDAT 0 LAST\r\n", 2) == [451, 451]
    assert not memory.kept


async def test_a_peer_that_vanishes_in_data_leaves_nothing(memory: Memory) -> None:
    async with talk(memory) as peer:
        await peer.say(ENVELOPE + b"DATA\r\n", 3)
        await peer.connection.send(b"half a mess")
    assert not memory.kept


@pytest.mark.parametrize(
    ("lines", "limits"), [(b"", Limits(command_seconds=0.01)), (ENVELOPE + b"DATA\r\n", Limits(content_seconds=0.01))]
)
async def test_timeouts(tmp_path: Path, lines: bytes, limits: Limits) -> None:
    async with house(Memory(tmp_path, limits)) as here:
        peer = await here.dial()
        await peer.reply()
        await peer.connection.send(b"EHLO me\r\n" + lines)
        answers = [await peer.reply() for _ in range(5 if lines else 2)]
        assert answers[-1] == f"421 4.4.2 {HOST} Timeout, closing"
        assert await peer.reply() == ""
        await peer.connection.aclose()


def test_content_in_drips_is_cut_off(tmp_path: Path) -> None:
    """Every drip is in time for RFC 5321 §4.5.3.2.5, yet the message would take years."""

    async def drip(peer: Peer) -> None:
        while True:
            await peer.connection.send(b"x\r\n")
            await trio.sleep(60)

    async def main() -> None:
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(SmtpSession(SmtpServer(Memory(tmp_path), HOST), Connection(ours)).run)
            peer = Peer(Connection(theirs))
            await peer.reply()
            await peer.say(b"EHLO me\r\n" + ENVELOPE + b"DATA\r\n", 4)
            begin = trio.current_time()
            nursery.start_soon(drip, peer)
            data = await peer.connection.receive(within=10_000)
            assert data == f"421 4.4.2 {HOST} Timeout, closing\r\n".encode()
            assert 180 <= trio.current_time() - begin < 181
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_small_talk_without_end_is_ended(memory: Memory) -> None:
    async with talk(memory) as peer:
        codes = await peer.codes(b"NOOP\r\n" * 120, 110)
        assert 100 <= codes.index(421) < 110
        assert await peer.reply() == ""


async def test_an_unwelcome_peer_is_told_at_the_greeting(memory: Memory) -> None:
    memory.greeting = Reply(554, "5.7.1", "Not you")
    async with house(memory) as here:
        peer = await here.dial()
        assert [await peer.reply(), await peer.reply()] == ["554 5.7.1 Not you", ""]
        await peer.connection.aclose()


async def test_going_down_says_421_to_the_idle_and_finishes_the_busy(memory: Memory) -> None:
    memory.hold = trio.Event()
    async with house(memory, limits=listen.Limits(grace_seconds=10)) as here:
        idle, busy_one = await here.dial(), await here.dial()
        await idle.reply()
        await busy_one.say(b"EHLO me\r\n" + ENVELOPE + b"DATA\r\n", 5)
        await busy_one.connection.send(b"x\r\n.\r\n")
        here.stop.request()
        assert await idle.reply() == f"421 4.3.2 {HOST} Service shutting down"
        memory.hold.set()
        assert [await busy_one.reply(), await busy_one.reply()] == [
            "250 2.0.0 Kept",
            f"421 4.3.2 {HOST} Service shutting down",
        ]
        for peer in (idle, busy_one):
            await peer.connection.aclose()


async def test_a_connection_too_many(memory: Memory) -> None:
    async with house(memory, limits=listen.Limits(per_address=1, grace_seconds=0)) as here:
        first, second = await here.dial(), await here.dial()
        await first.reply()
        assert [await second.reply(), await second.reply()] == [
            f"421 4.7.0 {HOST} Too many connections, try again later",
            "",
        ]
        for peer in (first, second):
            await peer.connection.aclose()


# STARTTLS and AUTH


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


@asynccontextmanager
async def submission(memory: Memory, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> AsyncIterator[Peer]:
    memory.offers_auth = True
    async with talk(memory, server_tls) as peer:
        assert await peer.codes(b"STARTTLS\r\n") == [220]
        await peer.connection.start_tls(client_tls, hostname="localhost")
        assert "AUTH TWO-STEPS PLAIN LOGIN" in (await peer.say(b"EHLO me\r\n"))[0]
        yield peer


async def test_auth_comes_only_after_tls(memory: Memory, server_tls: ssl.SSLContext) -> None:
    memory.offers_auth = True
    async with talk(memory, server_tls) as peer:
        assert await peer.codes(b"AUTH PLAIN\r\nMAIL FROM:<>\r\n", 2) == [538, 530]


@pytest.mark.parametrize(
    "dialogue",
    [
        [b"AUTH PLAIN " + b64("\0ann\0pässword")],
        [b"AUTH PLAIN", b64("\0ann\0pässword")],
        [b"AUTH LOGIN", b64("ann"), b64("pässword")],
        [b"AUTH LOGIN " + b64("ann"), b64("pässword")],
        [b"AUTH TWO-STEPS " + b64("hello"), b64("please")],
        [b"AUTH TWO-STEPS", b64("hello"), b64("please")],
        [b"AUTH TWO-STEPS =", b"*", b"AUTH TWO-STEPS =", b"???", b"AUTH TWO-STEPS =", b64("please")],
        [b"AUTH TWO-STEPS =", b64("thanks"), b"AUTH TWO-STEPS =", b64("please")],
        [
            b"AUTH PLAIN",
            b"*",
            b"AUTH PLAIN",
            b"???",
            b"AUTH PLAIN " + b64("\0ann\0wrong"),
            b"AUTH PLAIN " + b64("\0ann\0pässword"),
        ],
    ],
)
async def test_auth(
    memory: Memory, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext, dialogue: list[bytes]
) -> None:
    async with submission(memory, server_tls, client_tls) as peer:
        assert await peer.codes(b"MAIL FROM:<ann@waxseal.test>\r\n") == [530]
        codes = [(await peer.codes(line + b"\r\n"))[0] for line in dialogue]
        assert codes[-1] == 235
        assert set(codes[:-1]) <= {334, 500, 501, 535}
        await peer.say(ENVELOPE + b"DATA\r\n", 3)
        assert await peer.codes(b"x\r\n.\r\n") == [250]
    session = memory.kept[0][0]
    assert session.account == Account(1, str(ANN), "Ann")
    assert session.tls is not None
    assert session.tls.version == "TLSv1.3"


async def test_a_failed_handshake_is_no_crash(memory: Memory, server_tls: ssl.SSLContext) -> None:
    async with talk(memory, server_tls) as peer:
        assert await peer.codes(b"STARTTLS\r\n") == [220]
        await peer.connection.send(b"EHLO in the clear\r\n" * 10)
        await peer.connection.receive(within=10)


# Real clients


async def test_smtplib(memory: Memory, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    memory.offers_auth = True
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "ann@waxseal.test", "bob@waxseal.test", "Grüße"
    message.set_content(".\n..\nfrom smtplib\n")

    def send(port: int) -> None:
        with smtplib.SMTP("localhost", port, timeout=10) as client:
            client.starttls(context=client_tls)
            client.login("ann", "password")
            client.send_message(message)
            client.send_message(message, mail_options=["SMTPUTF8", "BODY=8BITMIME"])
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                client.sendmail("ann@waxseal.test", ["nobody@waxseal.test"], b"x")

    async with house(memory, server_tls) as here:
        await trio.to_thread.run_sync(send, here.door.address[1])
    assert len(memory.kept) == 2
    assert b"\r\n.\r\n..\r\nfrom smtplib\r\n" in memory.kept[0][2]


async def test_smtplib_over_tls_from_the_first_byte(
    memory: Memory, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    memory.offers_auth = True

    def send(port: int) -> None:
        with smtplib.SMTP_SSL("localhost", port, timeout=10, context=client_tls) as client:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                client.login("ann", "wrong")
            client.login("ann", "password")
            client.sendmail("ann@waxseal.test", ["bob@waxseal.test"], b"x\r\n" * 500_000)

    async with house(memory, server_tls, implicit=True) as here:
        await trio.to_thread.run_sync(send, here.door.address[1])
    assert memory.kept[0][2] == b"x\r\n" * 500_000


async def test_our_own_client(memory: Memory, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    memory.offers_auth = True
    async with (
        house(memory, server_tls) as here,
        SmtpClient.connect("localhost", here.door.address[1], tls=client_tls, name="me.example") as client,
    ):
        await client.authenticate("ann", "pässword")
        outcome = await client.send(ANN, [ANN, Address("nobody", "waxseal.test")], b"a\n.\nb")
        assert outcome.reply == Reply(250, "2.0.0", "Kept")
        assert outcome.accepted == (ANN,)
        assert [reply.code for reply in outcome.refused.values()] == [550]
    assert memory.kept[0][2] == b"a\r\n.\r\nb\r\n"


@settings(max_examples=20)
@given(st.lists(st.binary(max_size=300) | st.just(b"\r\n.\r\n"), max_size=5).map(b"".join))
def test_any_bytes_are_survived(data: bytes) -> None:
    async def main() -> None:
        memory = Memory(Path("/nonexistent"), replace(Limits(), content_seconds=5))
        async with talk(memory) as peer:
            await peer.connection.send(data)
            await peer.connection.transport.send_eof()  # type: ignore[attr-defined]
            while await peer.connection.receive(within=10):
                pass

    trio.run(main)
