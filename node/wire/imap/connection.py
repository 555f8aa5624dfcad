"""The server's side of an IMAP connection without any I/O: `receive(bytes)`, then `next_event()` until NEED_DATA.

Whatever the peer sends, and however it is cut, the engine gives events or raises RemoteProtocolError. It buffers at
most one command (`Limits.command`) and one read; an APPEND's message passes by in pieces and is never kept here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from node.base.errors import LocalProtocolError, RemoteProtocolError
from node.wire.imap.append import AppendStart, is_message_next
from node.wire.imap.commands import NEXT, State, Step, read_append, read_command
from node.wire.imap.events import (
    NEED_DATA,
    AppendEnd,
    AuthResponse,
    Done,
    Event,
    LiteralBytes,
    LiteralWanted,
    Malformed,
    NeedData,
    Request,
)
from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.login import read_base64


@dataclass(frozen=True, slots=True)
class Limits:
    """What a peer may make the engine do.

    Attributes:
        command: octets of one command with its literals, APPEND's message excepted (RFC 2683 §3.2.1.5 asks for 8,000).
        skip: octets of a refused command that are read and thrown away before the connection is given up.
    """

    command: int = 64 * 1024
    skip: int = 128 * 1024 * 1024


class _Mode(Enum):
    LINE = auto()  # a command's next line
    LITERAL = auto()  # octets of a literal that is kept
    OFFER = auto()  # AppendStart was given; the session decides
    MESSAGE = auto()  # octets of APPEND's message
    TAIL = auto()  # the line end behind the message
    SKIP_LINE = auto()  # a refused command's line
    SKIP_LITERAL = auto()  # a refused command's literal
    IDLE = auto()
    AUTH = auto()


_LITERAL_END = re.compile(rb"\{(\d{1,19})(\+?)\}\r\n\Z")
_APPEND = re.compile(rb"([^\x00-\x20]+) APPEND(?= )", re.IGNORECASE)
_FIRST_WORD = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\+]{1,100}(?= )")
_KEPT = 32  # octets of a line thrown away that still tell whether a literal follows


class ServerConnection:
    """One peer's commands in, typed events out.

    Args:
        limits: see Limits.
        state: where the connection starts; tests start further on.
    """

    def __init__(self, limits: Limits | None = None, state: State = State.NOT_AUTHENTICATED) -> None:
        self.limits = limits or Limits()
        self.state = state
        self._mode = _Mode.LINE
        self._buffer = bytearray()
        self._searched = 0  # no LF before this
        self._command = bytearray()
        self._tag = b""
        self._left = 0  # octets of the literal under way
        self._offer: AppendStart | None = None
        self._skipped = 0
        self._refusal = Malformed(None, "")

    @property
    def midway(self) -> bool:
        """True when a command has begun, with a literal or message under way, and its end is yet to come."""
        return bool(self._command) or self._mode in (_Mode.MESSAGE, _Mode.TAIL)

    def receive(self, data: bytes) -> None:
        """Take what the peer sent."""
        self._buffer += data

    def next_event(self) -> Event | NeedData:
        """The next event, or NEED_DATA.

        Raises:
            RemoteProtocolError: the connection cannot go on; its `reply` is the last word.
            LocalProtocolError: an APPEND was offered and the session has not decided.
        """
        while True:
            event = _READ[self._mode](self)
            if event is not None:
                return event

    def advance(self, step: Step) -> None:
        """Record that the session has moved on (login, select, ...)."""
        try:
            self.state = NEXT[self.state, step]
        except KeyError:
            raise LocalProtocolError(f"{step} in {self.state}") from None

    def start_tls(self) -> None:
        """Make sure that nothing was sent behind STARTTLS, then go on with a clean slate.

        Raises:
            RemoteProtocolError: plaintext octets are waiting; carried into TLS they would pass for the
                client's own (CVE-2011-0411).
        """
        if self._buffer:
            raise RemoteProtocolError("bytes behind STARTTLS", b"* BYE Nothing may follow STARTTLS\r\n")

    def await_done(self) -> None:
        """IDLE was accepted: the next line is DONE."""
        self._mode = _Mode.IDLE

    def await_auth(self) -> None:
        """A challenge was sent: the next line is its answer."""
        self._mode = _Mode.AUTH

    def accept_literal(self) -> None:
        """Take the message that AppendStart offered; send "+" when it `waits`."""
        offer = self._offered()
        self._left = offer.size
        self._mode = _Mode.MESSAGE

    def refuse_literal(self) -> None:
        """Do not take it. What the client sends all the same is thrown away, up to `Limits.skip`."""
        offer = self._offered()
        self._refusal = Malformed(None, "")  # the session has answered
        self._skip_literal(offer.size, waits=offer.waits)

    def _offered(self) -> AppendStart:
        if self._offer is None or self._mode is not _Mode.OFFER:
            raise LocalProtocolError("no message was offered")
        offer, self._offer = self._offer, None
        return offer

    # Lines

    def _take_line(self) -> bytes | None:
        """The next line with its CRLF, or None. A bare LF ends nothing (RFC 3501 §2.2)."""
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            return None
        if not end or self._buffer[end - 1] != 0x0D:
            raise RemoteProtocolError("bare LF", b"* BYE Lines end in CRLF\r\n")
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def _take(self, count: int) -> bytes:
        piece = bytes(self._buffer[:count])
        del self._buffer[: len(piece)]
        self._searched = 0
        return piece

    def _read_line(self) -> Event | NeedData | None:
        room = self.limits.command - len(self._command)
        line = self._take_line()
        if line is None:
            if len(self._buffer) <= room:
                return NEED_DATA
            self._refuse("command is too long", self._buffer)
            return None
        self._command += line
        if len(line) > room:
            self._refuse("command is too long", line)
            self._count_skipped(len(line))
            return self._after_skipped(line)
        literal = _LITERAL_END.search(line)
        return self._end_command() if literal is None else self._open_literal(int(literal[1]), not literal[2])

    def _end_command(self) -> Event:
        cursor = Cursor(bytes(self._command[:-2]))
        self._command.clear()
        tag = None
        try:
            tag = cursor.tag()
            cursor.space()
            return Request(tag, read_command(cursor, self.state))
        except ParseError as error:
            return Malformed(tag, str(error), error.code, error.kind)

    # Literals

    def _open_literal(self, size: int, waits: bool) -> Event | NeedData | None:
        append = _APPEND.match(self._command)
        if append and is_message_next(Cursor(bytes(self._command), append.end())):
            return self._open_message(append)
        if size > self.limits.command - len(self._command):
            self._refuse("literal is too long", self._command)
            return self._skip_literal(size, waits=waits)
        self._left = size
        self._mode = _Mode.LITERAL
        return LiteralWanted(size) if waits else None

    def _open_message(self, match: re.Match[bytes]) -> Event | NeedData | None:
        cursor = Cursor(bytes(self._command))
        tag = None
        try:
            tag = cursor.tag()
            cursor.position = match.end()
            self._offer = read_append(tag, cursor, self.state)
        except ParseError as error:
            self._refusal = Malformed(tag, str(error), error.code, error.kind)
            literal = _LITERAL_END.search(self._command)
            assert literal is not None
            return self._skip_literal(int(literal[1]), waits=not literal[2])
        self._command.clear()
        self._tag = tag
        self._mode = _Mode.OFFER
        return self._offer

    def _read_literal(self) -> Event | NeedData | None:
        piece = self._take(self._left)
        self._command += piece
        self._left -= len(piece)
        if self._left:
            return NEED_DATA
        self._mode = _Mode.LINE
        return None

    def _read_offer(self) -> Event | NeedData | None:
        raise LocalProtocolError("an APPEND waits for accept_literal or refuse_literal")

    def _read_message(self) -> Event | NeedData | None:
        if not self._left:
            self._mode = _Mode.TAIL
            return None
        piece = self._take(self._left)
        self._left -= len(piece)
        return LiteralBytes(piece) if piece else NEED_DATA

    def _read_tail(self) -> Event | NeedData | None:
        if len(self._buffer) < 2:
            return NEED_DATA
        if self._buffer.startswith(b"\r\n"):
            self._take(2)
            self._mode = _Mode.LINE
            return AppendEnd(self._tag)
        self._refusal = Malformed(self._tag, "the message ends before the command does")
        self._mode = _Mode.SKIP_LINE
        return None

    # Refused commands are read to their end: what follows must not be taken for commands.

    def _refuse(self, reason: str, begin: bytes | bytearray) -> None:
        """Note why the command is refused, and throw the rest of its line away."""
        head = self._command or begin
        match = _FIRST_WORD.match(head)
        self._refusal = Malformed(match[0] if match else None, reason)
        self._mode = _Mode.SKIP_LINE

    def _read_skipped_line(self) -> Event | NeedData | None:
        line = self._take_line()
        if line is None:
            self._count_skipped(len(self._buffer) - _KEPT)
            # What is kept is enough to see a literal announced, and a CR before the LF.
            if len(self._buffer) > _KEPT:
                self._take(len(self._buffer) - _KEPT)
                self._searched = len(self._buffer)
            return NEED_DATA
        self._count_skipped(len(line))
        return self._after_skipped(line)

    def _after_skipped(self, line: bytes) -> Event | NeedData | None:
        literal = _LITERAL_END.search(line)
        if literal is None:
            return self._refused()
        return self._skip_literal(int(literal[1]), waits=not literal[2])

    def _skip_literal(self, size: int, *, waits: bool) -> Event | NeedData | None:
        if waits:  # we never asked for it, so it does not come
            return self._refused()
        self._count_skipped(size)
        self._left = size
        self._mode = _Mode.SKIP_LITERAL
        return None

    def _read_skipped_literal(self) -> Event | NeedData | None:
        piece = self._take(self._left)
        self._left -= len(piece)
        if self._left:
            return NEED_DATA
        self._mode = _Mode.SKIP_LINE
        return None

    def _refused(self) -> Event | NeedData | None:
        self._mode = _Mode.LINE
        self._command.clear()
        self._skipped = 0
        return self._refusal if self._refusal.reason else None

    def _count_skipped(self, count: int) -> None:
        self._skipped += max(count, 0)
        if self._skipped > self.limits.skip:
            raise RemoteProtocolError("command is too long to be skipped", b"* BYE [TOOBIG] Command is too long\r\n")

    # Lines that are no commands

    def _read_done(self) -> Event | NeedData | None:
        line = self._plain_line()
        if line is None:
            return NEED_DATA
        self._mode = _Mode.LINE
        return Done() if line.upper() == b"DONE" else Malformed(None, "expected DONE")

    def _read_auth(self) -> Event | NeedData | None:
        line = self._plain_line()
        if line is None:
            return NEED_DATA
        self._mode = _Mode.LINE
        if line == b"*":
            return AuthResponse(None)
        try:
            return AuthResponse(read_base64(line))
        except ParseError as error:
            return Malformed(None, str(error))

    def _plain_line(self) -> bytes | None:
        line = self._take_line()
        if len(self._buffer if line is None else line) > self.limits.command:
            raise RemoteProtocolError("line is too long", b"* BYE Line is too long\r\n")
        return None if line is None else line[:-2]


_READ = {
    _Mode.LINE: ServerConnection._read_line,
    _Mode.LITERAL: ServerConnection._read_literal,
    _Mode.OFFER: ServerConnection._read_offer,
    _Mode.MESSAGE: ServerConnection._read_message,
    _Mode.TAIL: ServerConnection._read_tail,
    _Mode.SKIP_LINE: ServerConnection._read_skipped_line,
    _Mode.SKIP_LITERAL: ServerConnection._read_skipped_literal,
    _Mode.IDLE: ServerConnection._read_done,
    _Mode.AUTH: ServerConnection._read_auth,
}
