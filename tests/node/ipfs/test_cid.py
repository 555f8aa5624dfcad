"""CIDs: known names, one spelling each, and refusals by name."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.ipfs.cid import Cid, CidError, Codec

EMPTY = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
HELLO = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
cids = st.builds(Cid, st.sampled_from(Codec), st.binary(min_size=32, max_size=32))


@pytest.mark.parametrize(("content", "text"), [(b"", EMPTY), (b"hello world", HELLO)])
def test_known_names(content: bytes, text: str) -> None:
    assert str(Cid.of(Codec.RAW, content)) == text
    assert Cid.parse(text).names(content)
    assert not Cid.parse(text).names(content + b"x")


@given(cids)
def test_text_and_bytes_come_back(cid: Cid) -> None:
    assert Cid.parse(str(cid)) == cid
    assert Cid.from_bytes(bytes(cid)) == cid


@given(
    st.text(max_size=70)
    | st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567", min_size=58, max_size=60).map("b".__add__)
)
def test_any_text_is_a_cid_or_refused(text: str) -> None:
    try:
        cid = Cid.parse(text)
    except CidError:
        return
    assert str(cid) == text


@given(st.binary(max_size=40) | st.binary(min_size=32, max_size=32).map(b"\x01\x70\x12\x20".__add__))
def test_any_bytes_are_a_cid_or_refused(data: bytes) -> None:
    try:
        cid = Cid.from_bytes(data)
    except CidError:
        return
    assert bytes(cid) == data


def _text(data: bytes) -> str:
    return "b" + base64.b32encode(data).decode().rstrip("=").lower()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "b",
        EMPTY[:-1],
        EMPTY + "a",
        EMPTY.upper(),
        "b" + EMPTY[1:].upper(),
        EMPTY[:-1] + "v",  # the two bits beyond the last octet
        "z" + EMPTY[1:],
        EMPTY[:-1] + "=",
        EMPTY[:-1] + "ä",
        "QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG",  # CIDv0
        _text(b"\x02\x55\x12\x20" + bytes(32)),
        _text(b"\x01\x71\x12\x20" + bytes(32)),  # dag-cbor
        _text(b"\x01\x55\x13\x20" + bytes(32)),  # SHA-512
        _text(b"\x01\x55\x12\x1f" + bytes(32)),
    ],
)
def test_other_kinds_and_spellings_are_refused(text: str) -> None:
    with pytest.raises(CidError):
        Cid.parse(text)
