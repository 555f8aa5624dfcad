"""A second client on the same daemon: ipfshttpclient (the extra `interop`) sees what ours wrote, and the other way."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
import trio

from node.ipfs.cid import Cid, Codec
from node.net.ipfs.kubo import Kubo

ipfshttpclient = pytest.importorskip(
    "ipfshttpclient", reason="not installed: pip install 'waxseal[interop]' in a scratch environment"
)
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore"),  # of 2021: it warns of itself, and of every daemon's version
]

CONTENT = random.Random(5).randbytes(1 << 20)


@pytest.fixture
def other(js_ipfs: str) -> Iterator[Any]:
    """`connect()` refuses daemons of today; `Client` does not ask."""
    port = js_ipfs.rpartition(":")[2]
    with ipfshttpclient.Client(f"/ip4/127.0.0.1/tcp/{port}", timeout=60) as client:
        yield client


async def pieces() -> AsyncGenerator[bytes, None]:
    yield CONTENT


async def test_what_ours_adds_the_other_reads(js_ipfs: str, other: Any) -> None:
    async with Kubo.open(js_ipfs, "kubo:js", seconds=60) as kubo:
        root = await kubo.add(pieces, len(CONTENT))
        assert await trio.to_thread.run_sync(other.cat, root) == CONTENT
        block = Cid.of(Codec.RAW, b"a block of ours")
        assert await kubo.block_put(b"a block of ours") == str(block)
        assert await trio.to_thread.run_sync(other.block.get, str(block)) == b"a block of ours"


async def test_what_the_other_adds_ours_reads_under_the_same_name(js_ipfs: str, other: Any) -> None:
    # `cid_version` instead of `cid-version` is ignored, and gives another name.
    options = {"cid-version": "1", "raw-leaves": "true", "cid-base": "base32"}
    named = await trio.to_thread.run_sync(lambda: other.add_bytes(CONTENT, opts=options))
    async with Kubo.open(js_ipfs, "kubo:js", seconds=60) as kubo:
        root = await kubo.add(pieces, len(CONTENT))
        out = bytearray()
        await kubo.cat(named, out.extend, len(CONTENT) + 1)
        assert bytes(out) == CONTENT
    assert named == root
