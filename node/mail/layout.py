"""Where each numbered part of a stored message lies, packed so small that it is kept beside the message.

BODY[1.2.MIME] and its kin are answered from this alone; the message is not parsed again.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

from node.mail.part import Part

# Version byte, then the parts in the order of the message: three offsets, how many records the part's subtree takes
# (itself included), kind, encoding. Offsets take 4 octets in version 1 and 8 in version 2.
_SMALL = struct.Struct("<IIIHBB")
_LARGE = struct.Struct("<QQQHBB")
_FORMATS = {1: _SMALL, 2: _LARGE}
_ENCODINGS = ("7bit", "8bit", "binary", "quoted-printable", "base64", "")


class Kind(IntEnum):
    """What stands in a part's body."""

    LEAF = 0
    MULTIPART = 1
    MESSAGE = 2


@dataclass(frozen=True, slots=True)
class Span:
    """A part's place in its message.

    Attributes:
        header_start, body_start, body_end: header block with its empty line, then the body.
        encoding: Content-Transfer-Encoding in lower case, "" when it is none of RFC 2045's five.
        kind: leaf, multipart or message/rfc822.
    """

    header_start: int
    body_start: int
    body_end: int
    encoding: str
    kind: Kind


def pack(part: Part) -> bytes:
    """Pack the layout of a whole message: 17 octets for a plain text."""
    version = 1 if part.body_end < 1 << 32 else 2
    records: list[bytes] = [bytes([version])]
    _pack(part, _FORMATS[version], records)
    return b"".join(records)


def _pack(part: Part, form: struct.Struct, records: list[bytes]) -> None:
    place = len(records)
    records.append(b"")
    kind = Kind.LEAF
    if part.message is not None:
        kind = Kind.MESSAGE
        _pack(part.message, form, records)
    elif part.children:
        kind = Kind.MULTIPART
        for child in part.children:
            _pack(child, form, records)
    encoding = part.encoding
    code = _ENCODINGS.index(encoding) if encoding in _ENCODINGS else len(_ENCODINGS) - 1
    size = len(records) - place
    records[place] = form.pack(part.header_start, part.body_start, part.body_end, size, kind, code)


def unpack(packed: bytes) -> Layout:
    """Read what `pack` made.

    Raises:
        ValueError: when it is something else; the row is damaged.
    """
    form = _FORMATS.get(packed[0]) if packed else None
    if form is None or len(packed) == 1 or (len(packed) - 1) % form.size:
        raise ValueError("no packed layout")
    return Layout(list(form.iter_unpack(memoryview(packed)[1:])))


def shifted(packed: bytes, by: int) -> bytes:
    """The layout of the same message once its top header has grown (or shrunk) by `by` octets at its front.

    The message still starts at 0; everything behind the change moves. Saves summarising a large message again.
    """
    form = _FORMATS[packed[0]]
    records = list(form.iter_unpack(memoryview(packed)[1:]))
    version = 1 if records[0][2] + by < 1 << 32 else 2
    shift = _FORMATS[version].pack
    moved = [shift(head + by, body + by, end + by, *rest) for head, body, end, *rest in records[1:]]
    _, body, end, *rest = records[0]
    return b"".join([bytes([version]), shift(0, body + by, end + by, *rest), *moved])


class Layout:
    """A message's parts by their IMAP numbers (RFC 3501 §6.4.5)."""

    __slots__ = ("_records",)

    def __init__(self, records: list[tuple[int, ...]]) -> None:
        self._records = records

    def find(self, section: tuple[int, ...]) -> Span | None:
        """The part a section number names; () is the whole message. None when there is no such part."""
        place = self._place(section)
        return None if place is None else self._span(place)

    def message(self, section: tuple[int, ...]) -> Span | None:
        """The message that section.HEADER and section.TEXT speak of: the whole, or that in a message/rfc822."""
        if not section:
            return self._span(0)
        place = self._place(section)
        if place is None or self._records[place][4] != Kind.MESSAGE:
            return None
        return self._span(place + 1)

    def _place(self, section: tuple[int, ...]) -> int | None:
        place, message = 0, True  # message: `place` is a message's top, whose part 1 may be itself
        for number in section:
            kind = self._records[place][4]
            if not message and kind == Kind.MESSAGE:
                place += 1
                kind, message = self._records[place][4], True
            if kind == Kind.MULTIPART:
                child = self._child(place, number)
                if child is None:
                    return None
                place, message = child, False
            elif message and number == 1:
                message = False  # "every message has at least one part number"
            else:
                return None
        return place

    def _child(self, parent: int, number: int) -> int | None:
        end = parent + self._records[parent][3]
        place = parent + 1
        while number > 1 and place < end:
            place += self._records[place][3]
            number -= 1
        return place if number == 1 and place < end else None

    def _span(self, place: int) -> Span:
        header_start, body_start, body_end, _, kind, code = self._records[place]
        return Span(header_start, body_start, body_end, _ENCODINGS[code], Kind(kind))
