"""The small pieces IMAP commands are made of: a cursor over one whole command, literals included (RFC 3501 §9)."""

from __future__ import annotations

import re
from typing import Final

# RFC 3501 §9: atom-specials are ( ) { SP CTL list-wildcards quoted-specials resp-specials; 8-bit is never an atom.
_ATOM: Final = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_ASTRING: Final = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+')
_LIST_MAILBOX: Final = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\\]+')
_TAG: Final = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]+')
_QUOTED: Final = re.compile(rb'"([^\x00\r\n"\\]*(?:\\["\\][^\x00\r\n"\\]*)*)"')
_ESCAPED: Final = re.compile(rb'\\(["\\])')
_LITERAL: Final = re.compile(rb"\{(\d{1,19})\+?\}\r\n")
_NUMBER: Final = re.compile(rb"\d{1,10}(?!\d)")

MAX_NUMBER: Final = 2**32 - 1  # RFC 3501 §9 number: 0 <= n < 4,294,967,296


class ParseError(ValueError):
    """The command is no IMAP; the text says where, in words fit for the response.

    Attributes:
        code: a response code to go with it, without brackets, or empty.
        kind: the response, BAD or NO.
    """

    def __init__(self, reason: str, code: bytes = b"", kind: bytes = b"BAD") -> None:
        super().__init__(reason)
        self.code = code
        self.kind = kind


class Cursor:
    """Reads one command from left to right. Every method either consumes what it names or raises ParseError.

    Args:
        data: the command without its last CRLF; a literal stands as `{n}` CRLF and its n octets.
    """

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def at_end(self) -> bool:
        """True when nothing is left."""
        return self.position >= len(self.data)

    def peek(self) -> bytes:
        """The next octet, or b"" at the end."""
        return self.data[self.position : self.position + 1]

    def skip(self, token: bytes) -> bool:
        """Consume `token` when it comes next, without regard to case; tell whether it did."""
        end = self.position + len(token)
        if self.data[self.position : end].upper() == token:
            self.position = end
            return True
        return False

    def expect(self, token: bytes) -> None:
        """Consume `token`, which must come next."""
        if not self.skip(token):
            raise ParseError(f"expected {token.decode()!r} at octet {self.position}")

    def space(self) -> None:
        """Consume exactly one space."""
        self.expect(b" ")

    def end(self) -> None:
        """Insist that the command ends here."""
        if not self.at_end():
            raise ParseError(f"unexpected text at octet {self.position}")

    def tag(self) -> bytes:
        """A command's tag (RFC 3501 §2.2.1)."""
        return self._take(_TAG, "a tag")

    def atom(self) -> bytes:
        """An atom."""
        return self._take(_ATOM, "an atom")

    def number(self) -> int:
        """A number below 2**32."""
        value = int(self._take(_NUMBER, "a number"))
        if value > MAX_NUMBER:
            raise ParseError("number is too big")
        return value

    def astring(self) -> bytes:
        """An atom (which may hold "]") or a string."""
        return self.string() if self.peek() in (b'"', b"{") else self._take(_ASTRING, "an astring")

    def list_mailbox(self) -> bytes:
        """A mailbox pattern with "%" and "*" (RFC 3501 §6.3.8)."""
        return self.string() if self.peek() in (b'"', b"{") else self._take(_LIST_MAILBOX, "a mailbox pattern")

    def string(self) -> bytes:
        """A quoted string or a literal. Eight-bit octets in quotes are taken as they are (RFC 6855 §3)."""
        if self.peek() == b"{":
            return self._literal()
        match = _QUOTED.match(self.data, self.position)
        if not match:
            raise ParseError(f"expected a string at octet {self.position}")
        self.position = match.end()
        return _ESCAPED.sub(rb"\1", match[1]) if b"\\" in match[1] else match[1]

    def nstring(self) -> bytes | None:
        """A string, or None for NIL."""
        return None if self.skip(b"NIL") else self.string()

    def nstring8(self) -> bytes | None:
        """Likewise, or a literal8, `~{n}`, which may hold NUL (RFC 3516 §4.4)."""
        return self._literal(nul=True) if self.skip(b"~") else self.nstring()

    def match(self, pattern: re.Pattern[bytes], name: str) -> re.Match[bytes]:
        """Consume what a command's own pattern matches here; `name` is said when it does not."""
        match = pattern.match(self.data, self.position)
        if not match:
            raise ParseError(f"expected {name} at octet {self.position}")
        self.position = match.end()
        return match

    def _literal(self, *, nul: bool = False) -> bytes:
        start = self.match(_LITERAL, "a literal")
        end = start.end() + int(start[1])
        if end > len(self.data):
            raise ParseError("literal is cut short")
        self.position = end
        value = self.data[start.end() : end]
        if not nul and b"\0" in value:  # RFC 3501 §9 CHAR8 leaves NUL out
            raise ParseError("NUL in a literal")
        return value

    def _take(self, pattern: re.Pattern[bytes], name: str) -> bytes:
        return self.match(pattern, name)[0]
