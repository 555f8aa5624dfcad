"""LIST and LSUB (RFC 3501 §6.3.8, §6.3.9), LIST-EXTENDED (RFC 5258), SPECIAL-USE (RFC 6154), LIST-STATUS (RFC 5819)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.mutf7 import MAX_NAME, decode
from node.wire.imap.status import StatusItem, read_items

MAX_PATTERNS = 20
_SELECTION = frozenset({b"SUBSCRIBED", b"REMOTE", b"RECURSIVEMATCH", b"SPECIAL-USE"})
_RETURN = frozenset({b"SUBSCRIBED", b"CHILDREN", b"SPECIAL-USE"})


@dataclass(frozen=True, slots=True)
class List:
    """LIST or LSUB.

    Attributes:
        reference: put before each pattern.
        patterns: decoded, one except in the extended form.
        selection: upper-case selection options, such as SUBSCRIBED.
        returns: upper-case return options; empty in the basic form, where we return CHILDREN and SPECIAL-USE anyway.
        status: items of the STATUS return option.
        extended: the command used the extended syntax.
    """

    reference: str
    patterns: tuple[str, ...]
    selection: frozenset[bytes] = frozenset()
    returns: frozenset[bytes] = frozenset()
    status: tuple[StatusItem, ...] = ()
    extended: bool = False


@dataclass(frozen=True, slots=True)
class Lsub:
    """LSUB (RFC 3501 §6.3.9)."""

    reference: str
    pattern: str


def read_lsub(cursor: Cursor) -> Lsub:
    """` "" "*"`."""
    cursor.space()
    reference = decode(cursor.astring())
    cursor.space()
    return Lsub(reference, _pattern(cursor))


def read_list(cursor: Cursor) -> List:
    """` "" "*"` or ` (SUBSCRIBED) "" ("*" "%") RETURN (SPECIAL-USE STATUS (UNSEEN))`."""
    cursor.space()
    selection: frozenset[bytes] = frozenset()
    extended = cursor.peek() == b"("
    if extended:
        selection = _options(cursor, _SELECTION)
        if b"RECURSIVEMATCH" in selection and selection <= {b"RECURSIVEMATCH", b"REMOTE"}:
            raise ParseError("RECURSIVEMATCH needs an option to go with")  # RFC 5258 §3
        cursor.space()
    reference = decode(cursor.astring())
    cursor.space()
    extended = extended or cursor.peek() == b"("
    patterns = _patterns(cursor)
    returns, status = frozenset[bytes](), tuple[StatusItem, ...]()
    if cursor.skip(b" RETURN "):
        extended = True
        returns, status = _returns(cursor)
    return List(reference, patterns, selection, returns, status, extended)


def _patterns(cursor: Cursor) -> tuple[str, ...]:
    if not cursor.skip(b"("):
        return (_pattern(cursor),)
    patterns = [_pattern(cursor)]
    while cursor.skip(b" "):
        if len(patterns) >= MAX_PATTERNS:
            raise ParseError("too many patterns")
        patterns.append(_pattern(cursor))
    cursor.expect(b")")
    return tuple(patterns)


def _pattern(cursor: Cursor) -> str:
    data = cursor.list_mailbox()
    if len(data) > MAX_NAME:
        raise ParseError("pattern is too long")
    # Encoded characters between wildcards are canonical by themselves, wildcards are never inside a shift.
    return "".join(decode(part) for part in re.split(rb"([*%])", data))


def _options(cursor: Cursor, known: frozenset[bytes]) -> frozenset[bytes]:
    cursor.expect(b"(")
    found: set[bytes] = set()
    while not cursor.skip(b")"):
        if found:
            cursor.space()
        name = cursor.atom().upper()
        if name not in known:
            raise ParseError("no such LIST option")
        found.add(name)
    return frozenset(found)


def _returns(cursor: Cursor) -> tuple[frozenset[bytes], tuple[StatusItem, ...]]:
    cursor.expect(b"(")
    found, status = set[bytes](), tuple[StatusItem, ...]()
    while not cursor.skip(b")"):
        if found:
            cursor.space()
        name = cursor.atom().upper()
        if name == b"STATUS":
            cursor.space()
            status = read_items(cursor)
        elif name not in _RETURN:
            raise ParseError("no such LIST return option")
        found.add(name)
    return frozenset(found), status


def matches(pattern: str, name: str) -> bool:
    """Tell whether a mailbox's name fits: "*" crosses the separator "/", "%" does not (RFC 3501 §6.3.8).

    Every position of the name that the pattern can have reached is a bit of one number, so that the work is one
    step a character, whatever the wildcards: a backtracking matcher takes years for `%a%a%a%a%a`.
    """
    if name == "INBOX":
        pattern = pattern.upper()
    everything = (1 << len(name) + 1) - 1
    places: dict[str, int] = {}
    for index, character in enumerate(name):
        places[character] = places.get(character, 0) | 1 << index
    inside = everything >> 1 & ~places.get("/", 0)
    reached = 1
    for character in pattern:
        if character == "*":
            reached = everything & -(reached & -reached)
        elif character == "%":
            reached |= ((reached & inside) + inside) ^ inside  # the carry runs on to the next separator
        else:
            reached = (reached & places.get(character, 0)) << 1
        if not reached:
            return False
    return bool(reached >> len(name) & 1)
