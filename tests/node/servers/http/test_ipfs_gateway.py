"""The trustless gateway, read by a client written from the specification alone: it takes nothing on trust."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from node.ipfs.blockstore import LocalBlocks
from node.ipfs.cid import Cid, Codec
from node.ipfs.seal import new_header, new_key
from node.ipfs.sealed_file import Lock, write
from node.ipfs.unixfs import CLASSIC
from node.servers.http import ipfs_gateway
from node.servers.http.gateway import Gateway
from node.servers.http.house import house
from node.servers.http.meter import Meter

pytestmark = pytest.mark.anyio

CONTENT = os.urandom(700_000)
RAW, CAR = "application/vnd.ipld.raw", "application/vnd.ipld.car"
TOKEN = "a token of a peer, long enough"


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        octet = data[at]
        at, number, shift = at + 1, number | (octet & 127) << shift, shift + 7
        if octet < 128:
            return number, at


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Protobuf: field numbers and values."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        if key & 7 == 2:
            size, at = _varint(message, at)
            yield key >> 3, message[at : at + size]
            at += size
        else:
            value, at = _varint(message, at)
            yield key >> 3, value


def _checked(cid: bytes, block: bytes) -> bytes:
    """The block, if it is what a binary CIDv1 over SHA-256 names."""
    assert (cid[0], cid[2:4]) == (1, b"\x12\x20")
    assert hashlib.sha256(block).digest() == cid[4:]
    return block


def _blocks(archive: bytes) -> list[tuple[bytes, bytes]]:
    """CARv1: CIDs and blocks, every one checked."""
    size, at = _varint(archive, 0)
    assert archive[at : at + 7] == b"\xa2\x65roots"
    at += size
    found = []
    while at < len(archive):
        size, at = _varint(archive, at)
        cid, block = archive[at : at + 36], archive[at + 36 : at + size]
        found.append((cid, _checked(cid, block)))
        at += size
    return found


def _text(cid: bytes) -> str:
    return "b" + base64.b32encode(cid).decode().rstrip("=").lower()


def _file(cid: bytes, blocks: dict[bytes, bytes]) -> bytes:
    """UnixFS: the octets under a CID."""
    if cid[1] == 0x55:
        return blocks[cid]
    links = [dict(_fields(value))[1] for number, value in _fields(blocks[cid]) if number == 2]
    return b"".join(_file(link, blocks) for link in links)


@dataclass
class Kept:
    """A sealed file of three leaves in a store."""

    root: Cid
    lock: Lock
    blocks: LocalBlocks
    gateway: Gateway


@pytest.fixture
async def kept(web: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    """The gateway is open to this machine, where the tests ask from."""
    blocks = LocalBlocks(tmp_path / "blocks")
    lock = Lock(new_header(len(CONTENT), CLASSIC.chunk), new_key())
    root = await write(blocks, lock, iter([CONTENT]), [])
    found = Kept(root.cid, lock, blocks, Gateway(blocks, peers=(ip_network("127.0.0.1/32"),)))
    monkeypatch.setattr(ipfs_gateway, "house", lambda request: replace(house(request), gateway=found.gateway))
    return found


async def test_blocks_read_one_by_one_are_the_sealed_file(web: Any, kept: Kept) -> None:
    blocks: dict[bytes, bytes] = {}
    async with web.client() as client:

        async def fetch(cid: bytes) -> None:
            answer = await client.get(f"/ipfs/{_text(cid)}?format=raw")
            assert (answer.status_code, answer.headers["content-type"]) == (200, RAW)
            assert answer.headers["content-disposition"] == f'attachment; filename="{_text(cid)}.bin"'
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["cache-control"].startswith("private"), "what peers alone get is in no shared cache"
            assert answer.headers["x-content-type-options"] == "nosniff"
            blocks[cid] = _checked(cid, answer.content)
            if cid[1] == 0x70:
                for number, value in _fields(answer.content):
                    if number == 2:
                        await fetch(dict(_fields(value))[1])

        await fetch(bytes(kept.root))
        _opens(kept, _file(bytes(kept.root), blocks))
        answer = await client.get(f"/ipfs/{kept.root}", headers={"accept": f"text/html, {RAW};q=0.5"})
        assert answer.content == blocks[bytes(kept.root)]
        assert answer.headers["content-location"] == f"/ipfs/{kept.root}?format=raw"


def _opens(kept: Kept, sealed: bytes) -> None:
    header, chunk = kept.lock.header, kept.lock.header.chunk
    leaves = [sealed[at : at + chunk] for at in range(0, len(sealed), chunk)]
    assert b"".join(header.open(kept.lock.key, index, leaf) for index, leaf in enumerate(leaves)) == CONTENT


async def test_an_archive_is_the_sealed_file(web: Any, kept: Kept) -> None:
    async with web.client() as client:
        by_header = await client.get(f"/ipfs/{kept.root}", headers={"accept": CAR})
        answer = await client.get(f"/ipfs/{kept.root}?format=car")
        assert by_header.content == answer.content
        assert answer.headers["content-type"] == f"{CAR}; version=1; order=dfs; dups=y"
        assert answer.headers["content-disposition"] == f'attachment; filename="{kept.root}.car"'
        blocks = _blocks(answer.content)
        assert blocks[0][0] == bytes(kept.root)
        _opens(kept, _file(bytes(kept.root), dict(blocks)))
        only = await client.get(f"/ipfs/{kept.root}?format=car&dag-scope=block")
        assert _blocks(only.content) == blocks[:1]
        assert only.headers["etag"] != answer.headers["etag"]
        assert (await client.get(f"/ipfs/{kept.root}?format=car&dag-scope=entity")).content == answer.content


async def test_what_a_client_has_it_does_not_get_again(web: Any, kept: Kept) -> None:
    async with web.client() as client:
        for format in ("raw", "car"):
            path = f"/ipfs/{kept.root}?format={format}"
            tag = (await client.head(path)).headers["etag"]
            for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
                answer = await client.get(path, headers={"if-none-match": known})
                assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
            assert (await client.get(path, headers={"if-none-match": '"other"'})).status_code == 200


RANGES: list[tuple[str, int, int | None]] = [
    ("bytes=0-9", 0, 10),
    ("bytes=5-", 5, None),
    ("bytes=-7", -7, None),
    ("bytes=3-999999999", 3, None),
]


async def test_ranges_of_a_block(web: Any, kept: Kept) -> None:
    block = await kept.blocks.get(kept.root)
    path = f"/ipfs/{kept.root}?format=raw"
    async with web.client() as client:
        for asked, start, stop in RANGES:
            answer = await client.get(path, headers={"range": asked})
            assert (answer.status_code, answer.content) == (206, block[start:stop])
            first = start % len(block)
            assert answer.headers["content-range"] == f"bytes {first}-{first + len(answer.content) - 1}/{len(block)}"
            answer = await client.get(path, headers={"range": asked, "if-range": '"old"'})
            assert (answer.status_code, answer.content) == (200, block)


SILLY = [
    ("bytes=9-3", 200),
    ("bytes=-", 200),
    ("bytes=a-b", 200),
    ("bytes=0-1,4-5", 200),
    ("octets=0-1", 200),
    (f"bytes={'9' * 40}-", 200),
    ("bytes=99999999-", 416),
    ("bytes=-0", 416),
]


async def test_silly_ranges(web: Any, kept: Kept) -> None:
    async with web.client() as client:
        for asked, status in SILLY:
            answer = await client.get(f"/ipfs/{kept.root}?format=raw", headers={"range": asked})
            assert (asked, answer.status_code) == (asked, status)
            assert status == 200 or answer.headers["content-range"].startswith("bytes */")


async def test_head_says_the_same_without_the_block(web: Any, kept: Kept) -> None:
    async with web.client() as client:
        for format in ("raw", "car"):
            path = f"/ipfs/{kept.root}?format={format}"
            got, head = await client.get(path), await client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert all(head.headers[name] == got.headers[name] for name in ("etag", "content-type", "cache-control"))
        size = len(await kept.blocks.get(kept.root))
        assert (await client.head(f"/ipfs/{kept.root}?format=raw")).headers["content-length"] == str(size)
        assert (await client.head("/ipfs/bafkqaaa")).status_code == 200
        assert (await client.get("/ipfs/bafkqaaa?format=raw")).content == b""


OTHER = str(Cid.of(Codec.RAW, b"nobody has it"))


BAD = [
    ("", 400),
    ("?format=raw", 400),
    (f"{OTHER}?format=raw", 404),
    (f"{OTHER}?format=car", 404),
    (f"{OTHER}", 400),
    (f"{OTHER}?format=zip", 400),
    (f"{OTHER}?format=ipns-record", 501),
    (f"{OTHER}?format=car&car-version=2", 400),
    (f"{OTHER}?format=car&car-order=best", 400),
    (f"{OTHER}?format=car&dag-scope=world", 400),
    (f"{OTHER}?format=car&entity-bytes=0:9", 501),
    (f"{OTHER.upper()}?format=raw", 400),
    (f"{OTHER}/?format=raw", 400),
    (f"{OTHER}/a/b?format=car", 404),
    (f"{OTHER}0?format=raw", 400),
    (f"b{'a' * 900}?format=raw", 400),
    (f"b{'a' * 4000}?format=raw", 400),
    ("QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG?format=raw", 501),
    ("bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy?format=raw", 501),
    ("../../etc/passwd?format=raw", 404),
    ("..%2f..%2fetc%2fpasswd?format=raw", 400),
    (f"%62{OTHER[1:]}?format=raw", 400),
    ("%00?format=raw", 400),
]


async def test_bad_addresses(web: Any, kept: Kept) -> None:
    async with web.client() as client:
        for path, status in BAD:
            answer = await client.get(f"/ipfs/{path}", headers={"accept": "*/*"})
            assert (path, answer.status_code) == (path, status)
            assert len(answer.text) > 10, "what to do next"
        assert (await client.get("/ipfs/%ff%fe?format=raw")).status_code == 400


async def test_a_client_that_takes_files_alone_gets_none(web: Any, kept: Kept) -> None:
    async with web.client() as client:
        for accept, status in (("text/html", 406), (f"{CAR};version=2", 406), ("", 400)):
            assert (await client.get(f"/ipfs/{kept.root}", headers={"accept": accept})).status_code == status
        cached = await client.get(f"/ipfs/{OTHER}?format=raw", headers={"cache-control": "only-if-cached"})
        assert cached.status_code == 412


async def test_strangers_get_nothing(web: Any, kept: Kept) -> None:
    path = f"/ipfs/{kept.root}?format=raw"
    digest = hashlib.sha256(TOKEN.encode()).digest()
    kept.gateway = Gateway(kept.blocks, peers=(ip_network("192.0.2.0/24"),), tokens=(b"\0" * 32, digest))
    async with web.client() as client:
        assert (await client.get(path)).status_code == 403
        for wrong in (TOKEN + "x", "-", digest.hex(), "x" * 600, "ü"):
            answer = await client.get(path, headers={"authorization": f"Bearer {wrong}".encode()})
            assert answer.status_code == 403
        assert (await client.get(path, headers={"authorization": f"Basic {TOKEN}"})).status_code == 403
        assert (await client.get(path, headers={"authorization": f"Bearer {TOKEN}"})).status_code == 200
        kept.gateway = Gateway(kept.blocks, public=True)
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")
        assert answer.headers["cache-control"].startswith("public")


async def test_without_the_setting_there_is_no_gateway(web: Any) -> None:
    async with web.client() as client:
        assert (await client.get(f"/ipfs/{OTHER}?format=raw")).status_code == 404


async def test_who_hammers_is_told_to_wait(web: Any, kept: Kept) -> None:
    kept.gateway = replace(kept.gateway, meter=Meter(24, 0.001))
    async with web.client() as client:
        assert (await client.get(f"/ipfs/{kept.root}?format=car")).status_code == 200  # costs 20
        codes = [(await client.get(f"/ipfs/{OTHER}?format=raw")).status_code for _ in range(5)]
        assert codes == [404, 404, 404, 404, 429], "guessing costs as much as reading"
        answer = await client.get(f"/ipfs/{kept.root}?format=raw")
        assert (answer.status_code, int(answer.headers["retry-after"]) > 60) == (429, True)


async def test_a_damaged_block_is_not_given_out(web: Any, kept: Kept, tmp_path: Path) -> None:
    leaves = [cid async for cid in kept.blocks.ids() if cid.codec is Codec.RAW]
    (path,) = (tmp_path / "blocks").glob(f"??/{leaves[0]}")
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    async with web.client() as client:
        assert (await client.get(f"/ipfs/{leaves[0]}?format=raw")).status_code == 500
        with pytest.raises(httpx.RemoteProtocolError):  # an archive that is cut off does not end like a whole one
            await client.get(f"/ipfs/{kept.root}?format=car")


async def test_too_many_archives_at_once(web: Any, kept: Kept) -> None:
    async with web.client() as client, kept.gateway.streams:
        kept.gateway.streams.total_tokens = 1
        answer = await client.get(f"/ipfs/{kept.root}?format=car")
        assert (answer.status_code, "retry-after" in answer.headers) == (429, True)
