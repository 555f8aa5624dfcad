"""Octets as IMAP strings: quoted where that is allowed, a literal otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable

_PLAIN = re.compile(rb"[\t !#-\[\]-~]*\Z")
_QUOTABLE = re.compile(rb"[\t -~]*\Z")


def string(value: bytes) -> bytes:
    """A quoted string, or a literal when there are octets a quoted string cannot carry (RFC 3501 §4.3, §9)."""
    if _PLAIN.match(value):
        return b'"%b"' % value
    if _QUOTABLE.match(value):
        return b'"%b"' % value.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    value = value.replace(b"\0", b"")  # CHAR8 has no NUL, not even in a literal
    return b"{%d}\r\n%b" % (len(value), value)


def nstring(value: bytes | None) -> bytes:
    """NIL for what is not there; the empty string is there."""
    return b"NIL" if value is None else string(value)


def parenthesized(values: Iterable[bytes]) -> bytes:
    """A list of finished items."""
    return b"(%b)" % b" ".join(values)
