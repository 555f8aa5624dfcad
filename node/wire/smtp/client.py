"""The client's side of an SMTP conversation: commands to bytes, replies to values. No socket, no clock.

    engine = ClientConnection()
    engine.receive(data)
    engine.next_answer()                       # the greeting: Answer(Verb.GREETING, Reply(220, ...))
    out = engine.hello("mail.example.org")
    out = engine.mail(sender) + engine.rcpt(ann) + engine.rcpt(bob) + engine.data()      # when it offers PIPELINING
    out = engine.content(piece) + engine.end()

Strict in what it sends: a message with a bare CR or LF is never passed on, since the next server may take it for an
end (SMTP smuggling). `to_crlf` mends a file with Unix line ends.
"""

from __future__ import annotations

import base64
import enum
import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from node.base.address import Address
from node.base.errors import LocalProtocolError, RemoteProtocolError
from node.base.reply import Reply
from node.wire.smtp.events import NEED_DATA, NeedData
from node.wire.smtp.framing import ContentRules, take_line

MAX_REPLY_LINES = 200
MAX_REPLY_LINE = 4096  # RFC 5321 §4.5.3.1.5 says 512; EHLO lines and long URLs in refusals exceed it in the wild

_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?\Z", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |\Z)")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]")


class Verb(enum.Enum):
    """What a reply answers."""

    GREETING = enum.auto()
    HELLO = enum.auto()
    STARTTLS = enum.auto()
    AUTH = enum.auto()
    MAIL = enum.auto()
    RCPT = enum.auto()
    DATA = enum.auto()
    CONTENT = enum.auto()
    RESET = enum.auto()
    NOOP = enum.auto()
    QUIT = enum.auto()
    NOTHING = enum.auto()  # a 421 that came of itself


class Phase(enum.Enum):
    """Where the conversation stands, counting what has been sent, answered or not."""

    CONNECTED = enum.auto()
    READY = enum.auto()
    TLS = enum.auto()
    ENVELOPE = enum.auto()
    GO_AHEAD = enum.auto()  # DATA is sent, 354 awaited
    CONTENT = enum.auto()
    CLOSED = enum.auto()


NEXT: Final[dict[tuple[Phase, Verb], Phase]] = {
    (Phase.CONNECTED, Verb.HELLO): Phase.READY,
    (Phase.READY, Verb.HELLO): Phase.READY,
    (Phase.READY, Verb.STARTTLS): Phase.TLS,
    (Phase.READY, Verb.AUTH): Phase.READY,
    (Phase.READY, Verb.MAIL): Phase.ENVELOPE,
    (Phase.ENVELOPE, Verb.RCPT): Phase.ENVELOPE,
    (Phase.ENVELOPE, Verb.DATA): Phase.GO_AHEAD,
    (Phase.CONTENT, Verb.CONTENT): Phase.READY,
    **{(phase, Verb.RESET): Phase.READY for phase in (Phase.READY, Phase.ENVELOPE)},
    **{(phase, Verb.NOOP): phase for phase in (Phase.READY, Phase.ENVELOPE)},
    **{(phase, Verb.QUIT): Phase.CLOSED for phase in (Phase.CONNECTED, Phase.READY, Phase.ENVELOPE)},
}
"""Every legal step of ours. A reply makes only two: 354 opens the content, another answer to DATA ends the envelope."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One reply and the command it belongs to."""

    verb: Verb
    reply: Reply


def to_crlf(content: bytes) -> bytes:
    """The same text with every line end, Unix or old Mac, as CR LF."""
    if content.count(b"\r\n") == content.count(b"\n") == content.count(b"\r"):
        return content
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


class ClientConnection:
    """One conversation with a server.

    Attributes:
        extensions: what the last EHLO was told, keyword in upper case to its arguments.
    """

    def __init__(self) -> None:
        self.extensions: Mapping[str, str] = {}
        self.phase = Phase.CONNECTED
        self._awaited: deque[Verb] = deque([Verb.GREETING])
        self._buffer = b""
        self._lines: list[str] = []
        self._code = 0
        self._rules = _any_size()
        self._tail = b"\r\n"

    @property
    def can_pipeline(self) -> bool:
        """True when commands may be sent without awaiting each answer (RFC 2920)."""
        return "PIPELINING" in self.extensions

    @property
    def awaited(self) -> int:
        """How many answers are still to come."""
        return len(self._awaited)

    # What we say

    def hello(self, name: str, *, extended: bool = True) -> bytes:
        """EHLO, or HELO for a server that knows only that."""
        self.extensions = {}
        return self._say(Verb.HELLO, f"{'EHLO' if extended else 'HELO'} {name}")

    def start_tls(self) -> bytes:
        """STARTTLS; after a 220 shake hands, then call `tls_started`."""
        return self._say(Verb.STARTTLS, "STARTTLS")

    def tls_started(self) -> None:
        """The handshake is done: forget what was learnt before it (RFC 3207 §4.2) and say EHLO again."""
        if self.phase is not Phase.TLS:
            raise LocalProtocolError("STARTTLS was not agreed")
        self.phase = Phase.CONNECTED
        self.extensions = {}

    def auth_plain(self, username: str, password: str) -> bytes:
        """AUTH PLAIN with its initial response (RFC 4616). The bytes hold the password: keep them out of logs."""
        if "\0" in username + password:
            raise LocalProtocolError("a user name or password cannot hold NUL")
        secret = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
        return self._say(Verb.AUTH, f"AUTH PLAIN {secret}")

    def mail(
        self, sender: Address | None, *, size: int | None = None, body: str | None = None, smtputf8: bool = False
    ) -> bytes:
        """MAIL FROM; None is the null reverse-path. Parameters go out only where the server knows them.

        Raises:
            LocalProtocolError: SMTPUTF8 is needed and the server does not offer it (RFC 6531 §3.5: do not send).
        """
        needs_utf8 = smtputf8 or (sender is not None and not sender.is_ascii)
        if needs_utf8 and "SMTPUTF8" not in self.extensions:
            raise LocalProtocolError("the server does not offer SMTPUTF8")
        line = f"MAIL FROM:<{sender or ''}>"
        if size is not None and "SIZE" in self.extensions:
            line += f" SIZE={size}"
        if body is not None and "8BITMIME" in self.extensions:
            line += f" BODY={body}"
        return self._say(Verb.MAIL, line + (" SMTPUTF8" if needs_utf8 else ""))

    def rcpt(self, recipient: Address) -> bytes:
        """RCPT TO."""
        return self._say(Verb.RCPT, f"RCPT TO:<{recipient}>")

    def data(self) -> bytes:
        """DATA; content may follow only after the 354."""
        self._rules, self._tail = _any_size(), b"\r\n"
        return self._say(Verb.DATA, "DATA")

    def content(self, piece: bytes) -> bytes:
        """A piece of the message with its dots stuffed (RFC 5321 §4.5.2).

        Raises:
            LocalProtocolError: no 354 has come, or the piece has a bare CR or LF.
        """
        if self.phase is not Phase.CONTENT:
            raise LocalProtocolError("content before the server's 354")
        self._rules.watch(piece)
        if self._rules.fault is not None:
            raise LocalProtocolError("the message has a bare CR or LF; use to_crlf")
        joined = self._tail + piece
        stuffed = joined.replace(b"\r\n.", b"\r\n..")[len(self._tail) :]
        self._tail = joined[-2:]
        return stuffed

    def end(self) -> bytes:
        """The end of the message; a last line without its end gets one."""
        if self._rules.end() is not None:
            raise LocalProtocolError("the message ends with a bare CR")
        self._step(Verb.CONTENT)
        return b".\r\n" if self._tail == b"\r\n" else b"\r\n.\r\n"

    def reset(self) -> bytes:
        """RSET."""
        return self._say(Verb.RESET, "RSET")

    def noop(self) -> bytes:
        """NOOP."""
        return self._say(Verb.NOOP, "NOOP")

    def quit(self) -> bytes:
        """QUIT."""
        return self._say(Verb.QUIT, "QUIT")

    def _say(self, verb: Verb, line: str) -> bytes:
        if _UNSAFE.search(line):
            raise LocalProtocolError(f"{verb.name} would carry a control character: command injection")
        self._step(verb)
        return f"{line}\r\n".encode()

    def _step(self, verb: Verb) -> None:
        following = NEXT.get((self.phase, verb))
        if following is None:
            raise LocalProtocolError(f"{verb.name} is not allowed in phase {self.phase.name}")
        self.phase = following
        self._awaited.append(verb)

    # What the server says

    def receive(self, data: bytes) -> None:
        """Take bytes of the server; then call `next_answer` until it says `NEED_DATA`."""
        self._buffer += data

    def next_answer(self) -> Answer | NeedData:
        """The server's next reply, matched with the command it answers.

        Raises:
            RemoteProtocolError: what came is no reply, or one that nothing awaits.
        """
        while (taken := take_line(self._buffer, 0)) is not None:
            line, start = taken
            self._buffer = self._buffer[start:]
            reply = self._add(line)
            if reply is not None:
                return self._match(reply)
        return NEED_DATA

    def _add(self, line: bytes) -> Reply | None:
        """Take one line of a reply; the reply when it is complete (RFC 5321 §4.2.1)."""
        found = _REPLY_LINE.match(line)
        if found is None or len(line) > MAX_REPLY_LINE or len(self._lines) >= MAX_REPLY_LINES:
            raise RemoteProtocolError(f"the server's line is no reply: {line[:100]!r}")
        code = int(found[1])
        if self._lines and code != self._code:
            raise RemoteProtocolError(f"the server's reply changes its code from {self._code} to {code}")
        self._code = code
        self._lines.append((found[3] or b"").decode("utf-8", "replace"))
        if found[2] == b"-":
            return None
        lines, self._lines = self._lines, []
        return _reply(code, lines)

    def _match(self, reply: Reply) -> Answer:
        verb = self._awaited.popleft() if self._awaited else Verb.NOTHING
        if verb is Verb.NOTHING and reply.code != 421:
            raise RemoteProtocolError(f"the server answers what was not asked: {reply}")
        if reply.code == 421:
            self.phase = Phase.CLOSED
        elif verb is Verb.HELLO and reply.code == 250:
            self.extensions = _extensions(reply)
        elif verb is Verb.STARTTLS:
            self._match_start_tls(reply)
        elif verb is Verb.DATA:
            self.phase = Phase.CONTENT if reply.code == 354 else Phase.ENVELOPE
        return Answer(verb, reply)

    def _match_start_tls(self, reply: Reply) -> None:
        if reply.code != 220:
            self.phase = Phase.READY
        elif self._buffer:
            # Answers sent along in the clear would be taken for encrypted ones (NO STARTTLS, CVE-2021-38371).
            raise RemoteProtocolError("the server's bytes go on behind its answer to STARTTLS")


def _any_size() -> ContentRules:
    return ContentRules(max_size=1 << 62, max_line=1 << 62)


def _reply(code: int, lines: list[str]) -> Reply:
    """Split the enhanced code off, where every line carries the same one (RFC 2034 §4)."""
    found = _ENHANCED.match(lines[0])
    if found is None or found[1][0] != str(code)[0]:
        return Reply(code, "", "\n".join(lines))
    enhanced = found[1]
    return Reply(code, enhanced, "\n".join(line.removeprefix(enhanced).removeprefix(" ") for line in lines))


def _extensions(reply: Reply) -> dict[str, str]:
    pairs = (line.partition(" ") for line in reply.text.split("\n")[1:])
    return {keyword.upper(): arguments for keyword, _, arguments in pairs}
