"""The recipe of a message whose large attachments live elsewhere: spans kept here, references to be encoded again."""

from __future__ import annotations

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from node.base.errors import Permanent
from node.store import frames

_VERSION = 2  # 1 knew no `Raw`
_DAMAGED = "a stored message's recipe is damaged: restore it from a backup"
_HEAD = struct.Struct("<BI")  # version, number of pieces
_INLINE = struct.Struct("<BII")  # 0, size, packed size
_ENCODED = struct.Struct("<BHQIBB")  # 1, reference's size, decoded size, line width, line end's size, trailing
_RAW = struct.Struct("<BHQQ")  # 2, reference's size, start, size


@dataclass(frozen=True, slots=True)
class Inline:
    """Octets of the message kept as they are."""

    content: bytes

    @property
    def size(self) -> int:
        """Octets in the message."""
        return len(self.content)


@dataclass(frozen=True, slots=True)
class Encoded:
    """A base64 body whose decoded octets live elsewhere.

    Attributes:
        reference: what `Parts.read` knows them by; at most 65,535 octets.
        decoded_size: octets there.
        line_width: base64 characters of every line but the last.
        line_end: b"\\\\r\\\\n" or b"\\\\n".
        trailing: the last line has a line end too.
    """

    reference: bytes
    decoded_size: int
    line_width: int
    line_end: bytes
    trailing: bool

    @property
    def characters(self) -> int:
        """Base64 characters without line ends."""
        return -(-self.decoded_size // 3) * 4

    @property
    def size(self) -> int:
        """Octets in the message."""
        lines = -(-self.characters // self.line_width)
        ends = lines if self.trailing or not lines else lines - 1
        return self.characters + ends * len(self.line_end)

    def decoded_window(self, start: int, length: int) -> tuple[int, int]:
        """(start, length) of the decoded octets that the window [start, start + length) of the text needs."""
        low = self._quantum(start) * 3
        last = self._characters_before(start + length)
        high = min(-(-last // 4) * 3, self.decoded_size)
        return low, max(high - low, 0)

    def encode_window(self, decoded: bytes, start: int, length: int) -> bytes:
        """The window of the text, from the octets that `decoded_window` named."""
        line = self.line_width + len(self.line_end)
        first = self._quantum(start) * 4  # the first character we hold
        text = base64.b64encode(decoded)
        column = first % self.line_width
        head = text[: self.line_width - column] if column else b""
        rest = text[len(head) :]
        lines = [head] if head else []
        lines += [rest[at : at + self.line_width] for at in range(0, len(rest), self.line_width)]
        held = first // self.line_width * line + column  # where they stand in the text
        joined = self.line_end.join(lines) + self.line_end
        return joined[start - held : start - held + length]

    def _quantum(self, offset: int) -> int:
        """The group of four characters to start at; in a line end, that of the character before it."""
        lines, column = divmod(offset, self.line_width + len(self.line_end))
        character = lines * self.line_width + min(column, self.line_width - 1)
        return max(min(character, self.characters - 1), 0) // 4

    def _characters_before(self, offset: int) -> int:
        lines, column = divmod(offset, self.line_width + len(self.line_end))
        return min(lines * self.line_width + min(column, self.line_width), self.characters)


@dataclass(frozen=True, slots=True)
class Raw:
    """Octets of the message that live elsewhere as they are.

    Attributes:
        reference: what `Parts.read` knows them by.
        start: where they begin there.
        size: octets.
    """

    reference: bytes
    start: int
    size: int

    def decoded_window(self, start: int, length: int) -> tuple[int, int]:
        """(start, length) of the window [start, start + length) there."""
        return self.start + start, length

    def encode_window(self, decoded: bytes, start: int, length: int) -> bytes:
        """What was read is the window."""
        return decoded


Elsewhere: TypeAlias = Encoded | Raw
Piece: TypeAlias = Inline | Elsewhere


def pack(pieces: Sequence[Piece]) -> bytes:
    """The recipe as it is kept; inline spans are compressed one by one, so that a window opens only those it needs."""
    out = [_HEAD.pack(_VERSION, len(pieces))]
    for piece in pieces:
        if isinstance(piece, Inline):
            packed = frames.pack(piece.content)
            out += (_INLINE.pack(0, piece.size, len(packed)), packed)
        elif isinstance(piece, Raw):
            out += (_RAW.pack(2, len(piece.reference), piece.start, piece.size), piece.reference)
        else:
            numbers = (len(piece.reference), piece.decoded_size, piece.line_width, len(piece.line_end), piece.trailing)
            out += (_ENCODED.pack(1, *numbers), piece.reference, piece.line_end)
    return b"".join(out)


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a window: `start` and `length` count within the piece; an inline piece comes packed."""

    piece: bytes | Elsewhere
    start: int
    length: int

    def content(self, decoded: bytes = b"") -> bytes:
        """The span's octets; `decoded` are those of the piece's `decoded_window`."""
        if isinstance(self.piece, bytes):
            return frames.unpack(self.piece)[self.start : self.start + self.length]
        return self.piece.encode_window(decoded, self.start, self.length)


def spans(recipe: bytes, start: int, length: int) -> list[Span]:
    """What the window [start, start + length) of the message is made of, in order.

    Raises:
        Permanent: the recipe is damaged.
    """
    found: list[Span] = []
    at = 0  # where the piece starts in the message
    for piece, size in _unpack(recipe):
        low, high = max(start, at), min(start + length, at + size)
        if low < high:
            found.append(Span(piece, low - at, high - low))
        at += size
    return found


def outline(recipe: bytes) -> list[tuple[Elsewhere | None, int]]:
    """The pieces with their sizes in the message; None stands for one that is kept in the recipe itself.

    Raises:
        Permanent: the recipe is damaged.
    """
    return [(None if isinstance(piece, bytes) else piece, size) for piece, size in _unpack(recipe)]


def _unpack(recipe: bytes) -> list[tuple[bytes | Elsewhere, int]]:
    try:
        version, count = _HEAD.unpack_from(recipe)
        if not 1 <= version <= _VERSION:
            raise Permanent(f"a stored message has form {version}, which this program does not know: run a newer one")
        found: list[tuple[bytes | Elsewhere, int]] = []
        offset = _HEAD.size
        for _ in range(count):
            piece, size, offset = _UNPACK[recipe[offset]](recipe, offset)
            found.append((piece, size))
    except (struct.error, IndexError, ZeroDivisionError) as error:
        raise Permanent(_DAMAGED) from error
    if offset > len(recipe):
        raise Permanent(_DAMAGED)
    return found


def _unpack_inline(recipe: bytes, offset: int) -> tuple[bytes, int, int]:
    _, size, packed = _INLINE.unpack_from(recipe, offset)
    offset += _INLINE.size
    return recipe[offset : offset + packed], size, offset + packed


def _unpack_encoded(recipe: bytes, offset: int) -> tuple[Encoded, int, int]:
    _, reference, decoded, width, end, trailing = _ENCODED.unpack_from(recipe, offset)
    offset += _ENCODED.size
    name = recipe[offset : offset + reference]
    line_end = recipe[offset + reference : offset + reference + end]
    piece = Encoded(name, decoded, width, line_end, bool(trailing))
    return piece, piece.size, offset + reference + end


def _unpack_raw(recipe: bytes, offset: int) -> tuple[Raw, int, int]:
    _, reference, start, size = _RAW.unpack_from(recipe, offset)
    offset += _RAW.size
    return Raw(recipe[offset : offset + reference], start, size), size, offset + reference


_UNPACK = (_unpack_inline, _unpack_encoded, _unpack_raw)
