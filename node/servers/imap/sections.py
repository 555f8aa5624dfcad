"""BODY[...]: which octets of a stored message a section means, and sending them without holding the message."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from node.base.errors import Permanent, Temporary
from node.mail.headers import FIELD
from node.mail.layout import Layout, unpack
from node.net.stream import Disconnected
from node.wire.imap.fetch import Section, Text

if TYPE_CHECKING:
    from node.servers.imap.output import Output
    from node.store.blobs import Blobs

CHUNK = 128 * 1024
MAX_HEADER = 4 << 20
"""Octets of a header looked at for HEADER.FIELDS; longer ones are an attack on memory."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Octets of the stored message."""

    start: int
    length: int


def locate(section: Section, layout: Layout, size: int) -> Slice | None:
    """The octets a section stands in, before fields are chosen and the partial range is cut; None: no such part."""
    path = section.path
    if section.text is Text.WHOLE and not path:
        return Slice(0, size)
    # HEADER and TEXT speak of messages only (RFC 3501 §6.4.5).
    span = layout.find(path) if section.text in (Text.WHOLE, Text.MIME) else layout.message(path)
    if span is None:
        return None
    if section.text in (Text.WHOLE, Text.TEXT):
        return Slice(span.body_start, span.body_end - span.body_start)
    return Slice(span.header_start, span.body_start - span.header_start)


def choose_fields(header: bytes, section: Section) -> bytes:
    """The header fields that HEADER.FIELDS or HEADER.FIELDS.NOT asks for, as they stand, and the empty line."""
    wanted = section.text is Text.FIELDS
    kept = [match[0] for match in FIELD.finditer(header) if (match[1].lower() in section.fields) == wanted]
    if kept and not kept[-1].endswith(b"\n"):
        kept.append(b"\r\n")
    return b"".join([*kept, b"\r\n"])


def cut(section: Section, length: int) -> tuple[int, int]:
    """Start and length of the partial range within so many octets (RFC 3501 §6.4.5)."""
    start = min(section.start, length)
    rest = length - start
    return start, rest if section.count is None else min(section.count, rest)


def label(section: Section) -> bytes:
    """The item's name in the response; a partial one names its origin octet."""
    return section.label if section.count is None else b"%b<%d>" % (section.label, section.start)


class Body:
    """One message's content while its sections are answered. Small messages are read once and kept for that long.

    Args:
        content: the whole message when it has been read already.
    """

    def __init__(self, blobs: Blobs, blob_id: int, size: int, packed: bytes, content: bytes | None) -> None:
        self._blobs = blobs
        self._blob_id = blob_id
        self._size = size
        self._packed = packed
        self._layout: Layout | None = None
        self._content = content

    def _place(self, section: Section) -> Slice | None:
        if section.text is Text.WHOLE and not section.path:
            return Slice(0, self._size)
        if self._layout is None:
            self._layout = unpack(self._packed)
        return locate(section, self._layout, self._size)

    async def insist(self, sections: Iterable[Section]) -> None:
        """Make sure that sections can be read, before the first octet of the response is written.

        Raises:
            Temporary, Permanent: one of them cannot.
        """
        if self._content is not None:
            return
        for section in sections:
            place = self._place(section)
            if place is not None:
                is_plain = section.text not in (Text.FIELDS, Text.NOT_FIELDS)
                start, length = cut(section, place.length) if is_plain else (0, min(place.length, MAX_HEADER))
                await self._blobs.insist(self._blob_id, place.start + start, length)

    async def send(self, section: Section, output: Output) -> None:
        """Write one item; its literal's length is known before the first octet is read."""
        place = self._place(section)
        if place is None:
            output.write(label(section) + b" NIL")
            return
        if section.text in (Text.FIELDS, Text.NOT_FIELDS):
            header = choose_fields(await self._read(place.start, min(place.length, MAX_HEADER)), section)
            start, length = cut(section, len(header))
            output.write(b"%b {%d}\r\n%b" % (label(section), length, header[start : start + length]))
            return
        start, length = cut(section, place.length)
        if self._content is not None or length <= CHUNK:
            data = await self._read(place.start + start, length)
            output.write(b"%b {%d}\r\n%b" % (label(section), length, data))
            await output.drain()
            return
        output.write(b"%b {%d}\r\n" % (label(section), length))
        await self._stream(place.start + start, length, output)

    async def _read(self, start: int, length: int) -> bytes:
        if self._content is None:
            return await self._blobs.read(self._blob_id, start, length) if length else b""
        return self._content[start : start + length]

    async def _stream(self, start: int, length: int, output: Output) -> None:
        left = length
        try:
            async with aclosing(self._blobs.stream(self._blob_id, start, length, CHUNK)) as chunks:
                async for chunk in chunks:
                    output.write(chunk)
                    left -= len(chunk)
                    await output.drain()
        except Disconnected:
            raise
        except (Temporary, Permanent) as error:
            # The client counts on the octets announced; only the end of the connection can take that back.
            raise Disconnected(f"message content failed midway: {error}") from error
        if left:
            raise Disconnected("message content ended early")
