"""FETCH (RFC 3501 §6.4.5): which messages, and what of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.render import astring
from node.wire.imap.sequence import SequenceSet, read_set

MAX_ITEMS = 100
MAX_FIELDS = 500
MAX_DEPTH = 100  # parts within parts; node.mail.part goes no deeper


class Attribute(StrEnum):
    """Data items without arguments."""

    FLAGS = "FLAGS"
    UID = "UID"
    INTERNALDATE = "INTERNALDATE"
    SIZE = "RFC822.SIZE"
    ENVELOPE = "ENVELOPE"
    BODY = "BODY"
    BODYSTRUCTURE = "BODYSTRUCTURE"
    MODSEQ = "MODSEQ"


class Text(StrEnum):
    """Which text of a part (RFC 3501 §6.4.5 section-text); WHOLE is the part as such."""

    WHOLE = ""
    HEADER = "HEADER"
    FIELDS = "HEADER.FIELDS"
    NOT_FIELDS = "HEADER.FIELDS.NOT"
    TEXT = "TEXT"
    MIME = "MIME"


@dataclass(frozen=True, slots=True)
class Section:
    """BODY[...] and its old spellings RFC822, RFC822.HEADER, RFC822.TEXT.

    Attributes:
        path: part numbers, () for the message itself.
        text: which text of it.
        fields: header field names in lower case, for FIELDS and NOT_FIELDS.
        peek: leaves \\Seen alone.
        start, count: the partial range in octets; count None for everything.
        label: the item's name in the response, without the partial's origin.
    """

    path: tuple[int, ...]
    text: Text
    fields: frozenset[bytes]
    peek: bool
    start: int
    count: int | None
    label: bytes


Item = Attribute | Section


@dataclass(frozen=True, slots=True)
class Fetch:
    """FETCH or UID FETCH; items in the order asked, each once."""

    messages: SequenceSet
    by_uid: bool
    items: tuple[Item, ...]


_FAST = (Attribute.FLAGS, Attribute.INTERNALDATE, Attribute.SIZE)
MACROS: dict[bytes, tuple[Item, ...]] = {
    b"FAST": _FAST,
    b"ALL": (*_FAST, Attribute.ENVELOPE),
    b"FULL": (*_FAST, Attribute.ENVELOPE, Attribute.BODY),
}
_OLD: dict[bytes, tuple[Text, bool]] = {
    b"RFC822": (Text.WHOLE, False),
    b"RFC822.HEADER": (Text.HEADER, True),  # RFC 3501 §6.4.5: like BODY.PEEK[HEADER]
    b"RFC822.TEXT": (Text.TEXT, False),
}
_WORD = re.compile(rb"[A-Za-z0-9.]+")
_SECTION = re.compile(rb"((?:\d{1,10}(?:\.\d{1,10})*)?)(\.?)([A-Za-z.]*)")
_PARTIAL = re.compile(rb"<(\d{1,10})\.(\d{1,10})>")
_BY_NAME = {attribute.value.encode(): attribute for attribute in Attribute}
_TEXTS = {text.value.encode(): text for text in Text}


def read_fetch(cursor: Cursor, *, by_uid: bool) -> Fetch:
    """` 2:4 (FLAGS BODY.PEEK[HEADER.FIELDS (DATE FROM)])`."""
    cursor.space()
    messages = read_set(cursor)
    cursor.space()
    return Fetch(messages, by_uid, _read_items(cursor))


def _read_items(cursor: Cursor) -> tuple[Item, ...]:
    if not cursor.skip(b"("):
        word = cursor.match(_WORD, "a FETCH item")[0].upper()
        return MACROS.get(word) or (_read_item(cursor, word),)
    items: list[Item] = []
    while True:
        items.append(_read_item(cursor, cursor.match(_WORD, "a FETCH item")[0].upper()))
        if cursor.skip(b")"):
            return tuple(dict.fromkeys(items))
        cursor.space()
        if len(items) >= MAX_ITEMS:
            raise ParseError("too many FETCH items")


def _read_item(cursor: Cursor, word: bytes) -> Item:
    if word in (b"BODY", b"BODY.PEEK") and cursor.peek() == b"[":
        return _read_section(cursor, peek=word == b"BODY.PEEK")
    if word in _OLD:
        text, peek = _OLD[word]
        return Section((), text, frozenset(), peek, 0, None, word)
    if word not in _BY_NAME:
        raise ParseError("no such FETCH item")
    return _BY_NAME[word]


def _read_section(cursor: Cursor, *, peek: bool) -> Section:
    cursor.expect(b"[")
    match = cursor.match(_SECTION, "a section")
    path = tuple(map(int, match[1].split(b"."))) if match[1] else ()
    text = _TEXTS.get(match[3].upper())
    if text is None or bool(match[2]) != bool(match[1] and match[3]):
        raise ParseError("no such section")
    if (text is Text.MIME and not path) or not all(path) or len(path) > MAX_DEPTH:
        raise ParseError("no such section")
    names = _read_fields(cursor) if text in (Text.FIELDS, Text.NOT_FIELDS) else []
    cursor.expect(b"]")
    start, count = _read_partial(cursor)
    label = b"BODY[" + match[0].upper() + (b" (%b)" % b" ".join(map(astring, names)) if names else b"") + b"]"
    return Section(path, text, frozenset(name.lower() for name in names), peek, start, count, label)


def _read_fields(cursor: Cursor) -> list[bytes]:
    cursor.space()
    cursor.expect(b"(")
    names = [cursor.astring()]
    while cursor.skip(b" "):
        if len(names) >= MAX_FIELDS:
            raise ParseError("too many header fields")
        names.append(cursor.astring())
    cursor.expect(b")")
    return names


def _read_partial(cursor: Cursor) -> tuple[int, int | None]:
    if cursor.peek() != b"<":
        return 0, None
    match = cursor.match(_PARTIAL, "a partial range")
    if not int(match[2]):
        raise ParseError("a partial range takes at least one octet")
    return int(match[1]), int(match[2])
