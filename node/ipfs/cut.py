"""Where a message is cut: what leaves it, that content octet by octet, and the recipe that gives the message back."""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from node.mail.base64_parts import EncodedPart, encode_lines, large_base64
from node.mail.buffer import Buffer
from node.mail.part import Part, parse
from node.store.pieces import Elsewhere, Encoded, Inline, Piece, Raw

WINDOW = 1 << 20  # encoded octets decoded at a time

Outline = Sequence[tuple[Elsewhere | None, int]]
"""The pieces of a stored message with their sizes; None: kept in the database."""


class Comparison(Protocol):
    """Checks that content, given chunk by chunk, gives the very octets of the message again."""

    def add(self, content: bytes) -> None:
        """Take the next octets."""

    def finish(self) -> bool:
        """True when everything was the same and nothing is left over on either side."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """The span [start, end) of a message that leaves it.

    Attributes:
        name: the file name its sender gave it, "" for none.
        encoded: how to decode it and get the very octets back; None: it is kept as it stands.
    """

    start: int
    end: int
    name: str
    encoded: EncodedPart | None

    @property
    def size(self) -> int:
        """Octets to be kept elsewhere."""
        return self.encoded.decoded_size if self.encoded else self.end - self.start

    def content(self, buffer: Buffer) -> Iterator[bytes]:
        """What is to be kept elsewhere, window by window."""
        if self.encoded:
            return _decoded(buffer, self.encoded)
        return _windows(buffer, self.start, self.end)

    def comparison(self, buffer: Buffer) -> Comparison:
        """For what comes back."""
        return _Reencoding(buffer, self.encoded) if self.encoded else Octets(buffer, self.start, self.end)

    def piece(self, reference: bytes) -> Elsewhere:
        """What stands for it in the recipe."""
        part = self.encoded
        if part is None:
            return Raw(reference, 0, self.size)
        return Encoded(reference, part.decoded_size, part.line_width, part.line_end, part.trailing)


def attachments(buffer: Buffer, threshold: int) -> list[Attachment]:
    """What leaves the message: attachments of at least `threshold` octets, in its order.

    Those in base64 that encode to the same octets again are kept decoded; the others as they stand, and so is what is
    not text in any other encoding.
    """
    top = parse(buffer)
    canonical = {encoded.start: encoded for encoded in large_base64(buffer, threshold, top)}
    found = []
    for leaf in top.leaves():
        name, encoded = leaf.filename or "", canonical.get(leaf.body_start)
        if encoded and encoded.decoded_size >= threshold:
            found.append(Attachment(encoded.start, encoded.end, name, encoded))
        elif not encoded and _goes_as_it_stands(leaf, threshold):
            found.append(Attachment(leaf.body_start, leaf.body_end, name, None))
    return found


def archived(outline: Outline, reference: bytes) -> list[Piece]:
    """The recipe of a message when all of it that is kept in the database goes into one tree."""
    pieces: list[Piece] = []
    at = 0
    for piece, size in outline:
        pieces.append(piece or Raw(reference, at, size))
        at += 0 if piece else size
    return pieces


def recipe(buffer: Buffer, cut: Sequence[tuple[bytes, Attachment]]) -> list[Piece]:
    """The message in pieces: what stays, and a reference for each part cut out, which come in the message's order."""
    pieces: list[Piece] = []
    at = 0
    for reference, part in cut:
        if at < part.start:
            pieces.append(Inline(bytes(buffer[at : part.start])))
        piece = part.piece(reference)
        if piece.size != part.end - part.start:
            raise ValueError("an attachment's lines do not add up")
        pieces.append(piece)
        at = part.end
    if at < len(buffer):
        pieces.append(Inline(bytes(buffer[at:])))
    return pieces


class Octets:
    """Compares with the span [start, end) of a buffer as it stands."""

    def __init__(self, buffer: Buffer, start: int, end: int) -> None:
        self._buffer = buffer
        self._at = start
        self._end = end
        self._same = True

    def add(self, content: bytes) -> None:
        """Take the next octets."""
        self._same &= self._buffer[self._at : min(self._end, self._at + len(content))] == content
        self._at += len(content)

    def finish(self) -> bool:
        """True when everything was the same and nothing is left over on either side."""
        return self._same and self._at == self._end


class _Reencoding:
    """Encodes decoded content line by line and compares with the message."""

    def __init__(self, buffer: Buffer, part: EncodedPart) -> None:
        self._buffer = buffer
        self._part = part
        self._step = part.line_width // 4 * 3
        self._held = b""
        self._at = part.start
        self._same = True

    def add(self, content: bytes) -> None:
        """Compare the lines that are whole."""
        self._held += content
        whole = len(self._held) // self._step * self._step
        lines, self._held = self._held[:whole], self._held[whole:]
        text = encode_lines(lines, self._part.line_width, self._part.line_end)
        if self._at + len(text) > self._part.end:  # the last line is full and has no line end
            text = text.removesuffix(self._part.line_end)
        self._compare(text)

    def finish(self) -> bool:
        """Compare the last line."""
        text = encode_lines(self._held, self._part.line_width, self._part.line_end)
        if not self._part.trailing:
            text = text.removesuffix(self._part.line_end)
        self._compare(text)
        return self._same and self._at == self._part.end

    def _compare(self, text: bytes) -> None:
        self._same &= self._buffer[self._at : self._at + len(text)] == text
        self._at += len(text)


def _goes_as_it_stands(leaf: Part, threshold: int) -> bool:
    octets = leaf.body_end - leaf.body_start
    if leaf.encoding == "base64":
        return octets // 4 * 3 >= threshold
    return octets >= threshold and leaf.content_type[0] != "text"


def _decoded(buffer: Buffer, part: EncodedPart) -> Iterator[bytes]:
    stride = part.line_width + len(part.line_end)
    step = max(1, WINDOW // stride) * stride
    for at in range(part.start, part.end, step):
        yield a2b_base64(buffer[at : min(part.end, at + step)].translate(None, part.line_end))


def _windows(buffer: Buffer, start: int, end: int) -> Iterator[bytes]:
    for at in range(start, end, WINDOW):
        yield bytes(buffer[at : min(end, at + WINDOW)])


def whole(buffer: Buffer) -> Iterator[bytes]:
    """All octets of a buffer, window by window."""
    return _windows(buffer, 0, len(buffer))
