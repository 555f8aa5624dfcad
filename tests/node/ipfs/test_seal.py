"""Sealing: everything comes back, and nothing changed, moved, cut or borrowed is taken for it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.ipfs.cipher import fastest
from node.ipfs.seal import Cipher, Header, SealError, new_header, new_key

CHUNK = 1024
ciphers = st.sampled_from(Cipher)
contents = st.integers(0, 5000).map(lambda size: bytes(i * 7 + i // 256 & 255 for i in range(size)))


def sealed(content: bytes, key: bytes, cipher: Cipher | None = None) -> tuple[Header, list[bytes]]:
    header = new_header(len(content), CHUNK, cipher)
    return header, [header.seal(key, i, content[slice(*header.span(i))]) for i in range(header.leaves)]


@given(contents, ciphers)
def test_everything_comes_back_in_leaves_of_the_tree(content: bytes, cipher: Cipher) -> None:
    key = new_key()
    header, leaves = sealed(content, key, cipher)
    assert b"".join(header.open(key, i, leaf) for i, leaf in enumerate(leaves)) == content
    assert all(len(leaf) == CHUNK for leaf in leaves[:-1])
    assert len(leaves[-1]) <= CHUNK
    assert header.sealed_size == sum(map(len, leaves))
    assert Header.decode(leaves[0][: Header.SIZE]) == header


@given(st.integers(1, 1 << 40), st.sampled_from([1 << 10, 1 << 18, 1 << 20]), st.data())
def test_every_offset_lies_in_its_leaf(size: int, chunk: int, draw: st.DataObject) -> None:
    header = Header(bytes(16), size, chunk)
    offset = draw.draw(st.integers(0, size - 1))
    start, stop = header.span(header.leaf_at(offset))
    assert start <= offset < stop
    assert header.leaf_at(size - 1) == header.leaves - 1


@pytest.mark.parametrize(
    "size", [0, 1, CHUNK - 16 - 32, CHUNK - 16 - 31, CHUNK - 48 + CHUNK - 16, CHUNK - 48 + CHUNK - 15]
)
def test_edges(size: int) -> None:
    key = new_key()
    header, leaves = sealed(bytes(size), key)
    assert b"".join(header.open(key, i, leaf) for i, leaf in enumerate(leaves)) == bytes(size)


@given(contents, ciphers, st.data())
def test_a_changed_octet_is_noticed(content: bytes, cipher: Cipher, draw: st.DataObject) -> None:
    key = new_key()
    header, leaves = sealed(content, key, cipher)
    index = draw.draw(st.integers(0, len(leaves) - 1))
    leaf = bytearray(leaves[index])
    leaf[draw.draw(st.integers(0, len(leaf) - 1))] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(SealError):
        header.open(key, index, bytes(leaf))


@given(st.integers(2000, 5000).map(bytes), st.data())
def test_leaves_out_of_place_are_noticed(content: bytes, draw: st.DataObject) -> None:
    """Alike contents, so that nothing but the binding tells the leaves apart."""
    key = new_key()
    header, leaves = sealed(content, key)
    _, others = sealed(content, key)
    here = draw.draw(st.integers(0, len(leaves) - 1))
    there = draw.draw(st.integers(0, len(leaves) - 1).filter(lambda index: index != here))
    for wrong in (leaves[there], others[here], b"", leaves[here][:-1], leaves[here] + b"\0"):
        with pytest.raises(SealError):
            header.open(key, here, wrong)


@given(st.integers(1, 5000), st.data())
def test_a_file_cut_short_or_grown_is_noticed_on_any_leaf(size: int, draw: st.DataObject) -> None:
    key = new_key()
    header, leaves = sealed(bytes(size), key)
    other = Header(header.file_id, draw.draw(st.integers(0, 6000).filter(lambda n: n != size)), CHUNK)
    for index, leaf in enumerate(leaves):
        with pytest.raises(SealError):
            other.open(key, index, leaf)


def test_another_key_opens_nothing() -> None:
    header, leaves = sealed(b"content", new_key())
    with pytest.raises(SealError):
        header.open(new_key(), 0, leaves[0])
    with pytest.raises(SealError):
        header.open(new_key(), 1, leaves[0])


def test_a_leaf_of_the_wrong_length_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="carries"):
        new_header(10, CHUNK).seal(new_key(), 0, b"short")


@given(st.binary(max_size=40) | st.binary(min_size=28, max_size=28).map(b"WXSL".__add__))
def test_any_header_decodes_or_is_refused(data: bytes) -> None:
    try:
        header = Header.decode(data)
    except SealError:
        return
    assert header.encode() == data


@pytest.mark.parametrize(
    ("at", "octet", "why"),
    [(0, 0x77, "no sealed file"), (4, 2, "version 2"), (5, 9, "cipher 9"), (6, 40, "sizes"), (7, 1, "sizes")],
)
def test_headers_are_refused_by_name(at: int, octet: int, why: str) -> None:
    data = bytearray(new_header(5, CHUNK).encode())
    data[at] = octet
    with pytest.raises(SealError, match=why):
        Header.decode(bytes(data))


# Header, key 20..3f, file id 00..0f. Of the short ones, the second was opened with another implementation's AES-GCM.
KNOWN_HELLO = {
    Cipher.XCHACHA20_POLY1305: "5758534c01010a00000102030405060708090a0b0c0d0e0f0000000000000005"
    "711d7f4ae5d83c901872b9084d7cb81f09b3c63f3a",
    Cipher.AES_256_GCM: "5758534c01020a00000102030405060708090a0b0c0d0e0f0000000000000005"
    "8b4b8d35fb81fbb70b4fa151c4004d6c2c3a46e67e",
}
KNOWN_LONG = {  # SHA-256 of three leaves
    Cipher.XCHACHA20_POLY1305: "e2b63b467e66020abbf32a0f11b7636518131f30a634a95d6c40dddb6fe95892",
    Cipher.AES_256_GCM: "f4d279712321a5ce21760f395a5d114126b40bf612e8141abcc593df29fd99fc",
}


@pytest.mark.parametrize("cipher", Cipher)
def test_known_answers(cipher: Cipher) -> None:
    key, file_id = bytes(range(32, 64)), bytes(range(16))
    assert Header(file_id, 5, CHUNK, cipher).seal(key, 0, b"hello").hex() == KNOWN_HELLO[cipher]
    content = (bytes(range(256)) * 9)[:2100]
    header = Header(file_id, len(content), CHUNK, cipher)
    leaves = [header.seal(key, i, content[slice(*header.span(i))]) for i in range(header.leaves)]
    assert hashlib.sha256(b"".join(leaves)).hexdigest() == KNOWN_LONG[cipher]
    assert b"".join(header.open(key, i, leaf) for i, leaf in enumerate(leaves)) == content


def test_what_one_cipher_sealed_another_does_not_open() -> None:
    key = new_key()
    first, second = (Header(bytes(16), 5, CHUNK, cipher) for cipher in Cipher)
    leaf = first.seal(key, 0, b"hello")
    with pytest.raises(SealError, match="another header"):
        second.open(key, 0, leaf)
    with pytest.raises(SealError, match="damaged"):
        second.open(key, 0, second.encode() + leaf[Header.SIZE :])


def test_a_new_file_is_sealed_with_the_cipher_that_was_measured_fastest() -> None:
    assert new_header(5, CHUNK).cipher is fastest()
    assert new_header(5, CHUNK, Cipher.XCHACHA20_POLY1305).cipher is Cipher.XCHACHA20_POLY1305
