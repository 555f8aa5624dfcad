"""SEARCH (RFC 3501 §6.4.4): a tree of keys, bounded in depth and number."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from node.wire.imap.dates import read_date
from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.sequence import SequenceSet, read_set

MAX_DEPTH = 50
MAX_KEYS = 1000
CHARSETS = (b"US-ASCII", b"UTF-8")


class When(StrEnum):
    """How a day compares."""

    BEFORE = "BEFORE"
    ON = "ON"
    SINCE = "SINCE"


@dataclass(frozen=True, slots=True)
class And:
    """Every key matches; no keys match every message (ALL)."""

    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Either matches."""

    left: Key
    right: Key


@dataclass(frozen=True, slots=True)
class Not:
    """The key does not match."""

    key: Key


@dataclass(frozen=True, slots=True)
class Flagged:
    """A system flag ("\\\\Seen") or keyword is set. `\\\\Recent` is asked for here too."""

    flag: str


@dataclass(frozen=True, slots=True)
class Among:
    """The message is in a set of sequence numbers, or of UIDs."""

    messages: SequenceSet
    by_uid: bool


@dataclass(frozen=True, slots=True)
class Dated:
    """INTERNALDATE's day, or the Date field's when `sent`, compares with a day."""

    when: When
    day: date
    sent: bool


@dataclass(frozen=True, slots=True)
class Sized:
    """Larger (or smaller) than so many octets, never equal."""

    larger: bool
    octets: int


@dataclass(frozen=True, slots=True)
class Header:
    """A header field contains the text; empty text asks whether the field is there (RFC 3501 §6.4.4 HEADER)."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Body:
    """The body contains the text; with `header`, header or body (TEXT)."""

    text: str
    header: bool


Key = And | Or | Not | Flagged | Among | Dated | Sized | Header | Body


@dataclass(frozen=True, slots=True)
class Search:
    """SEARCH or UID SEARCH.

    Attributes:
        charset: upper case; one outside `CHARSETS` is answered NO [BADCHARSET], its texts mean nothing.
        returns: ESEARCH result options (RFC 4731 §3.1) in upper case; None for a plain SEARCH.
    """

    key: And
    by_uid: bool
    charset: bytes = b"US-ASCII"
    returns: frozenset[bytes] | None = None


_RETURNS = frozenset({b"MIN", b"MAX", b"ALL", b"COUNT"})
_WORD = re.compile(rb"[A-Za-z]+")
_FLAGS = {
    b"ANSWERED": "\\Answered",
    b"DELETED": "\\Deleted",
    b"DRAFT": "\\Draft",
    b"FLAGGED": "\\Flagged",
    b"SEEN": "\\Seen",
}
_RECENT = Flagged("\\Recent")
_PLAIN: dict[bytes, Key] = {
    b"ALL": And(()),
    b"NEW": And((_RECENT, Not(Flagged("\\Seen")))),
    b"OLD": Not(_RECENT),
    b"RECENT": _RECENT,
    **{name: Flagged(flag) for name, flag in _FLAGS.items()},
    **{b"UN" + name: Not(Flagged(flag)) for name, flag in _FLAGS.items()},
}


def read_search(cursor: Cursor, *, by_uid: bool) -> Search:
    """` CHARSET UTF-8 UNSEEN OR FROM "ann" SINCE 1-Feb-2026`."""
    returns = _read_returns(cursor) if cursor.skip(b" RETURN ") else None
    charset = b"US-ASCII"
    if cursor.skip(b" CHARSET "):
        charset = cursor.astring().upper()
    reader = _Reader(cursor, charset)
    keys = []
    while cursor.skip(b" "):
        keys.append(reader.key(0))
    if not keys:
        raise ParseError("SEARCH needs a key")
    return Search(And(tuple(keys)), by_uid, charset, returns)


def _read_returns(cursor: Cursor) -> frozenset[bytes]:
    cursor.expect(b"(")
    found: set[bytes] = set()
    while not cursor.skip(b")"):
        if found:
            cursor.space()
        name = cursor.atom().upper()
        if name not in _RETURNS:
            raise ParseError("no such SEARCH result option")
        found.add(name)
    return frozenset(found or {b"ALL"})  # RFC 4731 §3.1


class _Reader:
    """Reads keys and counts them: depth and number are what a hostile client would grow."""

    def __init__(self, cursor: Cursor, charset: bytes) -> None:
        self.cursor = cursor
        self.encoding = "utf-8" if charset in CHARSETS else "latin-1"
        self.count = 0

    def key(self, depth: int) -> Key:
        self.count += 1
        if depth > MAX_DEPTH or self.count > MAX_KEYS:
            raise ParseError("search is too deep or too long")
        following = self.cursor.peek()
        if following == b"(":
            return self._group(depth)
        if following.isdigit() or following == b"*":
            return Among(read_set(self.cursor), by_uid=False)
        word = self.cursor.match(_WORD, "a search key")[0].upper()
        if word in _PLAIN:
            return _PLAIN[word]
        reader = _READERS.get(word)
        if reader is None:
            raise ParseError("no such search key")
        self.cursor.space()
        return reader(self, word, depth + 1)

    def _group(self, depth: int) -> Key:
        self.cursor.expect(b"(")
        keys = [self.key(depth + 1)]
        while self.cursor.skip(b" "):
            keys.append(self.key(depth + 1))
        self.cursor.expect(b")")
        return And(tuple(keys))

    def text(self) -> str:
        try:
            return self.cursor.astring().decode(self.encoding)
        except UnicodeDecodeError:
            raise ParseError("search text is not in its charset") from None

    def negation(self, _word: bytes, depth: int) -> Key:
        return Not(self.key(depth))

    def either(self, _word: bytes, depth: int) -> Key:
        left = self.key(depth)
        self.cursor.space()
        return Or(left, self.key(depth))

    def keyword(self, word: bytes, _depth: int) -> Key:
        key = Flagged(self.cursor.atom().decode("ascii"))
        return Not(key) if word == b"UNKEYWORD" else key

    def uid(self, _word: bytes, _depth: int) -> Key:
        return Among(read_set(self.cursor), by_uid=True)

    def dated(self, word: bytes, _depth: int) -> Key:
        return Dated(When(word.removeprefix(b"SENT").decode()), read_date(self.cursor), word.startswith(b"SENT"))

    def sized(self, word: bytes, _depth: int) -> Key:
        return Sized(word == b"LARGER", self.cursor.number())

    def field(self, word: bytes, _depth: int) -> Key:
        return Header(word.decode().lower(), self.text())

    def header(self, _word: bytes, _depth: int) -> Key:
        name = self.cursor.astring().decode("latin-1").lower()
        self.cursor.space()
        return Header(name, self.text())

    def body(self, word: bytes, _depth: int) -> Key:
        return Body(self.text(), header=word == b"TEXT")


_READERS: dict[bytes, Callable[[_Reader, bytes, int], Key]] = {
    b"NOT": _Reader.negation,
    b"OR": _Reader.either,
    b"KEYWORD": _Reader.keyword,
    b"UNKEYWORD": _Reader.keyword,
    b"UID": _Reader.uid,
    b"LARGER": _Reader.sized,
    b"SMALLER": _Reader.sized,
    b"HEADER": _Reader.header,
    b"BODY": _Reader.body,
    b"TEXT": _Reader.body,
    **dict.fromkeys((b"BCC", b"CC", b"FROM", b"SUBJECT", b"TO"), _Reader.field),
    **dict.fromkeys((b"BEFORE", b"ON", b"SINCE", b"SENTBEFORE", b"SENTON", b"SENTSINCE"), _Reader.dated),
}
