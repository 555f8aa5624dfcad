"""Multibase, multicodec and strict JSON: one spelling each, bounded, and never a crash."""

from __future__ import annotations

import json
import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity import strict_json
from identity.did import multibase


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"Hello World!", "2NEpo7TZRRrLZSi2U"),
        (
            b"The quick brown fox jumps over the lazy dog.",
            "USm3fpXnKG5EUBx2ndxBDMPVciP5hGey2Jh4NDv6gmeo1LkMeiKrLJUUBk6Z",
        ),
        (bytes.fromhex("0000287fb4cd"), "11233QC4"),
        (b"", ""),
    ],
)
def test_base58_vectors(data: bytes, text: str) -> None:
    """draft-msporny-base58-03 §5."""
    assert multibase.encode_base58(data) == text
    assert multibase.decode_base58(text) == data


@given(st.binary(max_size=100))
def test_base58_there_and_back(data: bytes) -> None:
    text = multibase.encode_base58(data)
    assert multibase.decode_base58(text) == data
    assert multibase.decode("z" + text) == data


@given(st.binary(max_size=200))
def test_base64url_there_and_back(data: bytes) -> None:
    assert multibase.decode("u" + multibase.encode_base64url(data)) == data


@pytest.mark.parametrize("text", ["A", "AA==", "AB", "A+", "A/", "AAA\n", "ä", "AAAAB"])
def test_base64url_has_one_spelling(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        multibase.decode_base64url(text)


@pytest.mark.parametrize("text", ["", "m", "f00", "z0", "zO", "zI", "zl", "z ", "z" + "2" * 257])
def test_other_bases_and_letters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        multibase.decode(text)


@given(st.integers(0, 2**28 - 1), st.binary(max_size=5))
def test_varints_there_and_back(number: int, rest: bytes) -> None:
    assert multibase.read_varint(multibase.write_varint(number) + rest) == (number, rest)


@pytest.mark.parametrize("data", [b"", b"\x80", b"\x80\x00", b"\xff\xff\xff\xff\x01", b"\xed\x80\x00"])
def test_varints_that_are_none(data: bytes) -> None:
    with pytest.raises(ValueError, match="varint"):
        multibase.read_varint(data)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "1", '"a"', "{", '{"a":1,"a":2}', '{"a":NaN}', '{"a":Infinity}', '{"a":"\\ud800"}', "{}x", "\ufeff{}",
     '{"a":' + "9" * 5000 + "}", '{"a":' * 40 + "1" + "}" * 40, '{"a":{"b":1,"b":2}}'],
)  # fmt: skip
def test_json_that_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        strict_json.loads(text.encode(), 100_000)


def test_brackets_within_strings_are_not_depth() -> None:
    assert strict_json.loads(json.dumps({"a": '[["\\' * 100}).encode(), 10_000) == {"a": '[["\\' * 100}
    assert strict_json.loads(b'{"a":"\\ud83d\\ude00"}', 100) == {"a": "\U0001f600"}


def test_size_is_bounded_before_anything_is_read() -> None:
    with pytest.raises(ValueError, match="more than"):
        strict_json.loads(b'{"a":' + b"1" * 100 + b"}", 100)


@pytest.mark.parametrize(
    "bomb", [b'"' + b'\\"' * 30_000, b'"' * 60_001, b"[" * 60_000, b'{"a":' * 12_000, b"\\" * 60_000]
)
def test_hostile_json_costs_little(bomb: bytes) -> None:
    start = time.process_time()
    with pytest.raises(ValueError, match=r".+"):
        strict_json.loads(bomb, 1 << 20)
    assert time.process_time() - start < 1


TEXT = st.text(st.characters(codec="utf-8"))
LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT


@given(st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)))
def test_any_json_reads_as_it_was_written(value: object) -> None:
    for ascii_only in (True, False):
        data = json.dumps({"value": value}, ensure_ascii=ascii_only).encode()
        assert strict_json.loads(data, 1 << 20) == {"value": value}


@given(st.binary(max_size=60) | st.text('{}[]":,\\u0d8 1', max_size=60).map(str.encode))
def test_any_octets_give_an_object_or_a_value_error(data: bytes) -> None:
    with suppress(ValueError):
        assert isinstance(strict_json.loads(data, 1000), dict)
