"""Whose name a message bears, however it is written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mailauth.dmarc_author import author

BODY = b"\r\n\r\nFrom: in@the.body.example\r\n"


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        ("ann@far.example", "far.example"),
        ("Ann <ann@FAR.example>", "far.example"),
        ("Ann <ann@far.example.>", "far.example"),
        ('"bank@bank.example" <ann@far.example>', "far.example"),
        ('"<bank@bank.example>" <ann@far.example>', "far.example"),
        ("Ann (of <bank@bank.example>) <ann@far.example>", "far.example"),
        ("Ann\r\n <ann@far.example>", "far.example"),
        ("A: ann@far.example;", "far.example"),  # RFC 6854
        ("ann@far.example, bob@far.example", "far.example"),
        ('"a@b"@far.example', "far.example"),
        ("<@relay.example:ann@far.example>", "far.example"),
        ("jörg@bücher.example", "xn--bcher-kva.example"),
        ("ann@xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("ann@ｂａｎｋ.example", "bank.example"),  # full-width letters fold to the real name, and so does its policy
        ("ann@bank。example", "bank.example"),  # as does an ideographic full stop
        ("ann@b\u0430nk.example", "xn--bnk-6cd.example"),  # Cyrillic a: another domain, and it says so
        ("ann@some_host.far.example", "some_host.far.example"),
        ("ann@-odd-.far.example", "-odd-.far.example"),
        ("ann@localhost", "localhost"),
    ],
)
def test_one_author(value: str, domain: str) -> None:
    found = author(b"Subject: x\r\nFrom: " + value.encode() + BODY)
    assert found.domain == domain
    assert (found.fields, found.unreadable) == (1, False)


@pytest.mark.parametrize(
    "value",
    ["", "Ann", "ann@", "undisclosed:;", "ann@[192.0.2.1]", "ann@far..example", f"ann@{'a' * 64}.example",
     f"ann@{'a.' * 130}example", "ann@xn--\udcff.example", "ann@\u2028.example", "ann@far .example\x00"],
)  # fmt: skip
def test_no_author(value: str) -> None:
    found = author(b"From: " + value.encode("utf-8", "surrogateescape") + BODY)
    assert not found.domain


@pytest.mark.parametrize(
    ("header", "domains", "fields"),
    [
        (b"From: ann@far.example, bob@bank.example", ("far.example", "bank.example"), 1),
        (b"From: A: ann@far.example, bob@bank.example;", ("far.example", "bank.example"), 1),
        (b"From: <ann@far.example> <bob@bank.example>", ("far.example", "bank.example"), 1),
        (b"From: ann@far.example\r\nFrom: bob@bank.example", ("far.example", "bank.example"), 2),
        (b"From: ann@far.example\r\nFROM : bob@far.example", ("far.example",), 2),
        (b"From: ann@far.example, bob@[192.0.2.1]", ("far.example",), 1),
    ],
)
def test_several_authors_are_nobody(header: bytes, domains: tuple[str, ...], fields: int) -> None:
    found = author(header + BODY)
    assert not found.domain
    assert (found.domains, found.fields) == (domains, fields)


def test_no_from_field() -> None:
    assert author(b"Subject: x" + BODY).fields == 0
    assert author(b"").fields == 0


def test_many_addresses_are_bounded() -> None:
    value = ", ".join(f"a@d{n}.example" for n in range(5000))
    assert len(author(b"From: " + value.encode() + BODY).domains) == 8


@given(st.binary(max_size=300))
def test_any_octets_name_an_author_or_not(value: bytes) -> None:
    found = author(b"From: " + value)
    assert found.domain == found.domain.lower()
    assert found.domain.isascii()
    assert "" not in found.domain.split(".") or not found.domain
