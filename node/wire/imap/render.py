"""Octets for responses: quoted strings, literals, astrings, response lines (RFC 3501 §9)."""

from __future__ import annotations

import re

_QUOTABLE = re.compile(rb"[^\x00\r\n\x80-\xff]{0,1000}\Z")
_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+\Z')
_TEXT = re.compile(rb"[\x00-\x1f\x7f]+")


def quoted(data: bytes) -> bytes:
    """A quoted string; the caller knows that the octets may be quoted."""
    return b'"' + data.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def literal(data: bytes) -> bytes:
    """A literal, with its octets."""
    return b"{%d}\r\n" % len(data) + data


def string(data: bytes) -> bytes:
    """Quoted when the octets allow it, a literal otherwise."""
    return quoted(data) if _QUOTABLE.match(data) else literal(data)


def nstring(data: bytes | None) -> bytes:
    """A string, NIL for None."""
    return b"NIL" if data is None else string(data)


def nstring8(data: bytes | None) -> bytes:
    """Likewise; a literal8 where there is a NUL (RFC 3516 §4.4)."""
    return b"~" + literal(data) if data is not None and b"\0" in data else nstring(data)


def astring(data: bytes) -> bytes:
    """An atom when the octets allow it, a string otherwise."""
    # An atom spelled NIL could be read as the absent string.
    return data if _ATOM.match(data) and data.upper() != b"NIL" else string(data)


def status(tag: bytes, kind: bytes, text: str, code: bytes = b"") -> bytes:
    """A status response line (RFC 3501 §7.1).

    Args:
        tag: the command's tag, or b"*" for an untagged one.
        kind: OK, NO, BAD, BYE or PREAUTH.
        text: for people; line ends and other controls in it become spaces.
        code: a response code without its brackets.
    """
    bracket = b"[%b] " % code if code else b""
    words = _TEXT.sub(b" ", text.encode("utf-8", "replace")) or b"done"
    return b"%b %b %b%b\r\n" % (tag, kind, bracket, words)
