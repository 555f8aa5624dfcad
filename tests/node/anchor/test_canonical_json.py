"""One spelling for one value: RFC 8785's own examples, what is refused, and ECMAScript's word for numbers."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.anchor.canonical_json import CanonicalError, read, write

# RFC 8785, appendix B: the IEEE 754 bits, and what ECMAScript makes of them.
NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]


@pytest.mark.parametrize(("bits", "text"), NUMBERS)
def test_numbers_of_appendix_b(bits: str, text: str) -> None:
    assert write(struct.unpack(">d", bytes.fromhex(bits))[0]).decode() == text


def test_the_example_of_the_rfc() -> None:
    """§3.2.2 to §3.2.4: literals, numbers and strings, sorted."""
    value = json.loads(
        r"""{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
        "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}"""
    )
    expected = (
        "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a5b3333333333333333332e333333333333"
        "332c31652b33302c342e352c302e3030322c31652d32375d2c22737472696e67223a22e282ac245c75303030665c6e4127425c225c5c5c5c"
        "5c222f227d"
    )
    assert write(value).hex() == expected


def test_names_are_sorted_by_utf_16() -> None:
    """§3.2.3's example."""
    names = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    written = json.loads(write(dict.fromkeys(names, 0)), object_pairs_hook=lambda pairs: [name for name, _ in pairs])
    assert written == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(-(2**53) + 1, 2**53 - 1)  # beyond, one without a fraction is written like an integer
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(values)
def test_what_is_written_is_read_as_the_same_value_and_the_same_bytes(value: object) -> None:
    try:
        written = write(value)  # type: ignore[arg-type]
    except CanonicalError:  # a lone surrogate in a name
        return
    assert json.loads(written) == value
    assert write(read(written)) == written


@given(st.binary(max_size=64))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    try:
        value = read(octets)
    except CanonicalError:
        return
    assert write(value) == octets


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b'{"a":1} ',
        b'{ "a":1}',
        b'{"b":1,"a":2}',
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":01}',
        b'{"a":1e2}',
        b'{"a":-0}',
        b'{"a":"\\u0041"}',
        b'{"a":NaN}',
        b'{"a":9007199254740992}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"a":"\\ud800"}',
        b"\xff",
        b"[" * 100_000,
        b"[" * 40 + b"]" * 40,
        b" " * (1 << 20) + b"1",
    ],
)
def test_another_spelling_is_refused(text: bytes) -> None:
    with pytest.raises(CanonicalError):
        read(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1 << 53, "\ud800", {1: 2}, b"x", object()])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(CanonicalError):
        write(value)  # type: ignore[arg-type]
