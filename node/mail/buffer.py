"""What a message is read from: bytes, or a file mapped into memory. Searching either makes no copy of the whole."""

from __future__ import annotations

from mmap import mmap
from typing import TypeAlias

Buffer: TypeAlias = bytes | mmap
"""A whole message. Offsets everywhere in this room count from its first byte."""

_WINDOW = 1 << 20  # mmap's own find() looks at one byte at a time; copied windows are searched several times faster


def readable(source: bytes | bytearray | memoryview | mmap) -> Buffer:
    """Give the message as bytes or mmap; anything else is copied once, so hand large ones over as mmap."""
    return source if isinstance(source, (bytes, mmap)) else bytes(source)


def find(buffer: Buffer, needle: bytes, start: int, end: int) -> int:
    """The first place of `needle` wholly inside [start, end), or -1."""
    if isinstance(buffer, bytes):
        return buffer.find(needle, start, end)
    step = max(_WINDOW, 2 * len(needle))
    while start + len(needle) <= end:
        window = buffer[start : min(end, start + step)]
        at = window.find(needle)
        if at >= 0:
            return start + at
        start += step - len(needle) + 1
    return -1


def count_lines(buffer: Buffer, start: int, end: int) -> int:
    """How many line feeds stand in [start, end)."""
    if isinstance(buffer, bytes):
        return buffer.count(b"\n", start, end)
    return sum(buffer[at : min(end, at + _WINDOW)].count(b"\n") for at in range(start, end, _WINDOW))
