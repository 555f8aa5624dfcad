from __future__ import annotations

import contextlib
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.search import (
    MAX_DEPTH,
    Among,
    And,
    Body,
    Dated,
    Flagged,
    Header,
    Key,
    Not,
    Or,
    Search,
    Sized,
    When,
    read_search,
)
from node.wire.imap.sequence import SequenceSet


def read(text: bytes) -> Search:
    cursor = Cursor(b" " + text)
    search = read_search(cursor, by_uid=False)
    cursor.end()
    return search


def key(text: bytes) -> Key:
    (only,) = read(text).key.keys
    return only


SEEN = Flagged("\\Seen")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"ALL", And(())),
        (b"seen", SEEN),
        (b"UNSEEN", Not(SEEN)),
        (b"NEW", And((Flagged("\\Recent"), Not(SEEN)))),
        (b"OLD", Not(Flagged("\\Recent"))),
        (b"KEYWORD $Junk", Flagged("$Junk")),
        (b"UNKEYWORD $Junk", Not(Flagged("$Junk"))),
        (b"2:4,*", Among(SequenceSet(((2, 4), (0, 0))), by_uid=False)),
        (b"UID 7:*", Among(SequenceSet(((7, 0),)), by_uid=True)),
        (b"NOT NOT SEEN", Not(Not(SEEN))),
        (b"OR SEEN (ALL SEEN)", Or(SEEN, And((And(()), SEEN)))),
        (b"SINCE 1-Feb-1994", Dated(When.SINCE, date(1994, 2, 1), sent=False)),
        (b'SENTON "01-feb-1994"', Dated(When.ON, date(1994, 2, 1), sent=True)),
        (b"LARGER 100", Sized(larger=True, octets=100)),
        (b"SMALLER 0", Sized(larger=False, octets=0)),
        (b'FROM "Ann B"', Header("from", "Ann B")),
        (b'HEADER Message-ID ""', Header("message-id", "")),
        (b"BODY x", Body("x", header=False)),
        (b"TEXT {3+}\r\nx\ty", Body("x\ty", header=True)),
    ],
)
def test_keys(text: bytes, expected: Key) -> None:
    assert key(text) == expected


def test_charsets() -> None:
    assert read("CHARSET utf-8 SUBJECT {5+}\r\nHäus".encode()).key == And((Header("subject", "Häus"),))
    assert read(b"CHARSET KOI8-R SUBJECT {1+}\r\n\xff").charset == b"KOI8-R"
    with pytest.raises(ParseError):
        read(b"CHARSET UTF-8 SUBJECT {1+}\r\n\xff")
    assert read('SUBJECT "ä"'.encode()).key == And((Header("subject", "ä"),))


def test_return_options() -> None:
    assert read(b"ALL").returns is None
    assert read(b"RETURN () ALL").returns == {b"ALL"}
    assert read(b"RETURN (MIN COUNT) ALL").returns == {b"MIN", b"COUNT"}


@pytest.mark.parametrize(
    "text",
    [b"", b"()", b"(SEEN", b"NOT", b"OR SEEN", b"BOGUS", b"SINCE 32-Jan-2000", b"SINCE 1-Foo-2000", b"LARGER -1",
     b"0", b"1:", b"1,,2", b"99999999999", b"UID", b"RETURN (X) ALL", b"NOT " * 100 + b"SEEN",
     b"(" * 60 + b"SEEN" + b")" * 60,
     b"SEEN " * 1001 + b"SEEN", b"SUBJECT", b"CHARSET UTF-8"],
)  # fmt: skip
def test_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        read(text)


def test_depth_below_the_bound() -> None:
    read(b"(" * MAX_DEPTH + b"SEEN" + b")" * MAX_DEPTH)


@given(st.binary(max_size=80) | st.text("()SEN NOTR1:*,", max_size=80).map(str.encode))
def test_any_bytes(text: bytes) -> None:
    with contextlib.suppress(ParseError):
        read(text)
