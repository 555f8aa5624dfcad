"""The server's side of an SMTP conversation. No socket, no clock, no log, no policy: only what the protocol says.

    engine = ServerConnection("mx.example.org", max_size=64 << 20)
    out = engine.send(Reply(220, "", "mx.example.org ESMTP"))
    engine.receive(data)
    while (event := engine.next_event()) is not NEED_DATA:
        ...                                    # decide; every event but Content gets one reply:
        out += engine.send(reply)

A positive reply moves the conversation on as `NEXT` says, any other leaves it where it is.
"""

from __future__ import annotations

import enum
from typing import Final

from node.base.errors import LocalProtocolError
from node.base.reply import Reply
from node.wire.smtp import replies, sasl
from node.wire.smtp.events import (
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
    NeedData,
    Noop,
    Quit,
    Rcpt,
    Refused,
    Reset,
    SaslResponse,
    StartTls,
    Vrfy,
)
from node.wire.smtp.framing import MAX_AUTH_LINE, MAX_COMMAND, ContentRules, DotReader, fatal, take_line
from node.wire.smtp.grammar import AuthStart, Chunk, Command, Offer, parse_command
from node.wire.smtp.sasl import MECHANISMS, Exchange, Relay

MAX_TEXT_LINE = 64 * 1024
"""Octets of a text line we take: RFC 5321 §4.5.3.1.6 promises senders 1000, mail with longer lines exists."""


class State(enum.IntEnum):  # an Enum's hash is Python code, an IntEnum's is C, and every command looks itself up
    """Where the conversation stands."""

    GREETING = enum.auto()
    START = enum.auto()
    READY = enum.auto()
    SENDER = enum.auto()
    RECIPIENTS = enum.auto()
    CONTENT = enum.auto()  # inside DATA
    CHUNK = enum.auto()  # inside the octets of a BDAT
    CHUNKS = enum.auto()  # between two BDATs
    AUTH = enum.auto()
    TLS = enum.auto()
    CLOSED = enum.auto()


_ANY_TIME = (State.START, State.READY, State.SENDER, State.RECIPIENTS, State.CHUNKS)

NEXT: Final[dict[tuple[State, type], State]] = {
    **{(state, verb): state for state in _ANY_TIME for verb in (Noop, Help, Vrfy)},
    **{(state, Quit): State.CLOSED for state in _ANY_TIME},
    **{(state, Hello): State.READY for state in _ANY_TIME},  # a new EHLO resets: RFC 5321 §4.1.4
    **{(state, Reset): State.READY for state in _ANY_TIME},
    (State.START, Reset): State.START,
    (State.READY, StartTls): State.TLS,
    (State.READY, AuthStart): State.AUTH,
    (State.AUTH, Challenge): State.AUTH,
    (State.AUTH, Credentials): State.READY,
    (State.AUTH, SaslResponse): State.READY,
    (State.READY, Mail): State.SENDER,
    (State.SENDER, Rcpt): State.RECIPIENTS,
    (State.RECIPIENTS, Rcpt): State.RECIPIENTS,
    (State.RECIPIENTS, Data): State.CONTENT,
    (State.CONTENT, EndOfContent): State.READY,
    (State.RECIPIENTS, Chunk): State.CHUNK,
    (State.CHUNKS, Chunk): State.CHUNK,
    (State.CHUNK, EndOfChunk): State.CHUNKS,
    (State.CHUNK, EndOfContent): State.READY,
}
"""Every legal step, once its reply is positive. What is not here is refused (`_out_of_place`)."""

_ENDS_ANYHOW = {EndOfContent, EndOfChunk, Quit}
_KEEPS_TRANSACTION = {Noop, Help, Vrfy}


class ServerConnection:
    """One client's conversation.

    Args:
        hostname: what the server calls itself.
        max_size: octets of content, announced with SIZE.
        max_line: octets of a text line; longer ones are refused at the end of the message.
        auth: AUTH is offered (under TLS only) and needed before MAIL.
        starttls: STARTTLS is offered.
        tls: TLS is active from the first byte.

    Attributes:
        mechanisms: of AUTH, as they are offered; the session may put more in front once TLS stands.
    """

    def __init__(
        self,
        hostname: str,
        *,
        max_size: int,
        max_line: int = MAX_TEXT_LINE,
        auth: bool = False,
        starttls: bool = False,
        tls: bool = False,
    ) -> None:
        self.state = State.GREETING
        self.authenticated = False
        self.tls = tls
        self.mechanisms: tuple[str, ...] = MECHANISMS
        self._hostname = hostname
        self._max_line = max_line
        self._auth = auth
        self._starttls = starttls
        self._offer = Offer(hostname, False, max_size, auth)
        self._buffer = b""
        self._start = 0
        self._pending: Event | None = None
        self._queued: Event | None = None
        self._attempted = False  # RCPT was tried in this transaction
        self._exchange: Exchange | Relay | None = None
        self._rules = ContentRules(max_size, max_line)
        self._dots = DotReader()
        self._chunk: Chunk | None = None
        self._left = 0  # octets of the chunk still to come
        self._skip_reply: Reply | None = None  # the chunk is read and refused with this

    # What the session asks and tells

    def receive(self, data: bytes) -> None:
        """Take bytes of the peer; then call `next_event` until it says `NEED_DATA`."""
        if self._start:
            self._buffer, self._start = self._buffer[self._start :] + data, 0
        else:
            self._buffer = self._buffer + data if self._buffer else data

    def next_event(self) -> Event | NeedData:
        """The peer's next word.

        Raises:
            RemoteProtocolError: the framing is lost; send its `reply` and close.
            LocalProtocolError: the last event has not been answered.
        """
        if self._pending is not None:
            raise LocalProtocolError(f"{type(self._pending).__name__} has not been answered")
        event = self._read()
        if event is not NEED_DATA and type(event) is not Content:
            self._pending = event
        return event

    def send(self, reply: Reply) -> bytes:
        """The bytes of the reply to the greeting or to the last event; moves the conversation on.

        Raises:
            LocalProtocolError: nothing awaits a reply.
        """
        event, self._pending = self._pending, None
        if event is None:
            if self.state is not State.GREETING:
                raise LocalProtocolError("nothing awaits a reply")
            self.state = State.START if reply.is_positive else State.CLOSED
        elif isinstance(event, Refused):
            self._exchange = None
            if self.state is State.AUTH:
                self.state = State.READY
        else:
            self._advance(event, reply)
        if reply.code == 421:  # RFC 5321 §3.8: the channel closes
            self.state = State.CLOSED
        return reply.render()

    def tls_started(self) -> None:
        """The handshake after STARTTLS is done: forget everything heard before it (RFC 3207 §4.2).

        Raises:
            LocalProtocolError: no 220 was sent for a STARTTLS.
        """
        if self.state is not State.TLS:
            raise LocalProtocolError("STARTTLS was not agreed")
        self.state = State.START
        self.tls = True
        self._offer = Offer(self._hostname, False, self._offer.max_size, self._auth)

    def hello_reply(self, hello: Hello) -> Reply:
        """The positive answer to EHLO or HELO: for EHLO, what this server offers at this moment."""
        greeting = f"{self._hostname} greets {hello.name}"
        if not hello.extended:
            return Reply(250, "", greeting)
        lines = [greeting, "PIPELINING", f"SIZE {self._offer.max_size}", "8BITMIME", "SMTPUTF8"]
        lines += ["ENHANCEDSTATUSCODES", "CHUNKING"]
        if self._starttls and not self.tls:
            lines.append("STARTTLS")
        if self._auth and self.tls:
            lines.append("AUTH " + " ".join(self.mechanisms))
        return Reply(250, "", "\n".join(lines))

    @property
    def is_idle(self) -> bool:
        """True between transactions, when a farewell loses nothing."""
        return self.state in {State.GREETING, State.START, State.READY, State.CLOSED}

    # From bytes to events

    def _read(self) -> Event | NeedData:
        if self._queued is not None:
            event, self._queued = self._queued, None
            return event
        if self.state is State.CONTENT:
            return self._read_content()
        if self._chunk is not None:
            return self._read_chunk(self._chunk)
        if self.state in {State.GREETING, State.TLS, State.CLOSED}:
            return NEED_DATA
        taken = take_line(self._buffer, self._start)
        if taken is None:
            return NEED_DATA
        line, self._start = taken
        return self._read_answer(line) if self.state is State.AUTH else self._read_command(line)

    def _read_command(self, line: bytes) -> Event | NeedData:
        limit = MAX_AUTH_LINE if line[:5].upper() == b"AUTH " else MAX_COMMAND
        if len(line) + 2 > limit:
            return Refused(replies.LINE_TOO_LONG)
        command = parse_command(line, self._offer)
        if isinstance(command, Refused):
            return command
        refusal = self._out_of_place(command)
        if isinstance(command, Chunk):
            return self._begin_chunk(command, refusal)
        if refusal is not None:
            return Refused(refusal)
        if isinstance(command, AuthStart):
            self._exchange = sasl.begin(command.mechanism)
            self.state = State.AUTH
            return self._exchange.begin(command.initial)
        if isinstance(command, StartTls) and self._start < len(self._buffer):
            # Bytes sent along in the clear would be taken for encrypted ones (CVE-2011-0411, CVE-2021-33515).
            raise fatal("bytes behind STARTTLS", replies.FATAL_BEHIND_TLS)
        return command

    def _read_answer(self, line: bytes) -> Event:
        if self._exchange is None:
            raise LocalProtocolError("no AUTH is under way")
        if len(line) + 2 > MAX_AUTH_LINE:
            return Refused(replies.LINE_TOO_LONG)
        return self._exchange.answer(line.decode("latin-1"))

    def _out_of_place(self, command: Command) -> Reply | None:
        """The refusal of a command that may not come now, None for one that may."""
        kind = type(command)
        if kind is StartTls and (self.tls or not self._starttls):
            return replies.TLS_ACTIVE if self.tls else replies.TLS_UNAVAILABLE
        if isinstance(command, AuthStart):
            refusal = self._auth_refusal(command)
        elif kind is Mail and self._auth and not self.authenticated and self.state is State.READY:
            refusal = replies.AUTH_FIRST if self.tls else replies.TLS_FIRST
        else:
            refusal = None
        if refusal is None and (self.state, kind) not in NEXT:
            refusal = self._sequence_refusal(kind)
        return refusal

    def _auth_refusal(self, command: AuthStart) -> Reply | None:
        if not self._auth:
            return replies.NOT_IMPLEMENTED
        if not self.tls:
            return replies.AUTH_NEEDS_TLS
        if self.authenticated:
            return replies.AUTH_DONE
        return None if command.mechanism in self.mechanisms else replies.AUTH_MECHANISM

    def _sequence_refusal(self, kind: type) -> Reply:
        if self.state is State.START:
            return replies.HELLO_FIRST
        if kind is Mail:
            return replies.NESTED_MAIL
        if kind is Rcpt and self.state is State.READY:
            return replies.MAIL_FIRST
        if kind in {Data, Chunk} and self.state is State.SENDER and self._attempted:
            return replies.NO_RECIPIENTS  # RFC 2920 §3.1: the client pipelined on, though nobody was accepted
        return replies.BAD_SEQUENCE

    # Content

    def _read_content(self) -> Event | NeedData:
        while self._start < len(self._buffer):
            data = self._buffer[self._start :] if self._start else self._buffer
            piece, rest = self._dots.feed(data)
            self._buffer, self._start = rest or b"", 0
            self._rules.watch(piece)
            if rest is not None:
                self._queued = EndOfContent(self._rules.size, self._rules.end())
            if piece and self._rules.fault is None:
                return Content(piece)
            if self._queued is not None:
                event, self._queued = self._queued, None
                return event
        return NEED_DATA

    def _begin_chunk(self, chunk: Chunk, refusal: Reply | None) -> Event | NeedData:
        """The octets follow at once, wanted or not: they are read even when the command is refused (RFC 3030 §2)."""
        if chunk.size > 2 * self._offer.max_size + (1 << 20):
            raise fatal("BDAT of absurd size", replies.FATAL_ENDLESS)
        self._chunk, self._left, self._skip_reply = chunk, chunk.size, refusal
        if refusal is None:
            if self.state is State.RECIPIENTS:
                self._rules = ContentRules(self._offer.max_size, self._max_line)
            self.state = NEXT[self.state, Chunk]
        return self._read_chunk(chunk)

    def _read_chunk(self, chunk: Chunk) -> Event | NeedData:
        if self._left:
            piece = self._buffer[self._start : self._start + self._left]
            self._start += len(piece)
            self._left -= len(piece)
            if self._skip_reply is None:
                self._rules.watch(piece)
                if piece and self._rules.fault is None:
                    return Content(piece)
            if self._left:
                return NEED_DATA
        self._chunk = None
        if self._skip_reply is not None:
            return Refused(self._skip_reply)
        if chunk.last:
            return EndOfContent(self._rules.size, self._rules.end())
        return EndOfChunk(chunk.size, self._rules.fault)

    # The step that a reply makes

    def _advance(self, event: Event, reply: Reply) -> None:
        kind = type(event)
        if kind is Rcpt:
            self._attempted = True
        if kind is SaslResponse and reply.code == 334:  # the exchange goes on
            return
        if kind in {Credentials, SaslResponse}:
            self._exchange = None
            self.authenticated = reply.is_positive
            self.state = State.READY
        elif reply.is_positive or kind in _ENDS_ANYHOW:
            self.state = NEXT[self.state, kind]
            self._enter(event)

    def _enter(self, event: Event) -> None:
        """What changes beside the state."""
        kind = type(event)
        if isinstance(event, Hello):
            self._offer = Offer(self._hostname, event.extended, self._offer.max_size, self._auth)
        if kind is Data:
            self._dots = DotReader()
            self._rules = ContentRules(self._offer.max_size, self._max_line)
        if self.state in {State.READY, State.SENDER} and kind not in _KEEPS_TRANSACTION:
            self._attempted = False
