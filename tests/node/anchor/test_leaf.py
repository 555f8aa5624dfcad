"""The leaf's bytes are a format others implement: these vectors must never change."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.anchor.leaf import SIZES, Direction, EventLeaf, Leaf, Outcome, decode

HI = hashlib.sha256(b"Subject: hi\r\n\r\nhello\r\n").digest()
EMPTY = hashlib.sha256(b"").digest()
SALT = bytes(range(32))
POLICY = hashlib.sha256(b'{"version":"waxseal.policy/1"}').digest()
EVENT = hashlib.sha256(b'{"version":"waxseal.event/1"}').digest()

VECTORS = [
    (
        Leaf(HI, Direction.RECEIVED, 1763676000, SALT),
        "01000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        "152f17ac7a38f5d25376dd86328a96a17551fa061a49aa32649ee50c07d9c7c20100000000691f8f60",
        "ec6f4954fa8ea398254069aa917cdb84107d8b4f9f0eefeac5c6109324e2cc63",
        "0d3502782d3ab29484ccdbff7a5092da122b2f3f78213ca96e6eed71b0921f34",
    ),
    (
        Leaf(EMPTY, Direction.SUBMITTED, 0, bytes(32)),
        "01" + "00" * 32 + "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855020000000000000000",
        "b5101708b5cabd57fe4c9578474a01c15b82cfd460d0789b67f13ef632549509",
        "9b0c14dfb09f39fa53ceb49ee3e2b44a9aefe85832c0974546259d3fae5addef",
    ),
    (
        Leaf(HI, Direction.RECEIVED, 1763676000, SALT, Outcome.JUNK, POLICY),
        "02000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        "152f17ac7a38f5d25376dd86328a96a17551fa061a49aa32649ee50c07d9c7c20100000000691f8f60"
        "02" + POLICY.hex(),
        "6716f1b0eb96c7ddd28a40584b70f1c9532c4258ccc33ed32d51ebce23b85700",
        "7f2c8a1ff54d109535354265b464818c02379b7863e06f523403788476c923eb",
    ),
    (
        EventLeaf(EVENT, 1763676000, SALT),
        "03000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" + EVENT.hex() + "00000000691f8f60",
        "4c3f4729d540ca7883762b99187ab0ff6305fb9997a6cff9758e9c9b331721b6",
        "7a69c83d76a369402cb23d48501368d41c9b28997f22fccb26c9b828aff54d0f",
    ),
]


@pytest.mark.parametrize(("leaf", "encoded", "entry", "hashed"), VECTORS)
def test_vectors(leaf: Leaf | EventLeaf, encoded: str, entry: str, hashed: str) -> None:
    assert leaf.encode().hex() == encoded
    assert leaf.entry.hex() == entry
    assert leaf.hash.hex() == hashed
    assert decode(bytes.fromhex(encoded)) == leaf


def test_the_documentation_gives_the_same_vectors() -> None:
    text = (Path(__file__).parents[3] / "docs" / "proof.md").read_text("utf-8")
    for _, _, entry, hashed in VECTORS:
        assert entry in text
        assert hashed in text


def test_the_numbers_of_outcomes_are_fixed() -> None:
    assert {outcome.value: outcome.code for outcome in Outcome} == {
        "inbox": 1,
        "junk": 2,
        "held": 3,
        "sent": 4,
        "divided": 5,
    }


hashes = st.binary(min_size=32, max_size=32)
times = st.integers(0, (1 << 63) - 1)
leaves = (
    st.builds(Leaf, hashes, st.sampled_from(Direction), times, hashes)
    | st.builds(Leaf, hashes, st.sampled_from(Direction), times, hashes, st.sampled_from(Outcome), hashes)
    | st.builds(EventLeaf, hashes, times, hashes)
)


@given(leaves, leaves)
def test_different_leaves_have_different_encodings(one: Leaf | EventLeaf, other: Leaf | EventLeaf) -> None:
    assert len(one.encode()) == SIZES[one.encode()[0]]
    assert (one.encode() == other.encode()) == (one == other)


@given(leaves)
def test_a_leaf_can_be_read_back(leaf: Leaf | EventLeaf) -> None:
    assert decode(leaf.encode()) == leaf


@given(leaves.map(lambda leaf: leaf.encode()), st.data())
def test_an_encoding_is_the_only_one_of_its_leaf(encoded: bytes, data: st.DataObject) -> None:
    """Change, cut or lengthen it: it is another leaf, or none, and never one with a second spelling."""
    at = data.draw(st.integers(0, len(encoded) - 1))
    octet = data.draw(st.integers(0, 255))
    changed = data.draw(
        st.sampled_from([encoded[:at] + bytes([octet]) + encoded[at + 1 :], encoded[:at], encoded + bytes([octet])])
    )
    try:
        leaf = decode(changed)
    except ValueError:
        return
    assert leaf.encode() == changed
    assert (leaf == decode(encoded)) == (changed == encoded)


@given(st.binary(max_size=120))
def test_whatever_decodes_encodes_to_the_same_bytes(encoded: bytes) -> None:
    try:
        leaf = decode(encoded)
    except ValueError:
        return
    assert leaf.encode() == encoded


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"\0" * 74,
        b"\4" + b"\0" * 73,
        b"\1" + b"\0" * 64 + b"\3" + b"\0" * 8,  # direction 3
        b"\2" + b"\0" * 64 + b"\1" + b"\0" * 8 + b"\0" + b"\0" * 32,  # outcome 0
        b"\2" + b"\0" * 64 + b"\1" + b"\0" * 8 + b"\6" + b"\0" * 32,  # outcome 6
        b"\3" + b"\0" * 64 + struct.pack(">Q", 1 << 63),
    ],
)
def test_what_is_no_leaf_is_refused(encoded: bytes) -> None:
    with pytest.raises(ValueError, match="no "):
        decode(encoded)


@pytest.mark.parametrize(("digest", "salt", "time"), [(31, 32, 0), (33, 32, 0), (32, 0, 0), (32, 33, 0), (32, 32, -1)])
def test_a_field_of_another_size_is_refused(digest: int, salt: int, time: int) -> None:
    with pytest.raises(ValueError, match=r"leaf needs|no time"):
        Leaf(bytes(digest), Direction.RECEIVED, time, bytes(salt))
    with pytest.raises(ValueError, match=r"leaf needs|no time"):
        EventLeaf(bytes(digest), time, bytes(salt))


@pytest.mark.parametrize(("outcome", "policy"), [(None, POLICY), (Outcome.INBOX, b""), (Outcome.INBOX, POLICY[:31])])
def test_outcome_and_policy_come_together(outcome: Outcome | None, policy: bytes) -> None:
    with pytest.raises(ValueError, match="or neither"):
        Leaf(HI, Direction.RECEIVED, 0, SALT, outcome, policy)
