"""DIDs and DID URLs: what is one, what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.did.syntax import MAX_LENGTH, Did, DidUrl, parse, parse_url
from identity.refusal import Reason, Refusal


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("did:key:z6Mk", DidUrl(Did("key", "z6Mk"))),
        ("did:web:example.org%3A8443:people:ann", DidUrl(Did("web", "example.org%3A8443:people:ann"))),
        ("did:example:123#key-1", DidUrl(Did("example", "123"), fragment="key-1")),
        ("did:example:123/a/b?c=d#e", DidUrl(Did("example", "123"), "/a/b", "c=d", "e")),
        ("did:example:123?#", DidUrl(Did("example", "123"), query="", fragment="")),
        ("did:example::::x", DidUrl(Did("example", ":::x"))),
    ],
)
def test_urls_of_the_grammar(text: str, expected: DidUrl) -> None:
    assert parse_url(text) == expected
    assert str(expected) == text


@pytest.mark.parametrize(
    "text",
    ["", "did:", "did:key", "did:key:", "did::x", "DID:key:x", "did:KEY:x", "did:key:x:", "did:key:a b", "did:key:%4",
     "did:key:a\n", " did:key:a", "did:key:ä", "did:key:a#b#c", "did:key:a/<", "urn:key:a", "did:a-b:c"],
)  # fmt: skip
def test_what_is_no_did(text: str) -> None:
    found = parse_url(text)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.MALFORMED


def test_a_did_stands_alone() -> None:
    assert parse("did:example:1") == Did("example", "1")
    for text in ("did:example:1#a", "did:example:1?", "did:example:1/"):
        assert isinstance(parse(text), Refusal)


def test_length_is_bounded() -> None:
    found = parse_url("did:a:" + "x" * MAX_LENGTH)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.TOO_LONG


@given(st.text(alphabet="did:key#?/%41.-_ \n", max_size=60))
def test_reading_and_writing_are_each_others_reverse(text: str) -> None:
    found = parse_url(text)
    assert isinstance(found, Refusal) or str(found) == text
