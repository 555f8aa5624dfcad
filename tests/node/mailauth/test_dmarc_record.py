"""DMARC policy records, tag by tag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mailauth.dmarc_record import Policy, Record, ReportUri, is_record, parse_record


def record(text: str) -> Record:
    found = parse_record(text.encode())
    assert found is not None
    return found


def test_defaults() -> None:  # RFC 9989 §4.7
    assert record("v=DMARC1; p=reject") == Record(Policy.REJECT)
    assert record("v=DMARC1; p=none") == Record()


def test_every_tag() -> None:
    text = (
        "v=DMARC1;p=reject;sp=quarantine;np=none;adkim=s;aspf=s;t=y;pct=42;psd=n;fo=1:d:s;ri=3600;"
        "rua=mailto:a@x.example!10m,mailto:b%2Bc@x.example;ruf=mailto:f@x.example"
    )
    assert record(text) == Record(
        p=Policy.REJECT,
        sp=Policy.QUARANTINE,
        np=Policy.NONE,
        strict_dkim=True,
        strict_spf=True,
        testing=True,
        pct=42,
        psd="n",
        fo="1ds",
        ri=3600,
        rua=(ReportUri("a@x.example", 10 << 20), ReportUri("b+c@x.example")),
        ruf=(ReportUri("f@x.example"),),
    )


@pytest.mark.parametrize(
    "text",
    [
        "v=DMARC1",
        "v=DMARC1;",
        "v = DMARC1 ; p=none",
        "V=DMARC1;p=none",
        "v=DMARC1\t;\tp\t=\tnone\t;",
        "v=DMARC1;;p=none;",
    ],
)
def test_what_is_a_record(text: str) -> None:
    assert is_record(text.encode())
    assert record(text).p is Policy.NONE


@pytest.mark.parametrize(
    "text",
    ["", "v=DMARC2; p=none", "v=dmarc1; p=none", " v=DMARC1; p=none", "p=none; v=DMARC1", "v=DMARC1 p=none",
     "v=DMARC10; p=none", "v=spf1 -all", "DMARC1; p=none", '"v=DMARC1; p=none"'],
)  # fmt: skip
def test_what_is_none(text: str) -> None:  # RFC 9989 §4.7, v
    assert not is_record(text.encode())
    assert parse_record(text.encode()) is None


@pytest.mark.parametrize(
    ("text", "applies", "p"),
    [
        ("v=DMARC1; p=rejct", False, Policy.NONE),
        ("v=DMARC1; p=rejct; rua=mailto:a@x.example", True, Policy.NONE),
        ("v=DMARC1; rua=mailto:a@x.example", True, Policy.NONE),
        ("v=DMARC1", False, Policy.NONE),
        ("v=DMARC1; p=reject; sp=nonsense", False, Policy.NONE),
        ("v=DMARC1; p=reject; np=nonsense; rua=mailto:a@x.example", True, Policy.NONE),
        ("v=DMARC1; p=rejct; rua=nonsense", False, Policy.NONE),
        ("v=DMARC1; p=rejct; rua=https://x.example/reports", True, Policy.NONE),  # valid, though of no use here
        ("v=DMARC1; p=REJECT", True, Policy.REJECT),
    ],
)
def test_a_faulty_policy(text: str, applies: bool, p: Policy) -> None:  # RFC 9989 §4.10.1
    found = record(text)
    assert (found.applies, found.p, found.sp, found.np) == (applies, p, None, None)


@pytest.mark.parametrize(
    "slip",
    ["adkim=x", "aspf=relaxed", "t=1", "psd=maybe", "pct=101", "pct=-1", "pct=ten", "fo=0:x", "fo=", "nonsense", "=x",
     "p=none", "ri=99999999999", "rua=nonsense", "adkim=\u00e9"],
)  # fmt: skip
def test_a_faulty_tag_counts_as_absent_and_is_told(slip: str) -> None:
    found = record(f"v=DMARC1; p=reject; {slip}")
    assert len(found.slips) == 1
    assert found == Record(Policy.REJECT, slips=found.slips)


def test_unknown_tags_are_nothing_to_complain_of() -> None:
    assert record("v=DMARC1; p=reject; x=y; rf=afrf") == Record(Policy.REJECT)


def test_addresses_are_bounded_and_other_schemes_left_out() -> None:
    many = ",".join(f"mailto:r{n}@x.example" for n in range(50))
    assert len(record(f"v=DMARC1; p=none; rua={many}").rua) == 10
    assert record("v=DMARC1; p=none; rua=https://x.example/,mailto:a@x.example").rua == (ReportUri("a@x.example"),)


@given(st.binary(max_size=200))
def test_any_octets_behind_the_version_are_read(rest: bytes) -> None:
    found = parse_record(b"v=DMARC1;" + rest)
    assert found is not None
    assert found.p in Policy
    assert 0 <= found.pct <= 100


@given(st.binary(max_size=60))
def test_any_octets_are_a_record_or_not(text: bytes) -> None:
    assert (parse_record(text) is not None) == is_record(text)


def test_levels() -> None:
    assert [policy.milder for policy in Policy] == [Policy.NONE, Policy.NONE, Policy.QUARANTINE]
    assert [policy.strictness for policy in Policy] == [0, 1, 2]


def test_subdomains() -> None:  # RFC 9989 §4.7, sp and np
    both = Record(Policy.REJECT, sp=Policy.QUARANTINE, np=Policy.NONE)
    assert both.for_subdomain(exists=True) is Policy.QUARANTINE
    assert both.for_subdomain(exists=False) is Policy.NONE
    assert Record(Policy.REJECT, sp=Policy.NONE).for_subdomain(exists=False) is Policy.NONE
    assert Record(Policy.REJECT, np=Policy.NONE).for_subdomain(exists=True) is Policy.REJECT
