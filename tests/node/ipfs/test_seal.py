"""Sealing: everything comes back, and nothing changed, moved, cut or borrowed is taken for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.base.errors import ConfigError
from node.ipfs.seal import Header, Keys, SealError, new_header, new_key

CHUNK = 1024
contents = st.integers(0, 5000).map(lambda size: bytes(i * 7 + i // 256 & 255 for i in range(size)))


def sealed(content: bytes, key: bytes) -> tuple[Header, list[bytes]]:
    header = new_header(len(content), CHUNK)
    return header, [header.seal(key, i, content[slice(*header.span(i))]) for i in range(header.leaves)]


@given(contents)
def test_everything_comes_back_in_leaves_of_the_tree(content: bytes) -> None:
    key = new_key()
    header, leaves = sealed(content, key)
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


@given(contents, st.data())
def test_a_changed_octet_is_noticed(content: bytes, draw: st.DataObject) -> None:
    key = new_key()
    header, leaves = sealed(content, key)
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


# --- keys ---------------------------------------------------------------------------------------------------------


def test_a_wrapped_key_opens_for_its_account_and_file_only(tmp_path: Path) -> None:
    keys, key, file_id = Keys.open(tmp_path / "keys"), new_key(), bytes(range(16))
    wrapped = keys.wrap(key, 7, file_id)
    assert key not in wrapped
    assert Keys.open(tmp_path / "keys").unwrap(wrapped, 7, file_id) == key
    for account, file in ((8, file_id), (7, bytes(16))):
        with pytest.raises(SealError):
            keys.unwrap(wrapped, account, file)
    with pytest.raises(SealError):
        Keys.open(tmp_path / "others").unwrap(wrapped, 7, file_id)


@given(st.binary(max_size=100))
def test_any_bytes_are_no_wrapped_key(data: bytes) -> None:
    with pytest.raises(SealError):
        Keys(bytes(32)).unwrap(data, 1, bytes(16))


def test_the_key_file_is_private(tmp_path: Path) -> None:
    Keys.open(tmp_path / "keys")
    path = tmp_path / "keys" / "attachments.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in path.parent.iterdir()] == ["attachments.key"]


def test_a_key_file_others_can_read_or_of_another_size_is_refused(tmp_path: Path) -> None:
    Keys.open(tmp_path)
    path = tmp_path / "attachments.key"
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        Keys.open(tmp_path)
    path.chmod(0o600)
    path.write_bytes(b"half")
    with pytest.raises(ConfigError, match="backup"):
        Keys.open(tmp_path)
