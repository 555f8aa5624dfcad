"""Search in a prepared ENVELOPE without reading the message (RFC 3501 §6.4.4: FROM, TO and so on mean its fields)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from email.utils import parsedate

from node.mail.headers import decoded
from node.wire.imap.lexer import Cursor

FIELDS = {"date": 0, "subject": 1, "from": 2, "to": 5, "cc": 6, "bcc": 7, "in-reply-to": 8, "message-id": 9}
_ADDRESSES = frozenset({"from", "to", "cc", "bcc"})
_USUAL_DATE = re.compile(rb"(?:[A-Za-z]{3}, )?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) ")
MONTHS = (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV", b"DEC")
_WORDS = re.compile(r"[a-z0-9]+")

Address = tuple[bytes | None, bytes | None, bytes | None, bytes | None]


class Envelope:
    """One message's envelope, taken apart only when a quick look cannot answer."""

    __slots__ = ("_data", "_lower", "_values")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._lower: bytes | None = None
        self._values: list[bytes | list[Address] | None] | None = None

    def contains(self, name: str, needle: str) -> bool:
        """Tell whether a field (one of FIELDS) contains the text, which is casefolded."""
        if not self._may_contain(needle):
            return False
        texts = list(self._texts(name))
        return any(needle in text.casefold() for text in texts)

    def day(self) -> date | None:
        """The day in the Date field as written there, None when there is no readable one."""
        cursor = Cursor(self._data, 1)
        value = cursor.nstring()
        return None if value is None else _day(value)

    def _may_contain(self, needle: str) -> bool:
        """A look at the raw octets: false only when no field can contain the text."""
        if not needle.isascii():
            return True
        if self._lower is None:
            self._lower = self._data.lower()
        if b"=?" in self._lower or not self._lower.isascii():
            return True
        return all(word.encode() in self._lower for word in _WORDS.findall(needle))

    def _texts(self, name: str) -> Iterator[str]:
        value = self._parsed()[FIELDS[name]]
        if isinstance(value, list):
            for address in value:
                yield _address_text(address)
        elif value is not None:
            yield decoded(value)

    def _parsed(self) -> list[bytes | list[Address] | None]:
        if self._values is None:
            cursor = Cursor(self._data)
            cursor.expect(b"(")
            self._values = []
            for index in range(10):
                if index:
                    cursor.space()
                self._values.append(_read_addresses(cursor) if 2 <= index <= 7 else cursor.nstring())
        return self._values


def _day(value: bytes) -> date | None:
    usual = _USUAL_DATE.match(value)
    try:
        if usual and (month := usual[2].upper()) in MONTHS:
            return date(int(usual[3]), MONTHS.index(month) + 1, int(usual[1]))
        moment = parsedate(value.decode("latin-1"))
        return date(*moment[:3]) if moment else None
    except ValueError:
        return None


def _read_addresses(cursor: Cursor) -> list[Address] | None:
    if cursor.skip(b"NIL"):
        return None
    cursor.expect(b"(")
    found = []
    while not cursor.skip(b")"):
        cursor.expect(b"(")
        parts = []
        for index in range(4):
            if index:
                cursor.space()
            parts.append(cursor.nstring())
        cursor.expect(b")")
        found.append((parts[0], parts[1], parts[2], parts[3]))
    return found


def _address_text(address: Address) -> str:
    """`Ann Example <ann@example.org>`, as people search for it."""
    name, _, local, domain = address
    spec = (local or b"") + (b"@" + domain if domain else b"")
    return f"{decoded(name)} <{decoded(spec)}>" if name else decoded(spec)
