from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.mutf7 import decode, encode, mailbox


@given(st.text(st.characters(exclude_categories=("Cs",))))
def test_round_trip(name: str) -> None:
    assert decode(encode(name)) == name


@given(st.binary(max_size=40) | st.text("&,-AZaz09+/ ~", max_size=20).map(str.encode))
def test_only_one_spelling_is_accepted(data: bytes) -> None:
    try:
        name = decode(data)
    except ParseError:
        return
    assert encode(name) == data


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("Entwürfe", b"Entw&APw-rfe"),
        ("a&b", b"a&-b"),
        ("~peter/mail/台北/日本語", b"~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
        ("😀", b"&2D3eAA-"),
    ],
)
def test_known_names(name: str, wire: bytes) -> None:
    assert (encode(name), decode(wire)) == (wire, name)


@pytest.mark.parametrize(
    "data", [b"&", b"&AGE-", b"&A-", b"&2D0-", b"&AOQ-&APY-", b"\xc3\xa4", b"a\tb", b"&AOQ", b"&!-"]
)
def test_refused(data: bytes) -> None:
    with pytest.raises(ParseError):
        decode(data)


def test_inbox_in_any_spelling() -> None:
    assert mailbox(Cursor(b"iNbOx")) == "INBOX"
    with pytest.raises(ParseError):
        mailbox(Cursor(b"x" * 1001))
