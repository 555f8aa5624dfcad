"""One SMTP session: the engine's events to the reception's decisions, and its replies back to the peer.

    server = SmtpServer(accept, "mx.example.org", tls_context)
    await serve(doors, server.handle, limits=..., busy=busy(hostname), farewell=farewell(hostname), stop=stop)

The session decides nothing and stores nothing. It keeps the promise of the protocol: one reply a command, replies of
a pipelined burst in one write, and a 250 for a message only when the reception has said so.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import TypeVar

import trio

from node.auth.shared_mailboxes import joined
from node.base.errors import RemoteProtocolError, Temporary
from node.base.log import get_log
from node.base.reply import Reply
from node.flow.reception import Reception, Session, Transaction
from node.net.stream import Connection
from node.store.accounts import Account
from node.store.incoming import Incoming
from node.wire.smtp import (
    NEED_DATA,
    Challenge,
    Content,
    Credentials,
    Data,
    EndOfChunk,
    EndOfContent,
    Event,
    Hello,
    Help,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Refused,
    Reset,
    SaslResponse,
    ServerConnection,
    StartTls,
    State,
    Vrfy,
)
from node.wire.smtp.sasl import MECHANISMS

log = get_log(__name__)
T = TypeVar("T")

_LEAST_RATE = 1000
"""Octets a second that content must reach on average. The timer of RFC 5321 §4.5.3.2.5 alone, an octet every three
minutes being in time, lets a peer hold a connection for years."""
_SMALL_FAULT = 0.2  # one dead address or one NOOP is no attack, a hundred without a message are

_OK = Reply(250, "2.0.0", "OK")
_GO_AHEAD = Reply(354, "", "End with <CRLF>.<CRLF>")
_READY_FOR_TLS = Reply(220, "2.0.0", "Ready to start TLS")
_WELCOME = Reply(235, "2.7.0", "Authentication successful")
_CANNOT_VERIFY = Reply(252, "2.1.5", "Cannot VRFY, but will take mail and try to deliver it")
_HELP = Reply(214, "2.0.0", "RFC 5321; https://www.rfc-editor.org/rfc/rfc5321")
_TRY_LATER = Reply(451, "4.3.0", "Local error, the message was not taken; try again later")
_TOO_MANY_RECIPIENTS = Reply(452, "4.5.3", "Too many recipients; send to the rest in another transaction")


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """What the sessions of one kind of port share; give `handle` to `node.servers.listen.serve`.

    Attributes:
        reception: decides.
        hostname: what the server calls itself.
        tls: for STARTTLS; None does not offer it.
    """

    reception: Reception
    hostname: str
    tls: ssl.SSLContext | None = None

    async def handle(self, connection: Connection) -> None:
        """Serve one connection until it ends; what it raises is for the front door's guard."""
        await SmtpSession(self, connection).run()


def busy(hostname: str) -> bytes:
    """Said to a connection that is one too many (RFC 5321 §4.2.4: 421)."""
    return Reply(421, "4.7.0", f"{hostname} Too many connections, try again later").render()


def farewell(hostname: str) -> bytes:
    """Said to idle connections when the node goes down (RFC 5321 §3.8)."""
    return _closing(hostname, "4.3.2", "Service shutting down").render()


def _closing(hostname: str, enhanced: str, why: str) -> Reply:
    return Reply(421, enhanced, f"{hostname} {why}")


class SmtpSession:
    """One connection, from greeting to goodbye."""

    def __init__(self, server: SmtpServer, connection: Connection) -> None:
        self._connection = connection
        self._reception = server.reception
        self._limits = server.reception.limits
        self._hostname = server.hostname
        self._tls = server.tls
        self._engine = ServerConnection(
            server.hostname,
            max_size=self._limits.message_size,
            auth=server.reception.offers_auth,
            starttls=server.tls is not None,
            tls=connection.tls is not None,
        )
        self._session = Session(connection.id, connection.peer, connection.local[1], tls=connection.tls)
        self._offer_mechanisms()
        self._transaction: Transaction | None = None
        self._incoming: Incoming | None = None
        self._broken = False  # the content could not be kept; it is read to its end and refused
        self._out = bytearray()
        self._faults = 0.0
        self._messages = 0
        self._content_deadline: float | None = None

    async def run(self) -> None:
        """Hold the whole conversation; returns when the connection is to be closed."""
        try:
            await self._greet()
            while await self._hear():
                while (event := self._engine.next_event()) is not NEED_DATA:
                    await self._take(event)
        except RemoteProtocolError as error:
            log.info("smtp framing lost", reason=str(error), helo=self._session.helo)
            self._out += error.reply
            await self._flush()
        finally:
            with trio.CancelScope(shield=True):
                await self._forget()
            log.info("smtp session", helo=self._session.helo, messages=self._messages, faults=int(self._faults))

    # Hearing and saying

    async def _greet(self) -> None:
        refusal = await self._ask(self._reception.connect(self._session), _TRY_LATER)
        self._say(refusal or Reply(220, "", f"{self._hostname} ESMTP Waxseal"))

    async def _hear(self) -> bool:
        """Send what is due, then wait for the peer; False when the conversation is over."""
        await self._flush()
        engine = self._engine
        if engine.state is State.CLOSED:
            return False
        if engine.state in {State.CONTENT, State.CHUNK}:
            self._connection.acknowledge()
        try:
            data = await self._connection.receive(within=self._patience(), idle=engine.is_idle)
        except trio.TooSlowError:
            log.info("smtp timeout", state=engine.state.name, helo=self._session.helo)
            await self._connection.send(_closing(self._hostname, "4.4.2", "Timeout, closing").render())
            return False
        engine.receive(data)
        if self._content_deadline is not None:
            self._content_deadline += len(data) / _LEAST_RATE
        return bool(data)

    def _patience(self) -> float:
        """Seconds to wait for the peer's next bytes."""
        if self._engine.state not in {State.CONTENT, State.CHUNK}:
            self._content_deadline = None
            return self._limits.command_seconds
        now = trio.current_time()
        if self._content_deadline is None:
            self._content_deadline = now + self._limits.content_seconds
        return max(0.0, min(self._limits.content_seconds, self._content_deadline - now))

    def _say(self, reply: Reply) -> None:
        self._out += self._engine.send(reply)

    async def _flush(self) -> None:
        if self._out:
            out, self._out = bytes(self._out), bytearray()
            await self._connection.send(out)

    async def _take(self, event: Event) -> None:
        """Deal with one event of the peer."""
        if isinstance(event, Content):
            await self._keep(event.data)
            return
        if isinstance(event, StartTls):
            await self._start_tls()
            return
        reply = await self._decide(event)
        self._faults += _weight(event, reply)
        if int(self._faults) > self._limits.errors:
            reply = _closing(self._hostname, "4.7.0", "Too many errors, closing")
        self._say(reply)

    async def _decide(self, event: Event) -> Reply:
        """The reply to an event."""
        match event:
            case Mail() | Rcpt() | Data():
                return await self._envelope(event)
            case EndOfContent():
                return await self._end(event)
            case EndOfChunk(size, fault):
                return fault or (_TRY_LATER if self._broken else Reply(250, "2.0.0", f"{size} octets received"))
            case Hello():
                await self._forget()
                self._session.helo, self._session.extended = event.name, event.extended
                return self._engine.hello_reply(event)
            case Reset():
                await self._forget()
                return _OK
            case Credentials() | SaslResponse():
                return await self._authenticate(event)
            case _:
                return self._small_talk(event)

    def _small_talk(self, event: Event) -> Reply:
        match event:
            case Refused(reply) | Challenge(reply):
                return reply
            case Quit():
                return Reply(221, "2.0.0", f"{self._hostname} closing connection")
            case Vrfy():
                return _CANNOT_VERIFY
            case Help():
                return _HELP
            case Noop():
                return _OK
        raise AssertionError(f"no answer to {type(event).__name__}")

    # The envelope

    async def _envelope(self, event: Mail | Rcpt | Data) -> Reply:
        if isinstance(event, Mail):
            return await self._mail(event)
        transaction = self._transaction
        assert transaction is not None
        return await self._rcpt(event, transaction) if isinstance(event, Rcpt) else _GO_AHEAD

    async def _mail(self, mail: Mail) -> Reply:
        if self._messages >= self._limits.transactions:
            return _closing(self._hostname, "4.7.0", "Enough messages for one connection, connect again")
        transaction = Transaction(sender=mail.sender, smtputf8=mail.smtputf8, body=mail.body, declared_size=mail.size)
        reply = await self._ask(self._reception.sender(self._session, transaction), _TRY_LATER)
        if reply.is_positive:
            self._transaction = transaction
        return reply

    async def _rcpt(self, rcpt: Rcpt, transaction: Transaction) -> Reply:
        if len(transaction.recipients) >= self._limits.recipients:
            return _TOO_MANY_RECIPIENTS  # RFC 5321 §4.5.3.1.10
        asked = self._reception.recipient(self._session, transaction, rcpt.recipient)
        reply = await self._ask(asked, _TRY_LATER)
        if reply.is_positive:
            transaction.recipients.append(rcpt.recipient)
        return reply

    # The content

    async def _keep(self, data: bytes) -> None:
        """Store a piece; on failure go on reading, so that the rest of the message is not taken for commands."""
        if self._broken:
            return
        try:
            if self._incoming is None:
                self._incoming = self._reception.incoming()
            await self._incoming.write(data)
        except Temporary as error:
            log.warning("content cannot be kept", reason=str(error))
            self._broken = True

    async def _end(self, end: EndOfContent) -> Reply:
        """The message is in: ask for the verdict. Nothing but the reception's own 2xx becomes a 250."""
        transaction = self._transaction
        assert transaction is not None
        if end.fault is None and self._incoming is None:
            await self._keep(b"")
        try:
            if end.fault is not None:
                log.info("message refused by its form", reason=end.fault.text, size=end.size)
                return end.fault
            if self._broken or self._incoming is None:
                return _TRY_LATER
            reply = await self._ask(self._reception.finish(self._session, transaction, self._incoming), _TRY_LATER)
        finally:
            with trio.CancelScope(shield=True):
                await self._forget()
        if reply.is_positive:
            self._messages += 1
            self._faults = 0.0
        return reply

    async def _forget(self) -> None:
        """End the transaction, if there is one."""
        incoming, self._incoming = self._incoming, None
        self._transaction = None
        self._broken = False
        if incoming is not None:
            await incoming.aclose()

    # Who is it

    async def _start_tls(self) -> None:
        assert self._tls is not None
        self._say(_READY_FOR_TLS)
        await self._flush()
        await self._connection.start_tls(self._tls)
        self._engine.tls_started()
        session = self._session
        session.helo, session.extended, session.tls = "", False, self._connection.tls
        self._offer_mechanisms()

    def _offer_mechanisms(self) -> None:
        """Some ways of logging in depend on the channel."""
        self._session.bindings = self._connection.channel_bindings()
        self._engine.mechanisms = (*self._reception.mechanisms(self._session), *MECHANISMS)

    async def _authenticate(self, event: Credentials | SaslResponse) -> Reply:
        if isinstance(event, SaslResponse):
            asked = self._reception.converse(self._session, event)
        else:
            asked = self._reception.authenticate(
                self._session, joined(event.acting_for, event.username), event.password
            )
        result = await self._ask(asked, Reply(454, "4.7.0", "Temporary authentication failure"))
        if isinstance(result, Account):
            self._session.account = result
            return _WELCOME
        return result

    async def _ask(self, decision: Awaitable[T], failed: Reply) -> T | Reply:
        """A decision of the house. Whatever goes wrong there, the peer is told to come again and keeps its mail."""
        try:
            return await decision
        except Temporary as error:
            log.warning("decision failed for now", reason=str(error))
        except Exception:
            log.exception("decision crashed")
        return failed


def _weight(event: Event, reply: Reply) -> float:
    """How much a command counts towards the limit of errors. A message that is taken forgives all."""
    match event:
        case Refused() | Credentials() | SaslResponse():
            return 0.0 if reply.is_positive else 1.0
        case Rcpt():
            return 0.0 if reply.is_positive or reply is _TOO_MANY_RECIPIENTS else _SMALL_FAULT
        case Noop() | Reset() | Hello() | Vrfy() | Help():
            return _SMALL_FAULT
    return 0.0
