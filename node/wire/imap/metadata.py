"""GETMETADATA and SETMETADATA (RFC 5464 §4.2, §4.3)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.mutf7 import mailbox

MAX_ENTRIES: Final = 100  # in one command
MAX_NAME: Final = 256  # octets of an entry's name

# RFC 5464 §3.2: a path in /private or /shared, of printable ASCII without wildcards, no level of it empty.
_ENTRY: Final = re.compile(rb"/(?:private|shared)(?:/[^\x00-\x20\x7f-\xff*%/]+)*\Z", re.IGNORECASE)
_OPTIONS_NEXT: Final = re.compile(rb"\([A-Za-z]")


class Depth(Enum):
    """How far below an entry to look (§4.2.2)."""

    NONE = b"0"
    CHILDREN = b"1"
    ALL = b"INFINITY"


@dataclass(frozen=True, slots=True)
class GetMetadata:
    """GETMETADATA.

    Attributes:
        mailbox: "" for the server.
        entries: names in lower case, each once.
        maxsize: octets of the longest value wanted; None sets no bound.
    """

    mailbox: str
    entries: tuple[str, ...]
    depth: Depth = Depth.NONE
    maxsize: int | None = None


@dataclass(frozen=True, slots=True)
class SetMetadata:
    """SETMETADATA: names in lower case, each once, with new values; None removes."""

    mailbox: str
    values: tuple[tuple[str, bytes | None], ...]


def read_get_metadata(cursor: Cursor) -> GetMetadata:
    """` (MAXSIZE 1024 DEPTH 1) INBOX (/private/comment /shared/comment)`."""
    cursor.space()
    given = cursor.peek() == b"("
    depth, maxsize = _options(cursor) if given else (Depth.NONE, None)
    name = mailbox(cursor)
    cursor.space()
    if not given and _OPTIONS_NEXT.match(cursor.data, cursor.position):  # there are clients that put them here
        depth, maxsize = _options(cursor)
    if not cursor.skip(b"("):
        return GetMetadata(name, (_entry(cursor),), depth, maxsize)
    entries = [_entry(cursor)]
    while not cursor.skip(b")"):
        cursor.space()
        entries.append(_entry(cursor))
        _bound(entries)
    return GetMetadata(name, tuple(dict.fromkeys(entries)), depth, maxsize)


def read_set_metadata(cursor: Cursor) -> SetMetadata:
    """` INBOX (/private/comment "mine" /shared/comment NIL)`."""
    cursor.space()
    name = mailbox(cursor)
    cursor.space()
    cursor.expect(b"(")
    values: list[tuple[str, bytes | None]] = []
    while not values or not cursor.skip(b")"):
        if values:
            cursor.space()
        entry = _entry(cursor)
        cursor.space()
        values.append((entry, cursor.nstring8()))
        _bound(values)
    if len({entry for entry, _ in values}) < len(values):
        raise ParseError("an entry stands there twice")
    return SetMetadata(name, tuple(values))


def _options(cursor: Cursor) -> tuple[Depth, int | None]:
    """The options and the space behind them."""
    cursor.expect(b"(")
    depth: Depth | None = None
    maxsize: int | None = None
    while True:
        label = cursor.atom().upper()
        cursor.space()
        if label == b"MAXSIZE" and maxsize is None:
            maxsize = cursor.number()
        elif label == b"DEPTH" and depth is None:
            depth = _depth(cursor.atom())
        else:
            raise ParseError("GETMETADATA takes MAXSIZE and DEPTH, each once")
        if cursor.skip(b")"):
            break
        cursor.space()
    cursor.space()
    return depth or Depth.NONE, maxsize


def _depth(word: bytes) -> Depth:
    try:
        return Depth(word.upper())
    except ValueError:
        raise ParseError("DEPTH is 0, 1 or infinity") from None


def _entry(cursor: Cursor) -> str:
    name = cursor.astring()
    if len(name) > MAX_NAME or not _ENTRY.match(name):
        raise ParseError(f"an entry is a path in /private or /shared, of at most {MAX_NAME} octets, without * and %")
    return name.decode("ascii").lower()


def _bound(entries: list[str] | list[tuple[str, bytes | None]]) -> None:
    if len(entries) > MAX_ENTRIES:
        raise ParseError(f"at most {MAX_ENTRIES} entries in one command")
