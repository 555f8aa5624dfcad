"""The leaf's bytes are a format others implement: these vectors must never change."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.anchor.leaf import SIZE, Direction, Leaf

VECTORS = [
    (
        Leaf(
            hashlib.sha256(b"Subject: hi\r\n\r\nhello\r\n").digest(), Direction.RECEIVED, 1763676000, bytes(range(32))
        ),
        "01000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
        "152f17ac7a38f5d25376dd86328a96a17551fa061a49aa32649ee50c07d9c7c20100000000691f8f60",
        "ec6f4954fa8ea398254069aa917cdb84107d8b4f9f0eefeac5c6109324e2cc63",
        "0d3502782d3ab29484ccdbff7a5092da122b2f3f78213ca96e6eed71b0921f34",
    ),
    (
        Leaf(hashlib.sha256(b"").digest(), Direction.SUBMITTED, 0, bytes(32)),
        "01" + "00" * 32 + "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855020000000000000000",
        "b5101708b5cabd57fe4c9578474a01c15b82cfd460d0789b67f13ef632549509",
        "9b0c14dfb09f39fa53ceb49ee3e2b44a9aefe85832c0974546259d3fae5addef",
    ),
]


@pytest.mark.parametrize(("leaf", "encoded", "entry", "hashed"), VECTORS)
def test_vectors(leaf: Leaf, encoded: str, entry: str, hashed: str) -> None:
    assert leaf.encode().hex() == encoded
    assert leaf.entry.hex() == entry
    assert leaf.hash.hex() == hashed


def test_the_documentation_gives_the_same_vectors() -> None:
    text = (Path(__file__).parents[3] / "docs" / "proof.md").read_text("utf-8")
    for _, _, entry, hashed in VECTORS:
        assert entry in text
        assert hashed in text


leaves = st.builds(
    Leaf,
    st.binary(min_size=32, max_size=32),
    st.sampled_from(Direction),
    st.integers(0, (1 << 63) - 1),
    st.binary(min_size=32, max_size=32),
)


@given(leaves, leaves)
def test_different_leaves_have_different_encodings_of_one_length(one: Leaf, other: Leaf) -> None:
    assert len(one.encode()) == SIZE
    assert (one.encode() == other.encode()) == (one == other)


@pytest.mark.parametrize(("digest", "salt", "time"), [(31, 32, 0), (33, 32, 0), (32, 0, 0), (32, 33, 0), (32, 32, -1)])
def test_a_field_of_another_size_is_refused(digest: int, salt: int, time: int) -> None:
    with pytest.raises(ValueError, match=r"leaf needs|no time"):
        Leaf(bytes(digest), Direction.RECEIVED, time, bytes(salt))
