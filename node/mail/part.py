"""A message's MIME structure: a tree of offsets into the buffer, built in one look and bounded whatever comes.

Spans nest: a child lies inside its parent's body, and brothers never overlap. A multipart always has children and a
message/rfc822 always has its message; what breaks that (no boundary, no delimiter line) is text/plain, as RFC 2045 §5.2
advises, and what lies deeper than MAX_DEPTH or behind MAX_PARTS is an opaque application/octet-stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from mmap import mmap
from typing import TypeAlias

from node.mail.buffer import Buffer, count_lines, find, readable
from node.mail.headers import FIELD, header_end, unfolded
from node.mail.parameters import Params, decoded_param, parse_type, parse_value

MAX_DEPTH = 100  # multiparts and messages inside each other
MAX_PARTS = 10_000  # in the whole tree
MAX_HEADER = 1 << 18  # octets of one header block that are looked into; the span always covers all of it
MAX_HEADERS = 1 << 20  # octets of all header blocks together that are looked into
# Octets of address fields kept of all messages inside the message together. An address of two octets becomes 180 in
# BODY and BODYSTRUCTURE; without this bound a small message could fill the database.
MAX_INNER_ADDRESSES = 1 << 16
# Octets looked at for delimiter lines over all levels together, in multiples of the message: 100 nested multiparts
# around 50 MB would otherwise cost 5 GB of searching.
MAX_SEARCH_FACTOR = 16
MIN_SEARCH = 1 << 26

_DELIMITER_END = re.compile(rb"(--)?[ \t\r]*(?:\n|\Z)")
_ADDRESS_FIELDS = frozenset({b"from", b"sender", b"reply-to", b"to", b"cc", b"bcc"})
_PART_FIELDS = frozenset(
    {
        b"content-type",
        b"content-transfer-encoding",
        b"content-disposition",
        b"content-id",
        b"content-description",
        b"content-language",
        b"content-location",
        b"content-md5",
    }
)
_MESSAGE_FIELDS = _PART_FIELDS | _ADDRESS_FIELDS | {b"date", b"subject", b"in-reply-to", b"message-id"}

_PLAIN = ("text", "plain")
_RFC822 = ("message", "rfc822")
_OPAQUE = ("application", "octet-stream")

Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """One entity: the message itself, a body part, or a message inside a message/rfc822.

    Attributes:
        header_start, body_start, body_end: header block [header_start, body_start) with its empty line, body
            [body_start, body_end) without the line end that belongs to the next delimiter (RFC 2046 §5.1.1).
        content_type: type and subtype in lower case; what holds for the tree, see the module.
        params: the Content-Type's parameters as received, RFC 2231 pieces apart.
        head: unfolded raw values by lower-case name, of the fields BODYSTRUCTURE needs, and ENVELOPE where the part is
            a message's top. The first field of a name counts, except that repeated address fields are joined:
            otherwise one From could be checked and another one shown.
        lines: line feeds in the body, counted for text and message/rfc822; 0 for the rest.
        children: the parts of a multipart.
        message: the message inside a message/rfc822.
    """

    header_start: int
    body_start: int
    body_end: int
    content_type: tuple[str, str]
    params: Params
    head: Mapping[bytes, bytes]
    lines: int = 0
    children: tuple[Part, ...] = ()
    message: Part | None = None

    @property
    def encoding(self) -> str:
        """The Content-Transfer-Encoding in lower case; "7bit" when there is none (RFC 2045 §6.1)."""
        value = self.head.get(b"content-transfer-encoding")
        return parse_value(value)[0] or "7bit" if value else "7bit"

    @property
    def disposition(self) -> tuple[str, Params] | None:
        """Content-Disposition in lower case, with its parameters as received (RFC 2183)."""
        value = self.head.get(b"content-disposition")
        parsed = parse_value(value) if value else None
        return parsed if parsed and parsed[0] else None

    @property
    def charset(self) -> str | None:
        """The charset parameter, or None."""
        return decoded_param(self.params, b"charset")

    @property
    def filename(self) -> str | None:
        """The name a sender gave an attachment, decoded (RFC 2183 §2.3, RFC 2231), or None. Never a safe path."""
        disposition = self.disposition
        named = decoded_param(disposition[1], b"filename") if disposition else None
        return named or decoded_param(self.params, b"name")

    def walk(self) -> Iterator[Part]:
        """This part and everything below, in the order of the message; inner messages' top parts included."""
        stack = [self]
        while stack:
            part = stack.pop()
            yield part
            if part.message is not None:
                stack.append(part.message)
            stack.extend(reversed(part.children))

    def leaves(self) -> Iterator[Part]:
        """The parts that hold content: neither multipart nor message/rfc822."""
        return (part for part in self.walk() if not part.children and part.message is None)


def parse(buffer: bytes | bytearray | memoryview | mmap) -> Part:
    """Read a message's structure. Never raises, whatever the bytes; line ends may be CRLF or bare LF.

    Args:
        buffer: the whole message. A large one should come as mmap: bytearray and memoryview are copied.
    """
    message = readable(buffer)
    return _Parser(message).entity(0, len(message), 0, _MESSAGE_FIELDS)


class _Parser:
    """Outer delimiters are found before inner ones, so that a broken inner part cannot swallow its parent's."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.parts_left = MAX_PARTS - 1
        self.headers_left = MAX_HEADERS
        self.inner_addresses_left = MAX_INNER_ADDRESSES
        self.search_left = max(MIN_SEARCH, MAX_SEARCH_FACTOR * len(buffer))

    def entity(self, start: int, end: int, depth: int, kept: frozenset[bytes], default: bytes = b"text/plain") -> Part:
        body = header_end(self.buffer, start, end)
        head = self._head(start, body, kept)
        if depth and kept is _MESSAGE_FIELDS:
            self._limit_addresses(head)
        kind, params = parse_type(head.get(b"content-type", default))
        if kind[0] == "text":
            return Part(start, body, end, kind, params, head, count_lines(self.buffer, body, end))
        leaf = Part(start, body, end, kind, params, head)
        if kind[0] == "multipart":
            return self._multipart(leaf, depth)
        if kind == _RFC822:
            return self._message(leaf, depth)
        return leaf

    def _head(self, start: int, end: int, kept: frozenset[bytes]) -> dict[bytes, bytes]:
        end = min(end, start + MAX_HEADER, start + self.headers_left)
        self.headers_left -= end - start
        found: dict[bytes, list[bytes]] = {}
        for name, value in FIELD.findall(self.buffer, start, end):
            key = name.lower()
            if key in kept:
                found.setdefault(key, []).append(value)
        return {
            key: unfolded(values[0] if len(values) == 1 or key not in _ADDRESS_FIELDS else b",".join(values))
            for key, values in found.items()
        }

    def _limit_addresses(self, head: dict[bytes, bytes]) -> None:
        for key in head.keys() & _ADDRESS_FIELDS:
            if len(head[key]) > self.inner_addresses_left:
                head[key] = head[key][: head[key].rfind(b",", 0, self.inner_addresses_left) + 1]
            self.inner_addresses_left -= len(head[key])

    def _may_descend(self, part: Part, depth: int) -> bool:
        self.search_left -= part.body_end - part.body_start
        return depth < MAX_DEPTH and self.parts_left > 0 and self.search_left >= 0

    def _message(self, leaf: Part, depth: int) -> Part:
        start, body, end, head = leaf.header_start, leaf.body_start, leaf.body_end, leaf.head
        if not self._may_descend(leaf, depth):
            return Part(start, body, end, _OPAQUE, (), head)
        self.parts_left -= 1
        message = self.entity(body, end, depth + 1, _MESSAGE_FIELDS)
        return Part(start, body, end, _RFC822, leaf.params, head, count_lines(self.buffer, body, end), (), message)

    def _multipart(self, leaf: Part, depth: int) -> Part:
        start, body, end, head = leaf.header_start, leaf.body_start, leaf.body_end, leaf.head
        if not self._may_descend(leaf, depth):
            return Part(start, body, end, _OPAQUE, (), head)
        boundary = next((value for name, value in leaf.params if name.lower() == b"boundary"), b"").rstrip()
        spans = self._split(body, end, boundary) if boundary else []
        if not spans:
            return Part(start, body, end, _PLAIN, (), head, count_lines(self.buffer, body, end))
        default = b"message/rfc822" if leaf.content_type[1] == "digest" else b"text/plain"  # RFC 2046 §5.1.5
        children = tuple([self.entity(first, last, depth + 1, _PART_FIELDS, default) for first, last in spans])
        return Part(start, body, end, leaf.content_type, leaf.params, head, 0, children)

    def _split(self, body: int, end: int, boundary: bytes) -> list[Span]:
        """The spans between delimiter lines; without a closing one the last part ends with its parent."""
        needle = b"\n--" + boundary
        spans: list[Span] = []
        opened = -1
        at = body - 1  # the line feed before the body, so that a delimiter on its first line is found
        while (at := find(self.buffer, needle, at, end)) >= 0:
            line = _DELIMITER_END.match(self.buffer, at + len(needle), end)
            if line is None:  # a longer word, perhaps an inner part's boundary
                at += len(needle)
                continue
            if not line[1] and not self.parts_left:
                break  # the last part takes the rest
            if opened >= 0:
                spans.append((opened, max(opened, self._before_line_end(at))))
                opened = -1
            if line[1]:
                break
            self.parts_left -= 1
            opened = line.end()
            at = opened - 1
        if opened >= 0:
            spans.append((opened, end))
        return spans

    def _before_line_end(self, line_feed: int) -> int:
        """The line end before a delimiter belongs to the delimiter (RFC 2046 §5.1.1)."""
        return line_feed - 1 if self.buffer[line_feed - 1 : line_feed] == b"\r" else line_feed
