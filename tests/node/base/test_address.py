"""Addresses parse as RFC 5321 and RFC 6531 have them, and compare the way mail is routed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.base.address import Address, AddressError, normalize_domain, parse_address


@pytest.mark.parametrize(
    ("text", "local", "domain"),
    [
        ("ann@example.org", "ann", "example.org"),
        ("Ann.Lee+x@EXAMPLE.Org", "Ann.Lee+x", "example.org"),
        ('"a b"@example.org', "a b", "example.org"),
        ('"a\\"b@c"@example.org', 'a"b@c', "example.org"),
        ("ann@[127.0.0.1]", "ann", "[127.0.0.1]"),
        ("büro@bücher.example", "büro", "xn--bcher-kva.example"),
        ("ann@example.org.", "ann", "example.org"),
    ],
)
def test_valid(text: str, local: str, domain: str) -> None:
    assert parse_address(text) == Address(local, domain)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "a..b@example.org",
        ".a@example.org",
        "a b@example.org",
        "ann@exa_mple.org",
        "ann@-x.org",
        "ann@" + "a" * 64 + ".org",
        "x" * 65 + "@example.org",
        "ann@[127.0.0.1",
        "ann@exam\nple.org",
        "a\r\nb@example.org",
        "ann@\udcff.org",
        "an\udcffn@example.org",
    ],
)
def test_invalid(text: str) -> None:
    with pytest.raises(AddressError):
        parse_address(text)


def test_key_ignores_case() -> None:
    assert parse_address("Ann@Example.ORG").key == parse_address("ann@example.org").key


@given(st.text(max_size=300))
def test_any_text_is_an_address_or_a_clear_refusal(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressError:
        return
    assert parse_address(str(address)) == address


@given(st.text(max_size=300))
def test_normalising_a_domain_twice_changes_nothing(text: str) -> None:
    try:
        once = normalize_domain(text)
    except AddressError:
        return
    assert normalize_domain(once) == once
