from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.listing import List, Lsub, matches, read_list, read_lsub
from node.wire.imap.status import StatusItem


@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=8))
def test_matching_is_what_the_expression_says(pattern: str, name: str) -> None:
    words = {"*": ".*", "%": "[^/]*"}
    expression = "".join(words.get(character) or re.escape(character) for character in pattern)
    assert matches(pattern, name) == bool(re.fullmatch(expression, name))


def test_many_wildcards_cost_nothing() -> None:
    assert not matches("%a" * 400 + "b", "a" * 1000)


def test_inbox_is_matched_in_any_spelling() -> None:
    assert matches("inb%", "INBOX")
    assert not matches("archive", "Archive")


def test_basic() -> None:
    assert read_list(Cursor(b' "" *')) == List("", ("*",))
    assert read_list(Cursor(b' "" Entw&APw-%')) == List("", ("Entwü%",))
    assert read_lsub(Cursor(b' "" "*"')) == Lsub("", "*")


def test_extended() -> None:
    text = b' (SUBSCRIBED RECURSIVEMATCH) "" ("*" %) RETURN (SPECIAL-USE STATUS (UNSEEN MESSAGES))'
    assert read_list(Cursor(text)) == List(
        "",
        ("*", "%"),
        frozenset({b"SUBSCRIBED", b"RECURSIVEMATCH"}),
        frozenset({b"SPECIAL-USE", b"STATUS"}),
        (StatusItem.UNSEEN, StatusItem.MESSAGES),
        extended=True,
    )


@pytest.mark.parametrize(
    "text",
    [b' (RECURSIVEMATCH) "" *', b' (BOGUS) "" *', b' "" ()', b' "" * RETURN (BOGUS)', b' "" * RETURN (STATUS ())',
     b" *", b' "" ("a"' + b' "a"' * 30 + b")"],
)  # fmt: skip
def test_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        read_list(Cursor(text))
