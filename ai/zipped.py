"""Names in a ZIP archive, read from hostile bytes: its directory and the headers before each file, whichever tell more.

Programs disagree about which of the two counts, and a message may be cut before the directory at the end; so both are
read. Written here rather than with the standard library's reader, which takes all of a directory before it can be
bounded, and refuses a file that is cut.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MAX_ENTRIES = 500  # of one archive
_END, _CENTRAL, _LOCAL = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
_STORED, _DEFLATED = 0, 8
_NAME = 300  # octets of a name that are looked at


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in an archive, as its headers claim.

    Attributes:
        packed, unpacked: octets.
        data: where its packed octets begin.
    """

    name: str
    is_encrypted: bool
    method: int
    packed: int
    unpacked: int
    data: int

    @property
    def is_folder(self) -> bool:
        return self.name.endswith(("/", "\\"))


@dataclass(frozen=True, slots=True)
class Listing:
    """What was found: ``is_whole`` when nothing had to be left out."""

    entries: tuple[Entry, ...]
    is_whole: bool


def listing(data: bytes) -> Listing:
    """Every file named in the directory or in front of its own octets (PKWARE APPNOTE 6.3.10 §4.3); never raises."""
    found: dict[tuple[str, int], Entry] = {}
    for entries in (_directory(data), _scan(data)):
        for entry in entries:
            if len(found) >= MAX_ENTRIES:
                return Listing(tuple(found.values()), False)
            found.setdefault((entry.name, entry.data), entry)
    return Listing(tuple(found.values()), True)


def unpack(data: bytes, entry: Entry, most: int) -> bytes:
    """At most ``most`` octets of a file; b"" where it is encrypted, packed in another way, or broken."""
    if entry.is_encrypted or most <= 0:
        return b""
    size = entry.packed or len(data)  # 0: told only behind the octets (streaming)
    if entry.method == _STORED:
        return data[entry.data : entry.data + min(size, most)]
    if entry.method != _DEFLATED:
        return b""
    try:
        return zlib.decompressobj(-15).decompress(data[entry.data : entry.data + size], most)
    except zlib.error:
        return b""


def _directory(data: bytes) -> Iterator[Entry]:
    """Entries of the central directory, if it is there."""
    end = data.rfind(_END)
    if end < 0 or end + 22 > len(data):
        return
    size = struct.unpack_from("<I", data, end + 12)[0]
    at = end - size if size <= end else -1
    while at >= 0 and data.startswith(_CENTRAL, at) and at + 46 <= end:
        flags, method = struct.unpack_from("<HH", data, at + 8)
        packed, unpacked, name, extra, comment = struct.unpack_from("<IIHHH", data, at + 20)
        offset = struct.unpack_from("<I", data, at + 42)[0]
        text = _text(data[at + 46 : at + 46 + min(name, _NAME)], flags)
        yield Entry(text, bool(flags & 1), method, _size(packed), _size(unpacked), _content(data, offset))
        at += 46 + name + extra + comment


def _content(data: bytes, offset: int) -> int:
    """Where a file's octets begin, from its own header."""
    if not data.startswith(_LOCAL, offset) or offset + 30 > len(data):
        return len(data)
    name, extra = struct.unpack_from("<HH", data, offset + 26)
    return int(offset + 30 + name + extra)


def _scan(data: bytes) -> Iterator[Entry]:
    """Entries by the headers before them, also those of archives stored inside."""
    at = data.find(_LOCAL)
    while 0 <= at <= len(data) - 30:
        flags, method = struct.unpack_from("<HH", data, at + 6)
        packed, unpacked, name, extra = struct.unpack_from("<IIHH", data, at + 18)
        start = at + 30 + name + extra
        if 0 < name <= 4096:
            text = _text(data[at + 30 : at + 30 + min(name, _NAME)], flags)
            yield Entry(text, bool(flags & 1), method, _size(packed), _size(unpacked), start)
        at = data.find(_LOCAL, at + 30)


def _size(claimed: int) -> int:
    """A size, 0 where it stands elsewhere (ZIP64, APPNOTE §4.4.8)."""
    return 0 if claimed == 0xFFFFFFFF else claimed


def _text(name: bytes, flags: int) -> str:
    """A name: UTF-8 when its flag says so (APPNOTE §4.4.4 bit 11) or when it can be, else an old DOS code page."""
    try:
        return name.decode("utf-8")
    except UnicodeDecodeError:
        return name.decode("utf-8", "replace") if flags & 0x800 else name.decode("cp437")
