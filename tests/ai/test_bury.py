"""Hiding spam in ham: the mail of which recall is measured really holds both."""

from __future__ import annotations

from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.bury import WORDS, bury, ham_words
from ai.view import text_view

HAM = [f"word{number}" for number in range(2000)]


def spam(html: bool) -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = "Pills <x@pills.example>", "Grüße"
    message["Received"] = "from nowhere"
    message.set_content("buy cheap pills")
    if html:
        message.add_alternative("<html><body><b>buy cheap pills</b></body></html>", subtype="html")
    return message.as_bytes()


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_ham_stands_where_it_should(html: bool, after: bool) -> None:
    hidden = bury(spam(html), HAM, 3, after=after)
    assert hidden
    view = text_view(hidden)
    at, ham = view.text.index("buy cheap pills"), view.text.index("word")
    assert (at < ham) is after
    assert len(view.text.split()) >= WORDS
    assert (view.subject, view.from_domain) == ("Grüße", "pills.example")
    assert b"Received" not in hidden


def test_the_same_seed_gives_the_same_mail() -> None:
    assert bury(spam(True), HAM, 1, after=True) == bury(spam(True), HAM, 1, after=True)
    assert bury(spam(True), HAM, 1, after=True) != bury(spam(True), HAM, 2, after=True)


def test_without_text_or_ham_there_is_nothing_to_hide() -> None:
    assert bury(b"Subject: x\n\n", HAM, 1, after=True) is None
    assert bury(spam(False), HAM[:10], 1, after=True) is None


def test_words_of_ham_are_bounded() -> None:
    assert ham_words([spam(False)] * 3, most=5) == ["buy", "cheap", "pills", "buy", "cheap"]


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=800), st.booleans())
def test_any_bytes_can_be_hidden_or_are_not_mail(raw: bytes, after: bool) -> None:
    hidden = bury(raw, HAM, 1, after=after)
    assert hidden is None or "word" in text_view(hidden).text
