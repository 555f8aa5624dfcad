"""The contract every block store keeps, run on each of them; and what is special about the embedded one."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.base.errors import Temporary
from node.ipfs.blockstore import BlockCorrupt, BlockMissing, Blocks, LocalBlocks
from node.ipfs.cid import Cid, Codec
from node.ipfs.daemon_blocks import DaemonBlocks
from node.ipfs.dagpb import DagError
from node.ipfs.tiered import TieredBlocks
from node.ipfs.unixfs import MAX_BLOCK, Block
from node.net.ipfs.kubo import Kubo

pytestmark = pytest.mark.anyio

Opening = AbstractAsyncContextManager[Blocks]


@asynccontextmanager
async def local(path: Path, _request: pytest.FixtureRequest) -> AsyncIterator[Blocks]:
    yield LocalBlocks(path)


@asynccontextmanager
async def daemon(_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Blocks]:
    """A real daemon's, emptied before and after."""
    url: str = request.getfixturevalue("js_ipfs")
    async with Kubo.open(url, "kubo:contract", seconds=2) as kubo:
        blocks = DaemonBlocks(kubo)
        await blocks.delete([cid async for cid in blocks.ids()])
        yield blocks
        await blocks.delete([cid async for cid in blocks.ids()])


@asynccontextmanager
async def tiered(path: Path, _request: pytest.FixtureRequest) -> AsyncIterator[Blocks]:
    yield TieredBlocks(LocalBlocks(path), [])


# A new implementation adds one row: a name, and how to open one in an empty folder.
STORES: dict[str, Callable[[Path, pytest.FixtureRequest], Opening]] = {
    "local": local,
    "tiered": tiered,
    "daemon": daemon,
}


def block(data: bytes, codec: Codec = Codec.RAW) -> Block:
    return Block(Cid.of(codec, data), data)


@pytest.fixture(params=sorted(STORES))
async def blocks(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blocks]:
    async with STORES[request.param](tmp_path / "blocks", request) as opened:
        yield opened


async def all_ids(blocks: Blocks) -> set[bytes]:
    """The digest of every block: some stores know nothing else of its name."""
    return {cid.digest async for cid in blocks.ids()}


async def test_what_was_put_is_there(blocks: Blocks) -> None:
    many = [block(bytes([n]) * n) for n in range(100)] + [block(b"\x0a\x02\x08\x02", Codec.DAG_PB)]
    await blocks.put(many)
    for each in many:
        assert await blocks.has(each.cid)
        assert await blocks.get(each.cid) == each.data
    assert await all_ids(blocks) == {each.cid.digest for each in many}


async def test_one_content_is_there_under_each_name_it_was_put_under(blocks: Blocks) -> None:
    raw, node = block(b"\x0a\x02\x08\x02"), block(b"\x0a\x02\x08\x02", Codec.DAG_PB)
    await blocks.put([raw])
    await blocks.put([node])
    assert await blocks.get(raw.cid) == await blocks.get(node.cid) == raw.data
    assert await all_ids(blocks) == {raw.cid.digest}


async def test_what_is_not_there_is_missing(blocks: Blocks) -> None:
    absent = block(b"absent").cid
    assert not await blocks.has(absent)
    with pytest.raises(BlockMissing):
        await blocks.get(absent)
    assert await blocks.delete([absent]) == 0
    await blocks.put([])
    assert await all_ids(blocks) == set()


async def test_putting_twice_is_putting_once(blocks: Blocks) -> None:
    await blocks.put([block(b"same"), block(b"same")])
    await blocks.put([block(b"same")])
    assert await all_ids(blocks) == {block(b"same").cid.digest}


async def test_deleted_blocks_are_gone(blocks: Blocks) -> None:
    kept, gone = block(b"kept"), block(b"gone")
    await blocks.put([kept, gone])
    assert await blocks.delete(iter([gone.cid, block(b"never").cid])) == 1
    assert await all_ids(blocks) == {kept.cid.digest}
    with pytest.raises(BlockMissing):
        await blocks.get(gone.cid)


async def test_a_block_under_a_false_name_is_refused_with_its_batch(blocks: Blocks) -> None:
    right, wrong = block(b"right"), Block(block(b"one").cid, b"two")
    with pytest.raises(DagError):
        await blocks.put([right, wrong])
    with pytest.raises(DagError):
        await blocks.put([right, block(bytes(MAX_BLOCK + 1))])
    assert await all_ids(blocks) == set()


@given(st.lists(st.binary(max_size=200), max_size=8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
async def test_any_content_comes_back(blocks: Blocks, contents: list[bytes]) -> None:
    await blocks.put([block(data) for data in contents])
    assert [await blocks.get(block(data).cid) for data in contents] == contents


# --- the embedded store -------------------------------------------------------------------------------------------


async def test_one_content_under_two_codecs_is_two_blocks(tmp_path: Path) -> None:
    blocks = LocalBlocks(tmp_path)
    raw, node = block(b"\x0a\x02\x08\x02"), block(b"\x0a\x02\x08\x02", Codec.DAG_PB)
    await blocks.put([raw])
    assert not await blocks.has(node.cid)
    await blocks.put([node])
    await blocks.delete([raw.cid])
    assert await blocks.get(node.cid) == node.data


def file_of(directory: Path, cid: Cid) -> Path:
    return next(directory.rglob(str(cid)))


@pytest.mark.parametrize("damage", [b"", b"short", b"rotten!", b"rotten and longer"])
async def test_a_damaged_block_is_reported_and_repaired_by_storing_it_again(tmp_path: Path, damage: bytes) -> None:
    blocks, good = LocalBlocks(tmp_path), block(b"content")
    await blocks.put([good])
    file_of(tmp_path, good.cid).write_bytes(damage)
    with pytest.raises(BlockCorrupt, match=str(good.cid)):
        await blocks.get(good.cid)
    await blocks.put([good])
    assert await blocks.get(good.cid) == good.data


async def test_blocks_are_there_after_opening_again(tmp_path: Path) -> None:
    await LocalBlocks(tmp_path).put([block(b"content")])
    assert await LocalBlocks(tmp_path).get(block(b"content").cid) == b"content"


async def test_everything_is_flushed_before_it_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each file before its rename, then each folder once: the order that survives a power cut."""
    steps: list[tuple[str, str]] = []
    fsync, rename = os.fsync, Path.rename

    def flush(handle: int) -> None:
        steps.append(("flush", os.readlink(f"/proc/self/fd/{handle}")))
        fsync(handle)

    def move(self: Path, target: Path) -> Path:
        steps.append(("rename", str(self)))
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(Path, "rename", move)
    many = [block(bytes([n])) for n in range(5)]
    await LocalBlocks(tmp_path).put(many)
    renamed = [path for step, path in steps if step == "rename"]
    assert len(renamed) == 5
    assert all(steps.index(("flush", path)) < steps.index(("rename", path)) for path in renamed)
    after = {path for step, path in steps[steps.index(("rename", renamed[-1])) :] if step == "flush"}
    assert after == {str(file_of(tmp_path, each.cid).parent) for each in many} | {str(tmp_path)}


async def test_a_full_disk_is_temporary_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    blocks = LocalBlocks(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Temporary, match="No space left"):
            await blocks.put([block(b"one"), block(b"two")])
    assert await all_ids(blocks) == set()
    assert not list((tmp_path / "unfinished").iterdir())
    await blocks.put([block(b"one")])


async def test_leavings_of_a_crash_are_removed_once_they_are_old(tmp_path: Path) -> None:
    LocalBlocks(tmp_path)
    old, new = tmp_path / "unfinished" / "old", tmp_path / "unfinished" / "new"
    old.touch()
    new.touch()
    os.utime(old, (0, time.time() - 7200))
    blocks = LocalBlocks(tmp_path)
    assert not old.exists()
    assert new.exists()
    assert await all_ids(blocks) == set()


async def test_stray_files_are_no_blocks(tmp_path: Path) -> None:
    blocks = LocalBlocks(tmp_path)
    await blocks.put([block(b"one")])
    (file_of(tmp_path, block(b"one").cid).parent / "notes.txt").touch()
    assert await all_ids(blocks) == {block(b"one").cid.digest}


async def test_nobody_else_may_look_in(tmp_path: Path) -> None:
    LocalBlocks(tmp_path / "blocks")
    assert (tmp_path / "blocks").stat().st_mode & 0o777 == 0o700
