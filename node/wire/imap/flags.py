"""Flags and keywords as clients name them (RFC 3501 §2.3.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from node.wire.imap.lexer import Cursor, ParseError

SYSTEM_FLAGS = ("\\Answered", "\\Flagged", "\\Deleted", "\\Seen", "\\Draft")
_BY_NAME = {name.upper().encode(): name for name in SYSTEM_FLAGS}
_SYSTEM = re.compile(rb"\\[A-Za-z]+")
MAX_FLAGS = 100  # in one command
MAX_KEYWORD = 100  # octets


def read_flag(cursor: Cursor) -> str | None:
    """One flag: a system flag in its standard spelling, or a keyword as written; None for `\\Recent`.

    `\\Recent` is the server's to give; clients that copy flags along send it back, so it is dropped, not refused.
    """
    if cursor.peek() != b"\\":
        keyword = cursor.atom()
        if len(keyword) > MAX_KEYWORD:
            raise ParseError("keyword is too long")
        return keyword.decode("ascii")
    name = cursor.match(_SYSTEM, "a flag")[0].upper()
    if name == b"\\RECENT":
        return None
    if name not in _BY_NAME:
        raise ParseError("no such system flag")
    return _BY_NAME[name]


def read_flag_list(cursor: Cursor) -> frozenset[str]:
    """A parenthesised list of flags, possibly empty."""
    cursor.expect(b"(")
    if cursor.skip(b")"):
        return frozenset()
    flags = read_flags(cursor)
    cursor.expect(b")")
    return flags


def read_flags(cursor: Cursor) -> frozenset[str]:
    """Flags parted by single spaces, at least one, without parentheses (RFC 3501 §9 store-att-flags)."""
    found = [read_flag(cursor)]
    while cursor.skip(b" "):
        if len(found) >= MAX_FLAGS:
            raise ParseError("too many flags")
        found.append(read_flag(cursor))
    return frozenset(flag for flag in found if flag is not None)


def render_flags(flags: Iterable[str]) -> bytes:
    """A parenthesised flag list for a response."""
    return b"(" + " ".join(flags).encode("ascii") + b")"
