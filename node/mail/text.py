"""The words of a message as a reader sees them: for searching, never for showing."""

from __future__ import annotations

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, a2b_qp
from html.entities import html5

from node.mail.buffer import Buffer
from node.mail.charset import decode
from node.mail.part import Part

LIMIT = 1 << 20  # characters of text given at most, and octets of one part looked at

_HIDDEN = re.compile(r"<(script|style)\b", re.IGNORECASE)
_TAG = re.compile(r"<(?:[^<>]*>|[^<>]*\Z)")
_BREAKING = re.compile(r"(?i)</?(?:p|br|div|tr|td|th|li|ul|ol|table|h[1-6]|hr|blockquote|pre|dt|dd)\b")
_REFERENCE = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,31}));?")
_SPACES = re.compile(r"[ \t\r\f\v\u00a0]+")


def plain(buffer: Buffer, part: Part, limit: int = LIMIT) -> str:
    """All text below `part`: text parts decoded, HTML without its tags, messages inside included.

    Never raises.

    Args:
        buffer: the message `part` was parsed from.
        part: the whole message or any part of it.
        limit: characters given at most; each part adds to it in the order of the message.
    """
    texts: list[str] = []
    room = limit
    for leaf in part.leaves():
        if leaf.content_type[0] != "text" or room <= 0:
            continue
        text = leaf_text(buffer, leaf, room)
        texts.append(text)
        room -= len(text) + 1
    return "\n".join(texts)[:limit]


def leaf_text(buffer: Buffer, leaf: Part, limit: int = LIMIT) -> str:
    """One text part, decoded; HTML is stripped of its tags."""
    text = decode(content(buffer, leaf, limit), leaf.charset)
    if leaf.content_type[1] == "html":
        text = without_tags(text)
    return text[:limit]


def content(buffer: Buffer, leaf: Part, limit: int = LIMIT) -> bytes:
    """The first octets of a part's content with its transfer encoding undone, as far as it can be."""
    encoding = leaf.encoding
    start = leaf.body_start
    if encoding == "base64":
        raw = buffer[start : min(leaf.body_end, start + limit // 3 * 4 + limit // 16 + 4)]
        return from_base64(raw)[:limit]
    if encoding == "quoted-printable":
        return a2b_qp(buffer[start : min(leaf.body_end, start + 3 * limit)])[:limit]
    return buffer[start : min(leaf.body_end, start + limit)]


def from_base64(raw: bytes) -> bytes:
    """Decode base64, passing over what is no base64 (RFC 2045 §6.8), padding missing or not."""
    try:
        return a2b_base64(raw + b"===")
    except BinasciiError:  # one character more than a multiple of four: it carries no octet
        cut = max(0, len(raw.rstrip()) - 1)
        try:
            return a2b_base64(raw[:cut] + b"===")
        except BinasciiError:
            return b""


def without_tags(html: str) -> str:
    """The text of HTML: scripts, styles, comments and tags gone, character references read. Linear in time."""
    pieces: list[str] = []
    at = 0
    while (opening := html.find("<", at)) >= 0:
        pieces.append(html[at:opening])
        at = _behind_tag(html, opening, pieces)
    pieces.append(html[at:])
    text = _REFERENCE.sub(_character, "".join(pieces))
    return _SPACES.sub(" ", text)


def _behind_tag(html: str, opening: int, pieces: list[str]) -> int:
    """Where the text goes on behind the markup at `opening`; what is never closed hides the rest."""
    if html.startswith("<!--", opening):
        closing = html.find("-->", opening + 4)
        return closing + 3 if closing >= 0 else len(html)
    hidden = _HIDDEN.match(html, opening)
    if hidden:
        closed = re.compile(rf"</{hidden[1]}\b", re.IGNORECASE).search(html, hidden.end())
        return closed.start() if closed else len(html)
    tag = _TAG.match(html, opening)
    if tag is None:  # "<" before another "<": text
        pieces.append("<")
        return opening + 1
    if _BREAKING.match(html, opening):
        pieces.append("\n")
    return tag.end()


def _character(match: re.Match[str]) -> str:
    decimal, hexadecimal, name = match.groups()
    if name:
        return html5.get(name + ";", match[0])
    number = int(decimal) if decimal else int(hexadecimal, 16)
    return chr(number) if 31 < number < 0x110000 and not 0xD800 <= number < 0xE000 else " "
