"""Tiles (C2SP tlog-tiles): names, contents, and everything that can be read from them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.anchor import merkle, tiles
from node.anchor.tile_reader import TileReader, read_all
from node.anchor.tiles import ENTRIES, Tile, TileError, parse_path

LARGEST = 70_000  # the specification's own example

# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),  # the specification's example
        (Tile(1, 17, 112), "tile/1/017.p/112"),
        (Tile(63, 999, 1), "tile/63/999.p/1"),
        (Tile(3, 1000, 255), "tile/3/x001/000.p/255"),
        (Tile(ENTRIES, 273, 112), "tile/entries/273.p/112"),
        (Tile(ENTRIES, (1 << 63) - 1), "tile/entries/x009/x223/x372/x036/x854/x775/807"),
    ],
)
def test_a_tile_has_one_path(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/1234067",
        "tile/0/x000/001",  # zeros in front
        "tile/0/001/x234/067",
        "tile/0/x001/x234/x067",
        "tile/00/000",
        "tile/01/000",
        "tile/-1/000",
        "tile/64/000",
        "tile/99/000",
        "tile/+1/000",
        "tile/entry/000",
        "tile/ENTRIES/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000.p/1/",
        "tile/0/000/",
        "/tile/0/000",
        "tile/0/../0/000",
        "tile/0/٠٠٠",  # digits of another script
        "tile/0/000\n",
        "tile/0/x009/x223/x372/x036/x854/x775/808",  # 2^63
        "tile/0/" + "x001/" * 20 + "000",
    ],
)
def test_what_is_no_path_of_a_tile_is_refused(path: str) -> None:
    with pytest.raises(TileError, match="no tile has the path"):
        parse_path(path)


@given(st.integers(-1, 63), st.integers(0, (1 << 63) - 1), st.integers(1, 256))
def test_names_come_back(level: int, index: int, width: int) -> None:
    assert parse_path(Tile(level, index, width).path) == Tile(level, index, width)


@given(st.text("0123x/.ptileens-", max_size=30).map("tile/{}".format) | st.text(max_size=40))
def test_whatever_is_asked_is_a_tile_or_an_error(path: str) -> None:
    with contextlib.suppress(TileError):
        assert parse_path(path).path == path


# --- what a tree of some size is made of ------------------------------------------------------------------------------


def test_the_specifications_tree_of_70000() -> None:
    assert tiles.partial_tiles(70_000) == (Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1))
    assert [tiles.width_of(0, index, 70_000) for index in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [tiles.width_of(1, index, 70_000) for index in (0, 1, 2)] == [256, 17, 0]
    assert tiles.width_of(ENTRIES, 273, 70_000) == 112
    assert tiles.partial_tiles(256) == (Tile(1, 0, 1),)
    assert tiles.partial_tiles(0) == ()


@cache
def naive(start: int, stop: int) -> bytes:
    """MTH of RFC 9162 §2.1.1, word by word, over the entries below."""
    if stop - start == 1:
        return hashlib.sha256(b"\x00" + entry(start)).digest()
    half = 1
    while half * 2 < stop - start:
        half *= 2
    return hashlib.sha256(b"\x01" + naive(start, start + half) + naive(start + half, stop)).digest()


def entry(index: int) -> bytes:
    return hashlib.sha256(index.to_bytes(8, "big")).digest()


def naive_root(size: int) -> bytes:
    return naive(0, size) if size else hashlib.sha256().digest()


def content_of(tile: Tile) -> bytes:
    """A tile by its definition: MTH(D[(n * 256 + i) * 256^l : (n * 256 + i + 1) * 256^l])."""
    first = tile.index * 256
    if tile.level == ENTRIES:
        return b"".join(b"\x00\x20" + entry(first + i) for i in range(tile.width))
    span = 256**tile.level
    return b"".join(naive((first + i) * span, (first + i + 1) * span) for i in range(tile.width))


def reader_of(size: int) -> TileReader:
    return TileReader(size, naive_root(size))


SIZES = st.integers(1, 700) | st.integers(1, LARGEST) | st.sampled_from([255, 256, 257, 511, 512, 65535, 65536, 65537])


@settings(max_examples=40, deadline=None)
@given(SIZES, st.data())
def test_proofs_from_tiles_are_those_of_a_naive_tree(size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(1, size))
    reader = reader_of(size)
    read_all(reader, reader.needed_for_inclusion(index), content_of)
    assert reader.needed_for_inclusion(index) == ()
    proof = reader.inclusion_proof(index)
    assert merkle.verify_inclusion(naive(index, index + 1), index, size, proof, naive_root(size))
    assert reader.leaf_hash(index) == naive(index, index + 1)
    read_all(reader, reader.needed_for_consistency(old), content_of)
    proof = reader.consistency_proof(old)
    assert merkle.verify_consistency(old, size, naive_root(old), naive_root(size), proof)
    assert reader.root_at(old) == naive_root(old)


def test_every_width_of_the_newest_tile() -> None:
    for size in range(256, 513):
        reader = reader_of(size)
        read_all(reader, reader.needed_for_inclusion(size - 1), content_of)
        proof = reader.inclusion_proof(size - 1)
        assert merkle.verify_inclusion(naive(size - 1, size), size - 1, size, proof, naive_root(size))
        read_all(reader, reader.needed_for_consistency(256), content_of)
        assert merkle.verify_consistency(256, size, naive_root(256), naive_root(size), reader.consistency_proof(256))


def test_few_tiles_are_needed() -> None:
    reader = reader_of(LARGEST)
    assert len(reader.needed_for_root()) == 3
    assert len(reader.needed_for_inclusion(5)) == 5
    assert len(reader.needed_for_consistency(300)) <= 6
    read_all(reader, reader.needed_for_root(), content_of)
    assert set(reader.needed_for_inclusion(5)) == {Tile(0, 0), Tile(1, 0)}
    assert reader.needed_for_inclusion(LARGEST - 1) == ()


def test_the_largest_tree_needs_few_tiles() -> None:
    size = (1 << 63) - 1
    reader = TileReader(size, bytes(32))
    assert len(reader.needed_for_root()) == 8
    assert len(reader.needed_for_inclusion(size // 3)) <= 16
    assert len(reader.needed_for_consistency(size // 3)) <= 16
    with pytest.raises(ValueError, match="has no leaf"):
        reader.needed_for_inclusion(size)
    with pytest.raises(ValueError, match="no consistency proof"):
        TileReader(5, bytes(32)).needed_for_consistency(0)
    with pytest.raises(ValueError, match="no consistency proof"):
        reader.needed_for_consistency(size + 1)


def test_entries_are_verified_against_their_hashes() -> None:
    reader = reader_of(700)
    assert reader.bundles(255, 257) == (Tile(ENTRIES, 0), Tile(ENTRIES, 1))
    bundle = reader.bundles(520, 700)[0]
    assert bundle == Tile(ENTRIES, 2, 188)
    read_all(reader, reader.needed_for_entries(0, 700), content_of)
    assert reader.entries(bundle, content_of(bundle)) == [entry(index) for index in range(512, 700)]
    changed = bytearray(content_of(bundle))
    changed[2 + 34 * 5] ^= 1
    with pytest.raises(TileError, match=r"tile/entries/002\.p/188: entry 517 is not the log's"):
        reader.entries(bundle, bytes(changed))
    with pytest.raises(ValueError, match="has none"):
        reader.bundles(0, 701)


# --- what is not the checkpoint's -------------------------------------------------------------------------------------


def contents(reader: TileReader, index: int) -> dict[Tile, bytes]:
    return {tile: content_of(tile) for tile in reader.needed_for_inclusion(index)}


def refused(reader: TileReader, given: Mapping[Tile, bytes], words: str) -> None:
    with pytest.raises(TileError, match=words):
        reader.add(given)
    with pytest.raises(TileError, match="was not added"):
        reader.inclusion_proof(3)


def test_a_changed_tile_is_named() -> None:
    given = contents(reader_of(LARGEST), 3)
    for tile in given:
        changed = bytearray(given[tile])
        changed[7] ^= 1
        words = tile.path.replace(".", r"\.")
        refused(reader_of(LARGEST), {**given, tile: bytes(changed)}, words)


def test_swapped_short_and_long_tiles_are_refused() -> None:
    given = contents(reader_of(LARGEST), 3)
    first = given[Tile(0, 0)]
    refused(reader_of(LARGEST), {**given, Tile(0, 0): first[32:64] + first[:32] + first[64:]}, "tile/0/000 is not")
    refused(reader_of(LARGEST), {**given, Tile(0, 0): first[:-32]}, "8160 octets instead of 8192")
    refused(reader_of(LARGEST), {**given, Tile(0, 0): first + first[:32]}, "8224 octets")
    refused(reader_of(LARGEST), {**given, Tile(0, 0): content_of(Tile(0, 1))}, "tile/0/000 is not")


def test_a_tile_of_another_tree_size_is_refused() -> None:
    given = contents(reader_of(LARGEST), 3)
    refused(reader_of(LARGEST), {**given, Tile(0, 5, 9): content_of(Tile(0, 5, 9))}, "no hash tile of a tree of 70000")
    refused(reader_of(LARGEST), {**given, Tile(3, 0, 1): bytes(32)}, "no hash tile of a tree of 70000")
    refused(TileReader(LARGEST + 1, naive_root(LARGEST)), given, r"tile/0/273\.p/113 is needed first")


def test_nothing_counts_before_the_root_does() -> None:
    reader = reader_of(LARGEST)
    refused(reader, {Tile(0, 0): content_of(Tile(0, 0))}, "is needed first")
    read_all(reader, reader.needed_for_root(), content_of)
    refused(reader, {Tile(0, 0): content_of(Tile(0, 0))}, "tile/1/000 is needed first, to verify tile/0/000")
    wrong = TileReader(LARGEST, bytes(32))
    with pytest.raises(TileError, match="do not lead to the checkpoint's root"):
        read_all(wrong, wrong.needed_for_root(), content_of)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 entries instead of 2"),
        (b"\x00\x01a", "1 entries"),
        (b"\x00\x01a\x00\x01b\x00\x01c", "3 entries"),
        (b"\x00\x01a\x00\x02b", "cut short"),
        (b"\x00\x01a\x00", "cut short"),
        (b"\x00\x01a\xff\xffb", "cut short"),
    ],
)
def test_bundles_that_are_none(content: bytes, words: str) -> None:
    with pytest.raises(TileError, match=words):
        tiles.split_bundle(content, Tile(ENTRIES, 0, 2))


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_bundles_come_back(entries: list[bytes]) -> None:
    assert tiles.split_bundle(tiles.pack_bundle(entries), Tile(ENTRIES, 0, len(entries))) == entries


@given(st.binary(max_size=600), st.integers(1, 256))
def test_whatever_comes_is_a_bundle_or_an_error(content: bytes, width: int) -> None:
    with contextlib.suppress(TileError):
        assert tiles.pack_bundle(tiles.split_bundle(content, Tile(ENTRIES, 0, width))) == content
