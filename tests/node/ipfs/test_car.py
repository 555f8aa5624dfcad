"""CARv1: the archives of the reference implementation, however they are cut, and archives that lie."""

from __future__ import annotations

import hashlib
import io
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.ipfs import car
from node.ipfs.car import CarError, Decoder
from node.ipfs.cid import Cid, Codec
from node.ipfs.dagpb import varint
from node.ipfs.unixfs import MAX_BLOCK, Block, Builder, Profile

pytestmark = pytest.mark.anyio

_ONE = "015512207692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
_TWO = "015512203fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3"
_EMPTY = "01551220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
_LINK = "d82a582500"
# Written by npm @ipld/car 5.4.7: roots, blocks, archive.
VECTORS = [
    (
        ["one"],
        ["one", "two", ""],
        f"3aa265726f6f747381{_LINK}{_ONE}6776657273696f6e0127{_ONE}6f6e6527{_TWO}74776f24{_EMPTY}",
    ),
    (
        ["one", "two"],
        ["two"],
        f"63a265726f6f747382{_LINK}{_ONE}{_LINK}{_TWO}6776657273696f6e0127{_TWO}74776f",
    ),
    ([], ["one"], f"11a265726f6f7473806776657273696f6e0127{_ONE}6f6e65"),
]
THIRTY = "34f8d2d5ecd92ea0a5d68f44ea7f29f1924df2743fee62811ecb747591114463"  # SHA-256 of one with 30 roots and blocks

texts = st.lists(st.binary(max_size=300), max_size=6)


def raw(data: bytes | str) -> Block:
    data = data.encode() if isinstance(data, str) else data
    return Block(Cid.of(Codec.RAW, data), data)


def archive(roots: list[bytes], blocks: list[bytes]) -> bytes:
    return b"".join(car.write([raw(root).cid for root in roots], map(raw, blocks)))


@pytest.mark.parametrize(("roots", "blocks", "recorded"), VECTORS)
def test_archives_are_those_of_the_reference_implementation(roots: list[str], blocks: list[str], recorded: str) -> None:
    assert b"".join(car.write([raw(root).cid for root in roots], map(raw, blocks))).hex() == recorded
    decoder = Decoder()
    assert [block.data.decode() for block in decoder.feed(bytes.fromhex(recorded))] == blocks
    assert decoder.finish() == tuple(raw(root).cid for root in roots)


def test_many_roots() -> None:
    many = [f"root {number}".encode() for number in range(30)]
    data = archive(many, many)
    assert hashlib.sha256(data).hexdigest() == THIRTY
    assert [block.data for block in car.load(io.BytesIO(data))] == many


def test_more_roots_than_octets_can_count() -> None:
    many = [number.to_bytes(2, "big") for number in range(300)]
    decoder = Decoder()
    decoder.feed(archive(many, []))
    assert len(decoder.finish()) == 300
    with pytest.raises(ValueError, match="at most"):
        car.header([raw(b"").cid] * (car.MAX_ROOTS + 1))


@given(texts, texts, st.data())
def test_it_does_not_matter_how_an_archive_is_cut(roots: list[bytes], blocks: list[bytes], draw: st.DataObject) -> None:
    data = archive(roots, blocks)
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=5)))
    decoder = Decoder()
    found = [block for a, b in pairwise([0, *cuts, len(data)]) for block in decoder.feed(data[a:b])]
    assert found == [raw(block) for block in blocks]
    assert decoder.finish() == tuple(raw(root).cid for root in roots)


@given(texts, texts, st.data())
def test_an_archive_cut_off_is_noticed(roots: list[bytes], blocks: list[bytes], draw: st.DataObject) -> None:
    data = archive(roots, blocks)
    whole = [
        len(b"".join(car.write([raw(r).cid for r in roots], map(raw, blocks[:n])))) for n in range(len(blocks) + 1)
    ]
    stop = draw.draw(st.integers(0, len(data) - 1).filter(lambda at: at not in whole))
    decoder = Decoder()
    found = decoder.feed(data[:stop])
    assert found == [raw(block) for block in blocks][: len(found)]
    with pytest.raises(CarError, match="cut off"):
        decoder.finish()


@given(texts, st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=4), st.data())
def test_a_changed_octet_never_gives_another_block(
    roots: list[bytes], blocks: list[bytes], draw: st.DataObject
) -> None:
    data = bytearray(archive(roots, blocks))
    data[draw.draw(st.integers(0, len(data) - 1))] ^= draw.draw(st.integers(1, 255))
    decoder = Decoder()
    found: list[Block] = []
    try:
        for at in range(len(data)):
            found += decoder.feed(bytes(data[at : at + 1]))
        decoder.finish()
    except CarError:
        pass
    assert all(block.cid.names(block.data) for block in found)
    assert {block.data for block in found} <= set(blocks)


@given(st.binary(max_size=200))
def test_whatever_comes_it_is_read_or_refused(data: bytes) -> None:
    decoder = Decoder()
    try:
        decoder.feed(data)
        decoder.finish()
    except CarError:
        pass


HEADER = car.header([raw("one").cid])
GOOD = car.section(raw("one"))
CID_V0 = bytes.fromhex("1220") + bytes(32)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cut off"),
        (b"\x00" + HEADER[1:], "header claims 0"),
        (varint(car.MAX_HEADER + 1), "at most 65536"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "beyond all bounds"),
        (b"\xba\x00" + HEADER[1:], "shortest form"),
        (bytes.fromhex("0aa16776657273696f6e02"), "CARv2"),
        (bytes.fromhex("0aa16776657273696f6e01"), "not DAG-CBOR with roots"),
        (bytes.fromhex("11a265726f6f7473806776657273696f6e03"), "another version"),
        (bytes.fromhex("11a265726f6f7473a06776657273696f6e01"), "no array"),
        (bytes.fromhex("12a265726f6f747398006776657273696f6e01"), "shortest form"),
        (bytes.fromhex("13a265726f6f74739904016776657273696f6e01"), "1025 roots"),
        (bytes.fromhex("09a265726f6f747381f6"), "damaged"),
        (HEADER.replace(b"\xd8\x2a\x58\x25\x00\x01", b"\xd8\x2a\x58\x25\x00\x02"), "CID version 2"),
        (HEADER.replace(b"\xd8\x2a", b"\xd8\x2b"), "no CIDv1"),
        (HEADER + b"\x00", "claims 0 octets, 36 to 2097188"),
        (HEADER + varint(36 + MAX_BLOCK + 1), "claims 2097189 octets"),
        (HEADER + b"\x80" * 9 + b"\x01", "beyond all bounds"),
        (HEADER + b"\xa7\x00" + GOOD[1:], "shortest form"),
        (HEADER + GOOD[:-1] + b"E", "not the one"),
        (HEADER + varint(36) + CID_V0 + b"\x12\x00", "CID version 18"),
        (HEADER + GOOD + GOOD[:-1], "cut off at octet 138"),
    ],
)
def test_bad_archives(data: bytes, reason: str) -> None:
    with pytest.raises(CarError, match=reason):
        list(car.load(io.BytesIO(data)))


def test_a_long_block_is_read_and_a_longer_one_refused_before_it_came() -> None:
    longest = raw(bytes(MAX_BLOCK))
    assert list(car.load(io.BytesIO(HEADER + car.section(longest)))) == [longest]
    with pytest.raises(CarError, match="claims 2097189 octets"):
        Decoder().feed(HEADER + varint(36 + MAX_BLOCK + 1))


async def test_a_tree_goes_out_parents_first_and_comes_back() -> None:
    builder, kept = Builder(Profile("small", 10, 2)), dict[Cid, bytes]()
    for number in range(9):
        kept |= {block.cid: block.data for block in builder.leaf(bytes([number % 3] * 10))}
    last, root = builder.finish()
    kept |= {block.cid: block.data for block in last}

    async def fetch(cid: Cid) -> bytes:
        return kept[cid]

    async def chunks() -> AsyncIterator[bytes]:
        async for piece in car.of_tree(fetch, root.cid):
            yield piece

    decoder = Decoder()
    blocks = [block async for block in car.read(chunks(), decoder)]
    assert decoder.roots == (root.cid,)
    assert blocks[0].cid == root.cid
    assert {block.cid: block.data for block in blocks} == kept
    leaves = [block.data[0] for block in blocks if block.cid.codec is Codec.RAW]
    assert leaves == [0, 1, 2] * 3


async def test_large_chunks_are_read_in_pieces() -> None:
    blocks = [raw(bytes([number]) * 300_000) for number in range(4)]

    async def chunks() -> AsyncIterator[bytes]:
        yield b"".join(car.write([], blocks))

    assert [block async for block in car.read(chunks(), Decoder())] == blocks
