"""A small SMTP client on Trio: for handing mail to our own node, to a smarthost, or to another server's port 25.

    async with SmtpClient.connect("localhost", 2587, tls=context, name="laptop.example") as client:
        await client.authenticate("ann@waxseal.test", app_password)
        outcome = await client.send(sender, [recipient], content)
        if not outcome.reply.is_positive: ...

Refusals of a message are values (`Outcome`); a server that cannot be talked to at all is `Temporary` or `Permanent`.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import trio

from node.base.address import Address
from node.base.errors import LocalProtocolError, Permanent, RemoteProtocolError, Temporary
from node.base.reply import Reply
from node.net.stream import Connection, Disconnected, endpoints
from node.wire.smtp import NEED_DATA, ClientConnection, to_crlf
from node.wire.smtp.client import Phase, Verb

RECIPIENTS_A_BURST = 100  # more unread replies could fill both sides' buffers, each waiting for the other
PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Waits:
    """Seconds to wait (RFC 5321 §4.5.3.2)."""

    connect: float = 30
    greeting: float = 300
    command: float = 300
    block: float = 180
    verdict: float = 600


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one message.

    Attributes:
        reply: the server's last word on the message; the refusal of MAIL, DATA or the last recipient if it ended there.
        accepted: recipients for whom the server has taken the message; empty unless `reply` is positive.
        refused: recipients refused one by one, with the reply.
    """

    reply: Reply
    accepted: tuple[Address, ...] = ()
    refused: Mapping[Address, Reply] = field(default_factory=dict)


class SmtpClient:
    """One conversation with a server; make it with `connect`. Not for use by two tasks at once."""

    def __init__(self, connection: Connection, waits: Waits) -> None:
        self._connection = connection
        self._engine = ClientConnection()
        self._waits = waits

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        host: str,
        port: int,
        *,
        name: str,
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        hostname: str | None = None,
        waits: Waits | None = None,
    ) -> AsyncIterator[SmtpClient]:
        """Connect, say EHLO, and go over to TLS when `tls` is given; says QUIT at the end.

        Args:
            name: what we call ourselves in EHLO.
            tls: TLS is a must then: a server without it is `Permanent`.
            implicit: TLS from the first byte (port 465) instead of STARTTLS.
            hostname: the name the certificate must bear; `host` by default.

        Raises:
            Temporary: unreachable, too slow, or it says 4xx.
            Permanent: it says 5xx, offers no STARTTLS, or speaks no SMTP.
        """
        waits = waits or Waits()
        client = cls(await _dial(host, port, waits), waits)
        try:
            with _as_failures(host):
                if tls is not None and implicit:
                    await client._connection.start_tls(tls, hostname=hostname or host)
                _expect(await client._next(waits.greeting), "greeting")
                await client._hello(name)
                if tls is not None and not implicit:
                    await client._start_tls(tls, hostname or host)
                    await client._hello(name)
            yield client
            await client._quit()
        finally:
            await client._connection.aclose()

    @property
    def extensions(self) -> Mapping[str, str]:
        """What the server offers: keyword to its arguments."""
        return self._engine.extensions

    @property
    def is_open(self) -> bool:
        """False once the server has closed, or said 421: connect again for the next message."""
        return self._engine.phase is not Phase.CLOSED

    async def authenticate(self, username: str, password: str) -> None:
        """AUTH PLAIN; refuses to send a password in the clear.

        Raises:
            Permanent: the server refuses the credentials, or the connection has no TLS.
            Temporary: it cannot check them now.
        """
        if self._connection.tls is None:
            raise Permanent("a password is sent over TLS only: connect with tls=")
        with _as_failures("server"):
            _expect(await self._command(self._engine.auth_plain(username, password)), "AUTH")

    async def send(
        self, sender: Address | None, recipients: Sequence[Address], content: bytes, *, smtputf8: bool = False
    ) -> Outcome:
        """Send one message; line ends of any kind go out as CR LF.

        Args:
            sender: None for the null reverse-path of bounces.

        Raises:
            Temporary: the connection broke; whether the message was taken is not known when that was at its end.
            Permanent: the server breaks the protocol, or lacks an extension the message needs.
        """
        content = to_crlf(content)
        engine = self._engine
        with _as_failures("server"):
            smtputf8 = smtputf8 or not all(recipient.is_ascii for recipient in recipients)
            body = None if content.isascii() else "8BITMIME"
            mail = engine.mail(sender, size=len(content), body=body, smtputf8=smtputf8)
            converse = self._pipelined if engine.can_pipeline else self._one_by_one
            reply, answers = await converse(mail, recipients)
            accepted = tuple(recipient for recipient, answer in answers.items() if answer.is_positive)
            refused = {recipient: answer for recipient, answer in answers.items() if not answer.is_positive}
            if engine.phase is Phase.CONTENT:
                # RFC 2920 §3.1: a server may say 354 with nobody accepted; the empty message gets the refusal.
                reply = await self._content(content if accepted else b"")
            elif self.is_open:
                await self._command(engine.reset())
            return Outcome(reply, accepted if reply.is_positive else (), refused)

    async def _pipelined(self, mail: bytes, recipients: Sequence[Address]) -> tuple[Reply, dict[Address, Reply]]:
        """MAIL, RCPT and DATA in bursts (RFC 2920): the reply that decides, and the answer to each recipient."""
        engine, out = self._engine, mail
        replies: list[Reply] = []
        for start in range(0, max(len(recipients), 1), RECIPIENTS_A_BURST):
            end = start + RECIPIENTS_A_BURST
            out += b"".join(engine.rcpt(recipient) for recipient in recipients[start:end])
            if end >= len(recipients):
                out += engine.data()
            await self._connection.send(out)
            out = b""
            while engine.awaited:
                replies.append(await self._next(self._waits.command))
        answer_to_mail, *answers, answer_to_data = replies
        by_recipient = dict(zip(recipients, answers, strict=True))
        if not answer_to_mail.is_positive:
            return answer_to_mail, {}
        return _deciding(answer_to_data, by_recipient), by_recipient

    async def _one_by_one(self, mail: bytes, recipients: Sequence[Address]) -> tuple[Reply, dict[Address, Reply]]:
        """The same for a server without PIPELINING."""
        answer_to_mail = await self._command(mail)
        if not answer_to_mail.is_positive:
            return answer_to_mail, {}
        answers = {recipient: await self._command(self._engine.rcpt(recipient)) for recipient in recipients}
        if not any(answer.is_positive for answer in answers.values()):
            return _deciding(Reply(554, "5.5.1", "No valid recipients"), answers), answers
        return await self._command(self._engine.data()), answers

    async def _content(self, content: bytes) -> Reply:
        engine = self._engine
        if len(content) <= PIECE:
            await self._connection.send(engine.content(content) + engine.end(), within=self._waits.block)
        else:
            for start in range(0, len(content), PIECE):
                piece = engine.content(content[start : start + PIECE])
                await self._connection.send(piece, within=self._waits.block)
            await self._connection.send(engine.end(), within=self._waits.block)
        return await self._next(self._waits.verdict)

    async def _hello(self, name: str) -> None:
        reply = await self._command(self._engine.hello(name))
        if reply.code in {500, 501, 502}:  # RFC 5321 §3.2: an old server
            reply = await self._command(self._engine.hello(name, extended=False))
        _expect(reply, "EHLO")

    async def _start_tls(self, context: ssl.SSLContext, hostname: str) -> None:
        if "STARTTLS" not in self.extensions:
            raise Permanent("the server offers no STARTTLS")
        _expect(await self._command(self._engine.start_tls()), "STARTTLS")
        await self._connection.start_tls(context, hostname=hostname)
        self._engine.tls_started()

    async def _quit(self) -> None:
        """Say goodbye; a server that is gone already does not matter."""
        try:
            with trio.fail_after(5):
                await self._command(self._engine.quit())
        except (Disconnected, RemoteProtocolError, LocalProtocolError, trio.TooSlowError):
            return

    async def _command(self, line: bytes) -> Reply:
        await self._connection.send(line)
        return await self._next(self._waits.command)

    async def _next(self, within: float) -> Reply:
        while (answer := self._engine.next_answer()) is NEED_DATA:
            data = await self._connection.receive(within=within)
            if not data:
                self._engine.phase = Phase.CLOSED
                raise Disconnected("the server closed the connection")
            self._engine.receive(data)
        if answer.verb is Verb.NOTHING:
            raise Temporary(f"the server closes: {answer.reply}")
        return answer.reply


async def _dial(host: str, port: int, waits: Waits) -> Connection:
    try:
        with trio.fail_after(waits.connect):
            stream = await trio.open_tcp_stream(host, port)
    except trio.TooSlowError:
        raise Temporary(f"{host}:{port} does not answer") from None
    except OSError as error:
        raise Temporary(f"cannot connect to {host}:{port}: {_reason(error)}") from error
    return Connection(stream, *endpoints(stream))


def _reason(error: OSError) -> str:
    """What each address of the host said, where Trio tells."""
    causes = error.__cause__.exceptions if isinstance(error.__cause__, ExceptionGroup) else (error.__cause__,)
    words = [os.strerror(cause.errno) for cause in causes if isinstance(cause, OSError) and cause.errno]
    return ", ".join(dict.fromkeys(words)) or str(error)


def _expect(reply: Reply, what: str) -> None:
    if reply.is_temporary:
        raise Temporary(f"the server answers {what} with {reply}")
    if not reply.is_positive:
        raise Permanent(f"the server refuses {what}: {reply}")


def _deciding(answer_to_data: Reply, answers: Mapping[Address, Reply]) -> Reply:
    """What ended the envelope: with nobody accepted, the last refusal says more than the answer to DATA."""
    if answer_to_data.code == 354 or any(answer.is_positive for answer in answers.values()):
        return answer_to_data
    return list(answers.values())[-1] if answers else answer_to_data


@contextmanager
def _as_failures(host: str) -> Iterator[None]:
    """Turn what the wire raises into the two failures that callers of this floor know."""
    try:
        yield
    except trio.TooSlowError as error:
        raise Temporary(f"{host} is too slow") from error
    except RemoteProtocolError as error:
        raise Permanent(f"{host} breaks the protocol: {error}") from error
    except LocalProtocolError as error:
        raise Permanent(f"the message cannot be sent to {host}: {error}") from error
