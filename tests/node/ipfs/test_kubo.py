"""Kubo's RPC against a real daemon (js-ipfs): what is added here is read there, and the other way round."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from node.base.errors import Temporary
from node.ipfs import car
from node.ipfs.cid import Cid, Codec
from node.ipfs.unixfs import CLASSIC, Block, Builder, blocks_of, read
from node.net.ipfs.kubo import Kubo
from node.net.ipfs.line import Absent

pytestmark = pytest.mark.anyio


@pytest.fixture
async def kubo(js_ipfs: str) -> AsyncIterator[Kubo]:
    async with Kubo.open(js_ipfs, "kubo:test", seconds=60) as opened:
        yield opened


def tree(content: bytes) -> tuple[Cid, dict[Cid, bytes]]:
    """The file as this node builds it."""
    builder, blocks = Builder(CLASSIC), list[Block]()
    for at in range(0, len(content), CLASSIC.chunk):
        blocks += builder.leaf(content[at : at + CLASSIC.chunk])
    last, root = builder.finish()
    return root.cid, {block.cid: block.data for block in [*blocks, *last]}


def content(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


async def pieces(data: bytes) -> AsyncGenerator[bytes, None]:
    for at in range(0, len(data), 100_000):
        yield data[at : at + 100_000]


async def cat(kubo: Kubo, cid: Cid, size: int, offset: int = 0) -> bytes:
    out = bytearray()
    await kubo.cat(str(cid), out.extend, size, offset)
    return bytes(out)


SIZES = [0, 1, CLASSIC.chunk, CLASSIC.chunk + 1, 3 << 20, 47 << 20]  # the last has more leaves than a node has links


@pytest.mark.parametrize("size", SIZES)
async def test_added_here_is_read_there(kubo: Kubo, size: int) -> None:
    data = content(size, size)
    root, blocks = tree(data)

    async def fetch(cid: Cid) -> bytes:
        return blocks[cid]

    assert not await kubo.holds(str(root), "")
    await kubo.send(str(root), lambda: car.of_tree(fetch, root), size)
    assert await kubo.holds(str(root), "")
    assert await cat(kubo, root, size + 1) == data
    assert await cat(kubo, root, 1000, size // 2) == data[size // 2 :][:1000]
    await kubo.drop(str(root), "")
    await kubo.drop(str(root), "")
    assert not await kubo.holds(str(root), "")


@pytest.mark.parametrize("size", SIZES)
async def test_added_there_is_read_here_under_the_same_name(kubo: Kubo, size: int) -> None:
    data = content(size, size + 1)
    root, _ = tree(data)
    assert await kubo.add(lambda: pieces(data), size) == str(root)

    async def fetch(cid: Cid) -> bytes:
        return await kubo.block(str(cid), cid.names)

    assert b"".join([piece async for piece in read(fetch, root, size)]) == data
    assert [cid async for cid in blocks_of(fetch, root)][-1] == root
    await kubo.drop(str(root), "")


async def test_blocks_have_the_names_this_node_gives_them(kubo: Kubo, js_ipfs: str) -> None:
    for codec, name, data in ((Codec.RAW, "raw", b"a block"), (Codec.DAG_PB, "dag-pb", b"\x0a\x04\x08\x02\x18\x00")):
        cid = Cid.of(codec, data)
        assert await kubo.block_put(data, name) == str(cid)
        assert await kubo.block_size(str(cid)) == len(data)
        assert await kubo.block(str(cid), cid.names) == data
        assert await kubo.block_rm([str(cid)]) == 1
        assert await kubo.block_rm([str(cid)]) == 0
        assert await kubo.block_size(str(cid)) is None
        async with Kubo.open(js_ipfs, "kubo:hasty", seconds=1) as hasty:
            with pytest.raises(Absent):
                await hasty.block(str(cid), cid.names)


async def test_collection_takes_what_nothing_pins(kubo: Kubo) -> None:
    kept, loose = Cid.of(Codec.RAW, b"kept"), Cid.of(Codec.RAW, b"loose")
    await kubo.block_put(b"kept")
    await kubo.block_put(b"loose")
    await kubo.pin_add([str(kept)])
    with pytest.raises(Temporary, match="pinned"):
        await kubo.block_rm([str(kept)])
    assert await kubo.repo_gc() >= 1
    assert await kubo.block_size(str(kept)) == 4
    assert await kubo.block_size(str(loose)) is None
    await kubo.pin_rm([str(kept), str(loose)])
    await kubo.repo_gc()
    assert await kubo.block_size(str(kept)) is None


async def test_what_it_says_of_itself(kubo: Kubo) -> None:
    assert (await kubo.version())[0].isdigit()
    peer, addresses = await kubo.id()
    assert peer.startswith("12D3")
    assert addresses == []
    assert (await kubo.repo_stat()).size > 0
    assert "answers" in await kubo.hello()
