"""Where a message is cut: which attachments leave it, their decoded content, and the recipe that gives it back."""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from node.mail.base64_parts import EncodedPart, encode_lines, large_base64
from node.mail.buffer import Buffer
from node.mail.part import parse
from node.store.pieces import Encoded, Inline, Piece

WINDOW = 1 << 20  # encoded octets decoded at a time


@dataclass(frozen=True, slots=True)
class Attachment:
    """A base64 body that re-encodes identically, and the file name its sender gave it ("" for none)."""

    encoded: EncodedPart
    name: str


def attachments(buffer: Buffer, threshold: int) -> list[Attachment]:
    """What leaves the message: attachments of at least `threshold` decoded octets."""
    top = parse(buffer)
    names = {leaf.body_start: leaf.filename for leaf in top.leaves()}
    return [
        Attachment(encoded, names.get(encoded.start) or "")
        for encoded in large_base64(buffer, threshold, top)
        if encoded.decoded_size >= threshold
    ]


def decoded(buffer: Buffer, part: EncodedPart) -> Iterator[bytes]:
    """The attachment's content, window by window."""
    stride = part.line_width + len(part.line_end)
    step = max(1, WINDOW // stride) * stride
    for at in range(part.start, part.end, step):
        yield a2b_base64(buffer[at : min(part.end, at + step)].translate(None, part.line_end))


class Comparison:
    """Checks that decoded content, given chunk by chunk, encodes to the very octets of the message."""

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
        """Compare the last line; True when everything was the same and nothing is left over on either side."""
        text = encode_lines(self._held, self._part.line_width, self._part.line_end)
        if not self._part.trailing:
            text = text.removesuffix(self._part.line_end)
        self._compare(text)
        return self._same and self._at == self._part.end

    def _compare(self, text: bytes) -> None:
        self._same &= self._buffer[self._at : self._at + len(text)] == text
        self._at += len(text)


def recipe(buffer: Buffer, cut: Sequence[tuple[bytes, EncodedPart]]) -> list[Piece]:
    """The message in pieces: what stays, and a reference for each part cut out, which come in the message's order."""
    pieces: list[Piece] = []
    at = 0
    for reference, part in cut:
        if at < part.start:
            pieces.append(Inline(bytes(buffer[at : part.start])))
        encoded = Encoded(reference, part.decoded_size, part.line_width, part.line_end, part.trailing)
        if encoded.size != part.end - part.start:
            raise ValueError("an attachment's lines do not add up")
        pieces.append(encoded)
        at = part.end
    if at < len(buffer):
        pieces.append(Inline(bytes(buffer[at:])))
    return pieces
