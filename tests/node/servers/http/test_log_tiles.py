"""The log over HTTP, as anybody reads it who knows nothing but its address and its key (C2SP tlog-tiles)."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from node.anchor import checkpoint, merkle
from node.anchor.checkpoint import Checkpoint
from node.anchor.log import Log
from node.anchor.note import NoteSigner
from node.anchor.sealer import Sealer
from node.anchor.tile_reader import TileReader
from node.anchor.tiles import Tile
from node.servers.http.house import house
from node.servers.http.meter import Meter
from node.store.database import Writing

pytestmark = pytest.mark.anyio

SIGNER = NoteSigner("log.test/1", b"\x07" * 32)
_SIZE = 600


def entry(index: int) -> bytes:
    return hashlib.sha256(index.to_bytes(8, "big")).digest()


async def fill(web: Any, size: int = _SIZE) -> None:
    """So many entries, of which all are sealed that can be, and a checkpoint."""

    def work(tx: Writing) -> None:
        for index in range(Log().size(tx), size):
            Log().append(tx, entry(index))

    await web.database.write(work)
    await Sealer(web.database, 1).seal()
    root = await web.database.read(lambda tx: Log().root(tx, size))
    web.note = checkpoint.sign(Checkpoint(SIGNER.name, size, root), SIGNER).encode()


async def test_a_stranger_reads_and_verifies_the_whole_log(web: Any) -> None:
    await fill(web)
    async with web.client() as client:
        answer = await client.get("/log/checkpoint")
        assert answer.headers["cache-control"] == "public, max-age=2"
        head = checkpoint.verify(answer.text, SIGNER.key)
        reader = TileReader(head.size, head.root)

        async def fetch(tile: Tile) -> bytes:
            found = await client.get(f"/log/{tile.path}")
            assert found.status_code == 200
            assert found.headers["content-type"] == "application/octet-stream"
            assert found.headers["access-control-allow-origin"] == "*"
            assert ("immutable" in found.headers["cache-control"]) is tile.is_full
            content: bytes = found.content
            return content

        reader.add({tile: await fetch(tile) for tile in reader.needed_for_entries(0, head.size)})
        read = [one for bundle in reader.bundles(0, head.size) for one in reader.entries(bundle, await fetch(bundle))]
        assert read == [entry(index) for index in range(_SIZE)]
        reader.add({tile: await fetch(tile) for tile in reader.needed_for_consistency(300)})
        assert merkle.verify_consistency(300, _SIZE, reader.root_at(300), head.root, reader.consistency_proof(300))


async def test_what_no_checkpoint_covers_is_not_shown(web: Any) -> None:
    async with web.client() as client:
        assert (await client.get("/log/tile/0/000.p/1")).status_code == 404
        await fill(web)
        note = web.note
        await fill(web, 1100)
        web.note = note  # signed for 600
        for path in ("0/002", "0/003", "0/002.p/89", "1/000.p/3", "2/000.p/1", "entries/002", "entries/002.p/89"):
            answer = await client.get(f"/log/tile/{path}")
            assert answer.status_code == 404
            assert answer.headers["cache-control"] == "public, max-age=1"
        # The newest checkpoint's partial tiles, and those of earlier ones.
        for path, size in (("0/002.p/88", 88), ("0/002.p/5", 5), ("0/001.p/255", 255), ("1/000.p/2", 2)):
            answer = await client.get(f"/log/tile/{path}")
            assert (answer.status_code, len(answer.content)) == (200, 32 * size)
        assert len((await client.get("/log/tile/entries/002.p/88")).content) == 34 * 88


@pytest.mark.parametrize(
    "path",
    [
        "0/0",
        "00/000",
        "0/x000/000",
        "0/000.p/256",
        "0/000.p/01",
        "0/000/",
        "0/%30%30%30",
        "0/00%30",
        "%30/000",
        "entries/000%2Ep/5",
        "entries/",
        "",
        "64/000",
        "-1/000",
        "0/" + "x001/" * 100 + "000",
        "0/..%2f0/000",
    ],
)
async def test_a_tile_has_one_address(web: Any, path: str) -> None:
    await fill(web)
    async with web.client() as client:
        assert (await client.get("/log/tile/0/000")).status_code == 200
        assert (await client.get(f"/log/tile/{path}")).status_code == 404


async def test_a_lost_tile_is_a_shortage_and_the_rest_goes_on(web: Any) -> None:
    await fill(web)
    for path in (web.database.path.parent / "blobs").glob("??/*"):
        path.unlink()
    async with web.client() as client:
        for path in ("0/000", "entries/001"):
            answer = await client.get(f"/log/tile/{path}")
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "3600")
        assert (await client.get("/log/tile/0/002.p/88")).status_code == 200


async def test_who_reads_too_fast_is_told_to_wait(web: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(web)
    meter = Meter(3, 0.001)
    monkeypatch.setattr("node.servers.http.log_tiles.house", _house_with(meter))
    async with web.client() as client:
        codes = [(await client.get("/log/tile/0/000")).status_code for _ in range(4)]
        assert codes == [200, 200, 200, 429]
        assert (await client.get("/log/checkpoint")).status_code == 429
        answer = await client.get("/log/tile/0/000", headers={"accept": "application/json"})
        assert int(answer.headers["retry-after"]) > 60
        assert answer.json()["error"] == "too-fast"


def _house_with(meter: Meter) -> Any:
    return lambda request: replace(house(request), log_meter=meter)


def test_an_allowance_comes_back_and_its_table_does_not_grow() -> None:
    now = [0.0]
    meter = Meter(2, 0.5, entries=3, clock=lambda: now[0])
    assert [meter.take("192.0.2.1") for _ in range(3)] == [0, 0, 2.0]
    assert meter.take("2001:db8::1") == 0
    now[0] = 2.0
    assert meter.take("192.0.2.1") == 0
    assert meter.take("192.0.2.1") > 0
    for number in range(10):
        meter.take(f"198.51.100.{number}")
    assert len(meter._levels) == 3
