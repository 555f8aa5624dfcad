"""Header fields: where they stand, what they say, and their encoded words made readable."""

from __future__ import annotations

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, a2b_qp
from typing import NamedTuple

from node.mail.buffer import Buffer
from node.mail.charset import decode

DECODE_LIMIT = 1 << 16  # octets of a raw value that `decoded` looks at

# A field's name, its value with every continuation line (RFC 5322 §2.2.3), the line end where there is one. A line that
# is no field (an mbox "From " line, a fold without a field) matches nothing and is passed over.
FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)(?:\n|\Z)", re.MULTILINE)

_BLANK_LINE = re.compile(rb"\n\r?\n")
_ENCODED_WORD = re.compile(rb"=\?([^?\s*]{1,64})(?:\*[^?\s]{0,64})?\?([bBqQ])\?([^?\n]*)\?=")


class Field(NamedTuple):
    """One header field as it stands in the buffer.

    Attributes:
        name: as written, without the colon.
        value: raw, folds included, without the final line end.
        start, end: the whole field's offsets; `end` lies behind its line end.
    """

    name: bytes
    value: bytes
    start: int
    end: int


def header_end(buffer: Buffer, start: int, end: int) -> int:
    """Where the body begins: behind the first empty line, or `end` when there is none (RFC 5322 §2.1)."""
    first = buffer[start : min(end, start + 2)]
    if first[:1] == b"\n":
        return start + 1
    if first == b"\r\n":
        return start + 2
    blank = _BLANK_LINE.search(buffer, start, end)
    return blank.end() if blank else end


def fields(buffer: Buffer, start: int, end: int) -> list[Field]:
    """Every field of the header block [start, end), in its order; lines that are no field are left out."""
    return [
        Field(match[1], match[2].removesuffix(b"\r"), match.start(), match.end())
        for match in FIELD.finditer(buffer, start, end)
    ]


def get(buffer: Buffer, start: int, end: int, name: bytes) -> bytes | None:
    """The unfolded value of the first field called `name` (any case) in [start, end), or None."""
    wanted = name.lower()
    for match in FIELD.finditer(buffer, start, end):
        if match[1].lower() == wanted:
            return unfolded(match[2])
    return None


def unfolded(value: bytes) -> bytes:
    """A raw value on one line: line ends go, the white space behind them stays (RFC 5322 §2.2.3).

    A tab behind a line end becomes a space: it was one before some senders folded there.
    """
    if b"\n" in value:
        value = value.replace(b"\n\t", b"\n ").replace(b"\r\n", b"").replace(b"\n", b"")
    return value.strip(b" \t\r")


def decoded(value: bytes) -> str:
    """A raw value as a person reads it: unfolded, encoded words decoded (RFC 2047), the rest as UTF-8 or Windows-1252.

    Never fails; what cannot be decoded stays as it was written. Looks at the first 64 KiB.
    """
    value = unfolded(value[:DECODE_LIMIT])
    if b"=?" not in value:
        return decode(value, None)
    pieces: list[tuple[str | None, bytes]] = []  # charset of an encoded word (None: plain text), octets
    at = 0
    for match in _ENCODED_WORD.finditer(value):
        between = value[at : match.start()]
        # White space between two encoded words is not part of the text (RFC 2047 §6.2).
        if between and not (at and between.isspace()):
            pieces.append((None, between))
        charset = match[1].decode("ascii", "replace").lower()
        octets = _word_octets(match[2], match[3])
        if octets is None:
            pieces.append((None, match[0]))
        elif pieces and pieces[-1][0] == charset:
            # Some senders cut a character in two; neighbours of one charset are decoded together.
            pieces[-1] = (charset, pieces[-1][1] + octets)
        else:
            pieces.append((charset, octets))
        at = match.end()
    pieces.append((None, value[at:]))
    return "".join(decode(octets, charset) for charset, octets in pieces)


def _word_octets(encoding: bytes, text: bytes) -> bytes | None:
    if encoding in b"qQ":
        return a2b_qp(text, header=True)  # RFC 2047 §4.2
    try:
        return a2b_base64(text + b"===")
    except BinasciiError:
        return None
