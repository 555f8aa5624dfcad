"""Which addresses people may take for themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.auth.local_parts import mistake
from node.base.address import parse_address


@pytest.mark.parametrize("local", ["ann", "ann.b", "a-1_b", "x" * 32, "007", "eth", "ann.ether"])
def test_plain_names_may_be_had(local: str) -> None:
    assert mistake(local) == ""


@pytest.mark.parametrize(
    ("local", "words"),
    [
        ("", "3 to 32"),
        ("ab", "3 to 32"),
        ("x" * 33, "3 to 32"),
        *[
            (odd, "letters a to z")
            for odd in ("a..b", ".ab", "ab.", "a+b", "a b", "Ann", "änn", "аnn", 'a"b', "ann\n", "a@b")
        ],
        *[(name, "reserved") for name in ("postmaster", "admin", "ad.min", "no_reply", "mta-sts", "ssladmin", "abuse")],
        ("boss", "reserved"),
        *[(name, "ENS") for name in ("alice.eth", "0x1a642f0e3c3af545e7acbd38b07251", "0xabc")],
    ],
)
def test_others_may_not(local: str, words: str) -> None:
    assert words in mistake(local, ["boss"])


@given(st.text(max_size=40))
def test_whatever_may_be_had_is_an_address_that_says_what_it_is(local: str) -> None:
    if not mistake(local):
        assert str(parse_address(f"{local}@a.example")) == f"{local}@a.example"
        assert local.isascii()
