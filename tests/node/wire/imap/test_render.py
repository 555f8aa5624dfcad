from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.wire.imap.lexer import Cursor
from node.wire.imap.render import astring, nstring, status, string

TEXTS = st.binary(max_size=60).map(lambda data: data.replace(b"\0", b""))


@given(TEXTS)
def test_strings_read_back(data: bytes) -> None:
    for render, read in ((string, Cursor.string), (astring, Cursor.astring), (nstring, Cursor.nstring)):
        cursor = Cursor(render(data))
        assert read(cursor) == data
        cursor.end()


def test_nil() -> None:
    assert nstring(None) == b"NIL"
    assert astring(b"nil") == b'"nil"'
    assert astring(b"") == b'""'


def test_a_status_stays_on_one_line() -> None:
    assert status(b"a", b"NO", "x\r\n* BYE", b"TRYCREATE") == b"a NO [TRYCREATE] x * BYE\r\n"
    assert status(b"*", b"OK", "") == b"* OK done\r\n"
