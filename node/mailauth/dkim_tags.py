"""Tag lists, the grammar of signatures and key records (RFC 6376 §3.2), read strictly."""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error as BinasciiError
from typing import NamedTuple

MAX_TAGS = 100
MAX_LIST = 64 << 10  # octets; RSA-4096 signatures over long `h=` lists stay under 2 KiB

_SPEC = re.compile(rb"[ \t\r\n]*([A-Za-z][A-Za-z0-9_]*)[ \t\r\n]*=(.*)\Z", re.DOTALL)
_FOLDS = re.compile(rb"\r\n[ \t]")
_SPACE = re.compile(rb"[ \t\r\n]+")
_FORBIDDEN = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BASE64 = re.compile(rb"[A-Za-z0-9+/]+={0,2}\Z")


class TagError(ValueError):
    """The text breaks the grammar, or a tag says what it must not; the message says which."""


class Tag(NamedTuple):
    """One tag: its value without the white space around it, and where all between `=` and `;` stands in the list."""

    value: bytes
    start: int
    end: int


def parse_tags(text: bytes) -> dict[str, Tag]:
    """The tags of a list, in order. Names are case-sensitive; a name that comes twice spoils the list (§3.2).

    Raises:
        TagError: the list breaks the grammar.
    """
    if len(text) > MAX_LIST:
        raise TagError(f"longer than {MAX_LIST} octets")
    if _FORBIDDEN.search(text) or b"\n" in (bare := _FOLDS.sub(b"  ", text.removesuffix(b"\r\n"))) or b"\r" in bare:
        raise TagError("control characters or bare line ends")
    tags: dict[str, Tag] = {}
    at = 0
    specs = text.split(b";", MAX_TAGS + 1)
    if len(specs) > MAX_TAGS + 1:
        raise TagError(f"more than {MAX_TAGS} tags")
    if len(specs) > 1 and not specs[-1].strip(b" \t\r\n"):
        specs.pop()  # one semicolon may end the list
    for spec in specs:
        match = _SPEC.match(spec)
        if match is None:
            raise TagError("a part is no name=value")
        name = match[1].decode("ascii")
        if name in tags:
            raise TagError(f"{name}= comes twice")
        tags[name] = Tag(match[2].strip(b" \t\r\n"), at + match.start(2), at + match.end(2))
        at += len(spec) + 1
    return tags


def without_space(value: bytes) -> bytes:
    """A value whose grammar allows folding white space anywhere, without it."""
    return _SPACE.sub(b"", value)


def base64_value(name: str, value: bytes) -> bytes:
    """The octets of a base64 tag; white space in it means nothing (§3.2, §2.10).

    Raises:
        TagError: it is empty or no base64.
    """
    text = without_space(value)
    try:
        if not _BASE64.match(text):
            raise TagError(f"{name}= is no base64")
        return b64decode(text, validate=True)
    except BinasciiError:
        raise TagError(f"{name}= is no base64") from None


def number_value(name: str, value: bytes, digits: int) -> int:
    """A decimal number of at most so many digits.

    Raises:
        TagError: it is none.
    """
    if not value.isdigit() or len(value) > digits:
        raise TagError(f"{name}= is no number")
    return int(value)


def quoted_printable(value: bytes) -> bytes:
    """The octets of DKIM's quoted-printable (§2.11): white space goes, =XX is an octet.

    Raises:
        TagError: a = without two capital hexadecimal digits.
    """
    text = without_space(value)
    if re.search(rb"=(?![0-9A-F]{2})", text):
        raise TagError("a = without two capital hexadecimal digits")
    return re.sub(rb"=([0-9A-F]{2})", lambda match: bytes([int(match[1], 16)]), text)
