"""What stands in a message where an attachment was: a small text and HTML part that says where it waits.

Only the part changes: its other header fields, and every octet outside it, stay. Parts that a signature or encryption
covers (RFC 1847) are left alone, and so are pictures that belong into an HTML text.
"""

from __future__ import annotations

import html
import re
from binascii import b2a_qp
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from node.mail.base64_parts import EncodedPart, large_base64
from node.mail.buffer import Buffer
from node.mail.headers import fields, header_end
from node.mail.part import Part, parse

ASKED = b"x-waxseal-links"  # the field with which a sender asks for links, or for none: yes or no
MAX_NAME = 200
WINDOW = 1 << 18  # octets given out together
_WHOLE = frozenset({("multipart", "signed"), ("multipart", "encrypted")})
_SEALED = frozenset({"pkcs7-mime", "x-pkcs7-mime", "pkcs7-signature", "x-pkcs7-signature", "pgp-encrypted"})
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]+")


@dataclass(frozen=True, slots=True)
class Movable:
    """An attachment that may become a link.

    Attributes:
        part: its place in the message's tree.
        encoded: its body, which decodes exactly.
        name: of the file, printable and on one line; never empty.
    """

    part: Part
    encoded: EncodedPart
    name: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What is said about one attachment: where it is, and `terms`, a sentence on how long and how often."""

    movable: Movable
    address: str
    size: str
    terms: str


def movable(buffer: Buffer, threshold: int) -> list[Movable]:
    """The base64 attachments of at least `threshold` decoded octets that may leave the message, in its order."""
    top = parse(buffer)
    free = {leaf.body_start: leaf for leaf in _free(top)}
    found = large_base64(buffer, threshold, top)
    return [
        Movable(free[one.start], one, printable(free[one.start].filename or ""))
        for one in found
        if one.start in free and one.decoded_size >= threshold
    ]


def rewritten(buffer: Buffer, notices: Sequence[Notice], boundary: str) -> Iterator[bytes]:
    """The message with the notices in place of their attachments, in pieces.

    Args:
        boundary: no line of the message contains it; "-" and a number are added for each notice.
    """
    at = 0
    if notices[0].movable.part.header_start:
        at = header_end(buffer, 0, len(buffer))
        yield _without(bytes(buffer[:at]), ASKED)
    for number, notice in enumerate(notices):
        part = notice.movable.part
        yield from _windows(buffer, at, part.header_start)
        yield _instead(bytes(buffer[part.header_start : part.body_start]), notice, f"{boundary}-{number}")
        at = part.body_end
    yield from _windows(buffer, at, len(buffer))


def printable(name: str) -> str:
    """A file's name as it can be shown: one line, no control or direction characters, no folders."""
    shown = _UNPRINTABLE.sub(" ", name.encode("utf-8", "replace").decode("utf-8")).replace("\\", "/").rpartition("/")[2]
    return " ".join(shown.split())[:MAX_NAME] or "attachment"


def _free(part: Part) -> Iterator[Part]:
    """Leaves that nothing around them needs as they are."""
    if part.content_type in _WHOLE or part.content_type[1] in _SEALED:
        return
    for child in part.children:
        yield from _free(child)
    if part.message is not None:
        return  # a forwarded message keeps its signatures
    if not part.children and not (part.head.get(b"content-id") and (part.disposition or ("",))[0] != "attachment"):
        yield part


def _without(header: bytes, name: bytes) -> bytes:
    """A header block without the fields of that name."""
    for entry in reversed(fields(header, 0, len(header))):
        if entry.name.lower() == name:
            header = header[: entry.start] + header[entry.end :]
    return header


def _instead(header: bytes, notice: Notice, boundary: str) -> bytes:
    """The part's header with another content, and a text and an HTML part."""
    kept = b"".join(
        header[entry.start : entry.end]
        for entry in fields(header, 0, len(header))
        if not entry.name.lower().startswith(b"content-") and entry.name.lower() != ASKED
    )
    kind = f'Content-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n'.encode()
    return (
        kept
        + kind
        + b"".join(
            (
                _body(boundary, "plain", _plain(notice)),
                _body(boundary, "html", _html(notice)),
                f"--{boundary}--\r\n".encode(),
            )
        )
    )


def _body(boundary: str, kind: str, text: str) -> bytes:
    """A body part; quoted-printable keeps addresses whole and lines short (RFC 2045 §6.7)."""
    head = (
        f"--{boundary}\r\nContent-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    )
    quoted = b2a_qp(text.encode(), istext=True).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    return head.encode() + b"\r\n" + quoted + b"\r\n"


def _plain(notice: Notice) -> str:
    return (
        f"{notice.movable.name} ({notice.size}) is too large to travel with this message. It waits for you at\n\n"
        f"{notice.address}\n\n{notice.terms}\n"
    )


def _html(notice: Notice) -> str:
    name, address = html.escape(notice.movable.name), html.escape(notice.address)
    return (
        f'<p><a href="{address}">{name}</a> ({html.escape(notice.size)}) is too large to travel with this message.<br>'
        f"{html.escape(notice.terms)}</p>\n"
    )


def _windows(buffer: Buffer, start: int, stop: int) -> Iterator[bytes]:
    for at in range(start, stop, WINDOW):
        yield bytes(buffer[at : min(stop, at + WINDOW)])
