"""Content on its way in: small in memory, large in a file, never left behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from node.base.errors import Temporary
from node.store import incoming
from node.store.incoming import Incoming

pytestmark = pytest.mark.anyio


def held(directory: Path) -> list[Path]:
    return list((directory / "incoming").glob("*"))


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(0, 200), st.integers(0, 300), st.integers(0, 300))
def test_what_goes_in_comes_out(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], memory: int, length: int, start: int
) -> None:
    async def check() -> None:
        directory = tmp_path_factory.mktemp("data")
        content = Incoming(directory, memory)
        for chunk in chunks:
            await content.write(chunk)
        whole = b"".join(chunks)
        assert content.size == len(whole)
        assert await content.head(length) == whole[:length]
        assert await content.read(start, length) == whole[start : start + length]  # part of it not yet in the file
        with content.view() as view:
            assert bytes(view[:]) == whole
        assert await content.head(length) == whole[:length]
        assert await content.read(start, length) == whole[start : start + length]
        await content.aclose()
        assert held(directory) == []

    trio.run(check)


async def test_small_content_never_touches_the_disk(tmp_path: Path) -> None:
    content = Incoming(tmp_path)
    await content.write(b"x" * (1 << 20))
    assert held(tmp_path) == []
    await content.aclose()


async def test_large_content_lies_in_a_private_file(tmp_path: Path) -> None:
    content = Incoming(tmp_path, memory=1000)
    for _ in range(20):
        await content.write(b"0123456789" * 5000)
    (file,) = held(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    with content.view() as view:
        assert len(view) == 1_000_000
    await content.aclose()
    await content.aclose()
    assert held(tmp_path) == []


async def test_a_full_disk_is_temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    content = Incoming(tmp_path, memory=10)
    with pytest.raises(Temporary, match="No space left"):
        await content.write(b"x" * 100)
    await content.aclose()
    assert held(tmp_path) == []


async def test_what_a_killed_run_left_is_cleared(tmp_path: Path) -> None:
    content = Incoming(tmp_path, memory=10)
    await content.write(b"x" * 100)
    assert incoming.clear(tmp_path) == 1
    assert held(tmp_path) == []
    await content.aclose()
    assert incoming.clear(tmp_path / "missing") == 0
