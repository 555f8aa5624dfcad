"""Where a line, and where a message, ends: the part of SMTP that attackers read first.

Only CR LF ends a line and only CR LF . CR LF ends a message. A server that also takes `LF . LF`, `LF . CR LF` or
`CR . CR` lets one message smuggle in a second one with a forged envelope (SMTP smuggling, CVE-2023-51764, -51765,
-51766). Here a bare CR or LF ends nothing, and a message that has one is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

from node.base.errors import RemoteProtocolError
from node.base.reply import Reply
from node.wire.smtp import replies

MAX_COMMAND = 2048  # octets with CRLF: 512 and what the parameters of our extensions may add (RFC 5321 §4.5.3.1.4)
MAX_AUTH_LINE = 12288  # RFC 4954 §4.3
HARD_LINE = 16384  # beyond this, the peer speaks no line protocol

_END = b"\r\n.\r\n"


def fatal(message: str, reply: Reply) -> RemoteProtocolError:
    """A breach after which nothing the peer sends can be trusted: say `reply` and close."""
    return RemoteProtocolError(message, reply.render())


def take_line(buffer: bytes, start: int) -> tuple[bytes, int] | None:
    """The line that begins at `start`, without CRLF, and where the next one begins; None while it is incomplete.

    Raises:
        RemoteProtocolError: a bare CR or LF, or no end within `HARD_LINE` octets.
    """
    end = buffer.find(b"\n", start)
    if (end if end >= 0 else len(buffer)) - start >= HARD_LINE:
        raise fatal("line without an end", replies.FATAL_LINE)
    if end < 0:
        return None
    line = buffer[start:end]
    if line[-1:] != b"\r":
        raise fatal("bare LF in a command", replies.FATAL_BARE)
    line = line[:-1]
    if b"\r" in line:
        raise fatal("bare CR in a command", replies.FATAL_BARE)
    return line, end + 1


class DotReader:
    """Finds the end of a message sent with DATA and takes the stuffed dots out (RFC 5321 §4.5.2)."""

    __slots__ = ("_held", "_virtual")

    def __init__(self) -> None:
        # The DATA line's own CRLF begins the first line: it is put before the content and left out of the output.
        self._held = b"\r\n"
        self._virtual = 2

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Take more bytes: (content, None) while the message goes on, (content, what follows it) at its end.

        Up to four octets that may begin the end mark are held back until the next call.
        """
        data = self._held + data if self._held else data
        rest: bytes | None = None
        dotted = b"\r\n." in data
        if dotted:
            end = data.find(_END)
            if end >= 0:
                data, rest = data[: end + 2], data[end + 5 :]
        if rest is None:
            keep = _beginning_of_end(data)
            self._held = data[len(data) - keep :] if keep else b""
            data = data[: len(data) - keep] if keep else data
        if dotted:
            data = data.replace(b"\r\n.", b"\r\n")
        if self._virtual and data:
            data, self._virtual = data[2:], 0
        return data, rest


def _beginning_of_end(data: bytes) -> int:
    """How many last octets of `data` may be the first ones of CR LF . CR LF."""
    last = data[-1:]
    if last == b"\r":
        return 4 if data.endswith(b"\r\n.\r") else 1
    if last == b"\n":
        return 2 if data.endswith(b"\r\n") else 0
    return 3 if last == b"." and data.endswith(b"\r\n.") else 0


@dataclass(slots=True)
class ContentRules:
    """Watches content go by: size, line ends, line lengths. Works on whole pieces, never octet by octet.

    A breach does not end the content: it is read to its end and then refused, so that the rest of a message is never
    taken for commands.

    Attributes:
        max_size, max_line: in octets; a line counts without its CRLF.
    """

    max_size: int
    max_line: int
    size: int = 0
    _cr: int = 0
    _lf: int = 0
    _crlf: int = 0
    _after_cr: bool = False
    _column: int = 0
    _bare: bool = False
    _long: bool = False

    def watch(self, piece: bytes) -> None:
        """Take note of a piece.

        Raises:
            RemoteProtocolError: the content goes on long after it has become too big.
        """
        self.size += len(piece)
        if self.size > 2 * self.max_size + (1 << 20):
            raise fatal("content without an end", replies.FATAL_ENDLESS)
        if not piece:
            return
        cr, lf, crlf = piece.count(b"\r"), piece.count(b"\n"), piece.count(b"\r\n")
        if self._after_cr and piece[:1] == b"\n":
            crlf += 1
        self._cr += cr
        self._lf += lf
        self._crlf += crlf
        self._after_cr = piece[-1:] == b"\r"
        if self._lf != self._crlf or self._cr - self._after_cr != self._crlf:
            self._bare = True
        self._measure(piece, lf)

    def _measure(self, piece: bytes, newlines: int) -> None:
        longest = 0
        if newlines:
            longest = self._column + piece.find(b"\n") - 1
            if len(piece) > self.max_line:
                longest = max(longest, *map(len, piece.split(b"\r\n")[1:-1]), 0)
            self._column = len(piece) - 1 - piece.rfind(b"\n")
        else:
            self._column += len(piece)
        # A CR at the very end is most likely half of the line's end.
        if max(longest, self._column - self._after_cr) > self.max_line:
            self._long = True

    @property
    def fault(self) -> Reply | None:
        """What is wrong with the content so far; the graver breach wins, so that the cutting of bytes cannot matter."""
        if self._bare:
            return replies.BARE_IN_CONTENT
        if self.size > self.max_size:
            return replies.TOO_BIG
        return replies.TEXT_LINE_TOO_LONG if self._long else None

    def end(self) -> Reply | None:
        """The verdict once everything has come: a CR that nothing followed was bare after all."""
        self._bare = self._bare or self._after_cr
        return self.fault
