"""SpamAssassin's protocol, the client's side (SPAMC/1.5: spamd/PROTOCOL in its sources). Bytes in, an answer out.

    engine = SpamcConnection(Command.SYMBOLS)
    out = engine.request(length) + message        # then read until there is an answer; b"" is the end of the stream
    engine.receive(data)
    engine.next_answer()                          # None while more is needed

Whatever spamd sends, the engine gives an answer or raises `RemoteProtocolError`, and how the bytes are cut does not
matter. An answer ends at its announced length, or with the stream where none is announced (CHECK has none).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from node.base.errors import LocalProtocolError, RemoteProtocolError

MAX_HEAD = 8 << 10  # octets of status line and fields
MAX_BODY = 64 << 10  # octets of symbols or report
MAX_SYMBOLS = 200

_STATUS = re.compile(rb"SPAMD/[0-9]{1,3}\.[0-9]{1,3} ([0-9]{1,3}) ([ -~]{1,200})\Z")
_SPAM = re.compile(
    rb"(true|false|yes|no) {0,8}; {0,8}(-?[0-9]{1,9}(?:\.[0-9]{1,9})?) {0,8}/ {0,8}(-?[0-9]{1,9}(?:\.[0-9]{1,9})?)\Z"
)
_SYMBOL = re.compile(r"[A-Za-z0-9_]{1,80}\Z")
_USER = re.compile(r"[A-Za-z0-9._@+-]{1,100}\Z")


class Command(StrEnum):
    """What can be asked."""

    CHECK = "CHECK"  # the score alone
    SYMBOLS = "SYMBOLS"  # and the names of the rules that hit
    REPORT = "REPORT"  # and a text for people
    PING = "PING"  # whether anybody is there


@dataclass(frozen=True, slots=True)
class Judgement:
    """The Spam field of an answer, in SpamAssassin's points."""

    is_spam: bool
    score: float
    required: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What spamd said.

    Attributes:
        code: 0, or one of sysexits.h (75: try again, 76: it did not understand us).
        words: "EX_OK", "PONG", or what was wrong.
        judgement: None for PING and for failures.
        body: names of rules for SYMBOLS, text for REPORT.
    """

    code: int
    words: str
    judgement: Judgement | None = None
    body: bytes = b""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Names of the rules that hit, in spamd's order (SYMBOLS)."""
        names = (name.strip() for name in self.body.decode("ascii", "replace").split(","))
        return tuple(name for name in names if _SYMBOL.match(name))[:MAX_SYMBOLS]


class SpamcConnection:
    """One question and its answer; spamd closes after it."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._buffer = bytearray()
        self._ended = False
        self._answer: Answer | None = None  # once the head is read
        self._length: int | None = None

    def request(self, length: int = 0, user: str = "") -> bytes:
        """The head of the question; `length` octets of message follow it.

        Raises:
            LocalProtocolError: the user's name could break out of its line.
        """
        lines = [f"{self._command} SPAMC/1.5"]
        if self._command is not Command.PING:
            lines.append(f"Content-length: {length}")
        if user:
            if not _USER.match(user):
                raise LocalProtocolError(f"{user!r} cannot be sent as a user's name")
            lines.append(f"User: {user}")
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()

    def receive(self, data: bytes) -> None:
        """Take what spamd sent; b"" says that it has closed."""
        self._buffer += data
        self._ended = self._ended or not data

    def next_answer(self) -> Answer | None:
        """The answer, or None while more is needed.

        Raises:
            RemoteProtocolError: this is no answer, or too long a one, or it is cut off.
        """
        if self._answer is None:
            self._answer = self._head()
        if self._answer is None:
            return None
        if self._answer.judgement is None:
            return self._answer
        return self._with_body(self._answer)

    def _head(self) -> Answer | None:
        line, found, rest = bytes(self._buffer[: MAX_HEAD + 1]).partition(b"\r\n")
        if not found:
            self._must_go_on("status line")
            return None
        status = _STATUS.match(line)
        if not status:
            raise RemoteProtocolError(f"spamd's status line makes no sense: {line[:80]!r}")
        code, words = int(status[1]), status[2].decode()
        if code or self._command is Command.PING:
            return Answer(code, words)
        head, found, _ = rest.partition(b"\r\n\r\n")
        if not found:
            self._must_go_on("head")
            return None
        del self._buffer[: len(line) + 2 + len(head) + 4]
        fields = _fields(head)
        self._length = _length(fields)
        return Answer(code, words, _judgement(fields))

    def _must_go_on(self, what: str) -> None:
        if len(self._buffer) > MAX_HEAD:
            raise RemoteProtocolError(f"spamd's {what} is too long")
        if self._ended:
            raise RemoteProtocolError(f"spamd closed within its {what}")

    def _with_body(self, answer: Answer) -> Answer | None:
        have, length = len(self._buffer), self._length
        if length is None and have > MAX_BODY:
            raise RemoteProtocolError("spamd's answer is too long")
        if not self._ended and (length is None or have < length):
            return None
        if length is not None and have < length:
            raise RemoteProtocolError("spamd closed within its answer")
        return Answer(answer.code, answer.words, answer.judgement, bytes(self._buffer[:length]))


def _fields(head: bytes) -> dict[bytes, bytes]:
    fields: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n"):
        name, colon, value = line.partition(b":")
        name = name.strip().lower()
        if not colon or name in fields:  # two different lengths or judgements: one of them lies
            raise RemoteProtocolError(f"spamd's head makes no sense: {line[:80]!r}")
        fields[name] = value.strip()
    return fields


def _length(fields: dict[bytes, bytes]) -> int | None:
    value = fields.get(b"content-length")
    if value is None:
        return None
    if not re.match(rb"[0-9]{1,9}\Z", value) or int(value) > MAX_BODY:
        raise RemoteProtocolError("spamd announces an answer of an absurd length")
    return int(value)


def _judgement(fields: dict[bytes, bytes]) -> Judgement:
    found = _SPAM.match(fields.get(b"spam", b"").lower())
    if not found:
        raise RemoteProtocolError("spamd's answer has no judgement")
    return Judgement(found[1] in {b"true", b"yes"}, float(found[2]), float(found[3]))
