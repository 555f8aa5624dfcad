"""Find the attachments that can be kept decoded and given back byte for byte.

A part counts only when decoding it and encoding it again gives the very octets of the message; that is done here,
window by window, not inferred. Every DKIM signature, hash and partial FETCH depends on it.
"""

from __future__ import annotations

from binascii import Error as BinasciiError
from binascii import a2b_base64, b2a_base64
from dataclasses import dataclass

from node.mail.buffer import Buffer
from node.mail.part import Part, parse

MAX_LINE_WIDTH = 4096  # characters; RFC 2045 §6.8 says 76, some senders write 1000
_WINDOW = 1 << 18  # octets looked at together; small enough to stay in the cache


@dataclass(frozen=True, slots=True)
class EncodedPart:
    """One base64 body, or all of it but blank lines at its end.

    Attributes:
        start, end: the encoded span in the message.
        line_width: characters of every line but the last; a multiple of 4.
        line_end: b"\\r\\n" or b"\\n".
        decoded_size: octets of the content.
        trailing: the span ends with a line end.
    """

    start: int
    end: int
    line_width: int
    line_end: bytes
    decoded_size: int
    trailing: bool

    def encode(self, decoded: bytes) -> bytes:
        """The span again, from the whole decoded content; what a reader of the stored message must get."""
        text = encode_lines(decoded, self.line_width, self.line_end)
        return text if self.trailing else text.removesuffix(self.line_end)


def large_base64(buffer: Buffer, minimum: int, part: Part | None = None) -> list[EncodedPart]:
    """The base64 leaves whose encoded body has at least `minimum` octets and re-encodes identically.

    Args:
        buffer: the whole message; hand large ones over as mmap, they are read in windows.
        minimum: octets of the encoded body.
        part: the parsed message, when it is at hand.
    """
    found = []
    for leaf in (part or parse(buffer)).leaves():
        if leaf.body_end - leaf.body_start >= max(minimum, 1) and leaf.encoding == "base64":
            encoded = _examine(buffer, leaf.body_start, leaf.body_end)
            if encoded is not None:
                found.append(encoded)
    return found


def encode_lines(decoded: bytes, line_width: int, line_end: bytes) -> bytes:
    """Base64 in lines of `line_width` characters (a multiple of 4), each with its line end, the last one too."""
    step = line_width // 4 * 3
    if len(decoded) <= step:
        return b2a_base64(decoded, newline=False) + line_end if decoded else b""
    text = b2a_base64(decoded, newline=False)
    return line_end.join([text[at : at + line_width] for at in range(0, len(text), line_width)]) + line_end


def _examine(buffer: Buffer, start: int, end: int) -> EncodedPart | None:
    line, feed, _ = buffer[start : min(end, start + MAX_LINE_WIDTH + 2)].partition(b"\n")
    line_end = b"\r\n" if line.endswith(b"\r") else b"\n"
    width = len(line) + 1 - len(line_end)
    if not feed or not width or width % 4:
        return None
    end = _without_blank_lines(buffer, start, end, line_end)
    trailing = buffer[end - len(line_end) : end] == line_end
    last = end - len(line_end) if trailing else end  # where the last line's characters end
    if not _is_canonical(buffer, start, last, width, line_end):
        return None
    characters = last - start - (last - start) // (width + len(line_end)) * len(line_end)
    padding = buffer[last - 2 : last].count(b"=")
    return EncodedPart(start, end, width, line_end, characters // 4 * 3 - padding, trailing)


def _without_blank_lines(buffer: Buffer, start: int, end: int, line_end: bytes) -> int:
    """Senders like an empty line before the delimiter; it stays in the message, outside of the span."""
    tail = buffer[max(start, end - 64) : end]
    while tail.endswith(line_end + line_end):
        tail = tail[: -len(line_end)]
        end -= len(line_end)
    return end


def _is_canonical(buffer: Buffer, start: int, end: int, width: int, line_end: bytes) -> bool:
    """True when every run of lines in [start, end), decoded and encoded again, is the same in the same lines.

    `end` is where the last line's characters end, without a line end.
    """
    stride = width + len(line_end)
    step = max(1, _WINDOW // stride) * stride
    for first in range(start, end, step):
        window = buffer[first : min(end, first + step)]
        is_last = first + step >= end
        lines, rest = divmod(len(window), stride)
        if (rest == 0 or rest > width) if is_last else rest:
            return False  # the last line is empty, or cut inside its line end
        if any(window[at::stride] != bytes((mark,)) * lines for at, mark in enumerate(line_end, start=width)):
            return False
        text = window.translate(None, line_end)
        if len(window) - len(text) != lines * len(line_end) or (text.endswith(b"=") and not is_last):
            return False  # a line end in the wrong place; padding before the end
        if not _is_reversible(text):
            return False
    return True


def _is_reversible(text: bytes) -> bool:
    try:
        return b2a_base64(a2b_base64(text), newline=False) == text
    except BinasciiError:
        return False
