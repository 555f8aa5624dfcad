"""Canonical forms: RFC 6376's own example, the rules as properties, and dkimpy's word on anything."""

from __future__ import annotations

import hashlib
import tracemalloc

import pytest
from dkim.canonicalization import CanonicalizationPolicy
from hypothesis import given
from hypothesis import strategies as st

from node.mailauth.canonical import (
    BodyForm,
    BodyHasher,
    CanonicalBody,
    Canonicalisation,
    body_hashes,
    canonical_field,
    header_fields,
)

SIMPLE, RELAXED = Canonicalisation.SIMPLE, Canonicalisation.RELAXED

pieces = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"bc", b"  ", b"\r\n\r\n"]), max_size=40).map(b"".join)
hostile = st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"\r", b"\n", b"a", b"\0"]), max_size=30).map(b"".join)


def whole(body: bytes, how: Canonicalisation) -> bytes:
    form = CanonicalBody(how)
    return form.feed(body) + form.finish()


def test_example_of_the_standard() -> None:
    header = b"A: X\r\nB : Y\t\r\n\tZ  \r\n"  # RFC 6376 §3.4.5
    body = b" C \r\nD \t E\r\n\r\n\r\n"
    fields = header_fields(header)
    assert b"".join(canonical_field(field, RELAXED) for field in fields) == b"a:X\r\nb:Y Z\r\n"
    assert b"".join(canonical_field(field, SIMPLE) for field in fields) == header
    assert whole(body, RELAXED) == b" C\r\nD E\r\n"
    assert whole(body, SIMPLE) == b" C \r\nD \t E\r\n"


def test_empty_bodies() -> None:
    for body in (b"", b"\r\n", b"\r\n" * 5):
        assert whole(body, SIMPLE) == b"\r\n"
        assert whole(body, RELAXED) == b""


@given(pieces.map(lambda body: body + b"\r\n" if body else body), st.sampled_from(Canonicalisation))
def test_bodies_are_what_dkimpy_makes_of_them(body: bytes, how: Canonicalisation) -> None:
    name = how.encode()
    assert whole(body, how) == CanonicalizationPolicy.from_c_value(name + b"/" + name).canonicalize_body(body)


@given(hostile, st.sampled_from(Canonicalisation), st.data())
def test_it_does_not_matter_how_a_body_is_cut(body: bytes, how: Canonicalisation, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
    form, made = CanonicalBody(how), b""
    for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True):
        made += form.feed(body[start:end])
    assert made + form.finish() == whole(body, how)


@given(hostile, st.sampled_from(Canonicalisation))
def test_a_canonical_body_is_its_own_canonical_form(body: bytes, how: Canonicalisation) -> None:
    once = whole(body, how)
    assert once == b"" or once.endswith(b"\r\n")
    assert whole(once, how) == once or once == b""


@given(pieces)
def test_fields_are_what_dkimpy_makes_of_them(value: bytes) -> None:
    folded = value.replace(b"\r\n", b"\r\n ")
    field = header_fields(b"Subject:" + folded + b"\r\n")[0]
    policy = CanonicalizationPolicy.from_c_value(b"relaxed/relaxed")
    name, text = policy.canonicalize_headers([(b"Subject", folded + b"\r\n")])[0]
    assert canonical_field(field, RELAXED) == name + b":" + text


@given(st.binary(max_size=200))
def test_any_header_is_cut_into_fields(header: bytes) -> None:
    for field in header_fields(header):
        assert field.raw.endswith(b"\r\n")
        assert field.raw.lower().startswith(field.name)
        assert canonical_field(field, RELAXED).startswith(field.name + b":")


def test_lines_that_are_no_field_are_left_out() -> None:
    header = b"From someone Sat\r\n lonely fold\r\nA: 1\r\nno field\r\n\tits fold\r\nB:2"
    assert [field.raw for field in header_fields(header)] == [b"A: 1\r\n", b"B:2\r\n"]


def test_many_hashes_share_one_pass() -> None:
    body = b"one  two\r\n three \r\n\r\n"
    forms = [BodyForm(SIMPLE), BodyForm(RELAXED), BodyForm(RELAXED, 4), BodyForm(SIMPLE, 0), BodyForm(RELAXED)]
    made = body_hashes(body, forms, block=3)
    assert made[BodyForm(RELAXED)].digest == hashlib.sha256(b"one two\r\n three\r\n").digest()
    assert made[BodyForm(RELAXED, 4)].digest == hashlib.sha256(b"one ").digest()
    assert made[BodyForm(SIMPLE, 0)].digest == hashlib.sha256(b"").digest()
    assert made[BodyForm(SIMPLE)].total == len(b"one  two\r\n three \r\n")
    assert len(made) == 4


@pytest.mark.parametrize("piece", [b" ", b"\r\n", b"\r", b"text\t\r\n", b" \t \r\n"])
def test_a_body_costs_no_memory_however_long(piece: bytes) -> None:
    hasher, block = BodyHasher([BodyForm(SIMPLE), BodyForm(RELAXED)]), piece * ((1 << 18) // len(piece))
    hasher.feed(block)
    tracemalloc.start()
    for _ in range(20):
        hasher.feed(block)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 << 20
    assert kept < 1 << 16
