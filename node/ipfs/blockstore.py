"""Where blocks live: one small interface, and the embedded store of files that needs no daemon.

What `put` has acknowledged is on disk, what `get` returns is what the CID names. A block that rotted is reported, never
served; a block that is stored again is repaired by it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import trio

from node.base.errors import Temporary
from node.base.log import get_log
from node.ipfs.cid import Cid, CidError
from node.ipfs.dagpb import DagError
from node.ipfs.unixfs import MAX_BLOCK, Block

log = get_log(__name__)

_STALE = 3600  # seconds after which an unfinished file belongs to nobody
_THREADS = 4
_FLUSHES = 16  # that wait for the disk side by side


class BlockMissing(Temporary):
    """The store has no such block (now): it may be found elsewhere, or come back with a repaired disk."""


class BlockCorrupt(Temporary):
    """The store's copy of the block is not what its CID names; it is kept for the operator and never served."""


class Blocks(Protocol):
    """A block store. Every implementation passes tests/node/ipfs/test_blockstore.py.

    A store may know blocks by their digest alone: then `ids` gives every block as raw, and one content under two codecs
    is one block.
    """

    async def put(self, blocks: Sequence[Block]) -> None:
        """Store blocks; return when all of them would survive a power cut.

        Raises:
            Temporary: disk full or failing; none, some or all of the blocks are stored.
            DagError: a block is not what its CID names, or too large; nothing is stored.
        """

    async def get(self, cid: Cid) -> bytes:
        """The block, checked against its CID.

        Raises:
            BlockMissing: it is not here.
            BlockCorrupt: it is here and damaged.
        """

    async def has(self, cid: Cid) -> bool:
        """True when the block is here; says nothing about its health."""

    async def delete(self, cids: Iterable[Cid]) -> int:
        """Remove blocks, in the order given; return how many were here. Those that are not are no error."""

    def ids(self) -> AsyncIterator[Cid]:
        """Every block's CID, in no order, while others come and go."""


@dataclass(frozen=True, slots=True)
class _Staged:
    """A block in a temporary file, and where it belongs."""

    temporary: Path
    final: Path


class LocalBlocks:
    """A file per block in 256 folders by the first octet of the digest, named by CID.

    A batch is written to temporary files, each is flushed, all are renamed, and then the folders touched are flushed
    once: a crash leaves whole blocks and temporary files, nothing between.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._unfinished = directory / "unfinished"
        self._threads = trio.CapacityLimiter(_THREADS)
        self._flushes = trio.CapacityLimiter(_FLUSHES)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # `mode` is for the last folder of a path alone
            self._unfinished.mkdir(mode=0o700, exist_ok=True)
            self._remove_stale()
        except OSError as error:  # a disk that is not there must not keep the node from starting: mail comes first
            log.warning("block_store_unusable", path=str(directory), error=error.strerror or str(error))

    async def put(self, blocks: Sequence[Block]) -> None:
        """Store blocks; see `Blocks.put`."""
        staged: list[_Staged] = []
        try:
            folders = await trio.to_thread.run_sync(self._stage, blocks, staged, limiter=self._threads)
            await self._flush([one.temporary for one in staged], os.O_RDWR)
            await trio.to_thread.run_sync(_place, staged, limiter=self._threads)
            await self._flush(folders, os.O_RDONLY)
        except OSError as error:
            raise Temporary(f"cannot store blocks in {self._directory}: {error.strerror or error}") from error
        finally:
            for one in staged:
                one.temporary.unlink(missing_ok=True)

    async def get(self, cid: Cid) -> bytes:
        """The block, checked; see `Blocks.get`."""
        return await trio.to_thread.run_sync(self._get, cid, limiter=self._threads)

    async def has(self, cid: Cid) -> bool:
        """True when the block is here."""
        return await trio.to_thread.run_sync(self._path(cid).is_file, limiter=self._threads)

    async def delete(self, cids: Iterable[Cid]) -> int:
        """Remove blocks; see `Blocks.delete`."""
        return await trio.to_thread.run_sync(self._delete, list(cids), limiter=self._threads)

    async def ids(self) -> AsyncIterator[Cid]:
        """Every block's CID, a folder at a time."""
        for number in range(256):
            folder = self._directory / f"{number:02x}"
            for cid in await trio.to_thread.run_sync(self._in_folder, folder, limiter=self._threads):
                yield cid

    def _path(self, cid: Cid) -> Path:
        return self._directory / f"{cid.digest[0]:02x}" / str(cid)

    def _stage(self, blocks: Sequence[Block], staged: list[_Staged]) -> set[Path]:
        """Write what is missing to temporary files; return the folders to be flushed once they are in place."""
        check(blocks)
        self._unfinished.mkdir(parents=True, exist_ok=True)  # the disk may have come back
        folders = {self._path(block.cid).parent for block in blocks}
        if [folder for folder in folders if _make(folder)]:
            folders.add(self._directory)
        for block in blocks:
            if not self._is_whole(block):
                one = _Staged(self._unfinished / secrets.token_hex(16), self._path(block.cid))
                staged.append(one)
                _write(one.temporary, block.data)
        return folders

    async def _flush(self, paths: Iterable[Path], mode: int) -> None:
        """Flush side by side: the file system then shares its journal's commits, which is several times faster."""
        failures: list[OSError] = []

        async def flush(path: Path) -> None:
            try:
                await trio.to_thread.run_sync(_flush, path, mode, limiter=self._flushes)
            except OSError as error:
                failures.append(error)

        async with trio.open_nursery() as nursery:
            for path in paths:
                nursery.start_soon(flush, path)
        if failures:
            raise failures[0]

    def _is_whole(self, block: Block) -> bool:
        """True when an undamaged copy is stored, which is young from now on; a damaged one is to be written again."""
        path = self._path(block.cid)
        try:
            if path.read_bytes() != block.data:
                return False
            os.utime(path)  # somebody needs it now: `delete_older` must not take it for old garbage
        except FileNotFoundError:
            return False
        return True

    def _get(self, cid: Cid) -> bytes:
        path = self._path(cid)
        try:
            with path.open("rb") as file:
                data = file.read(MAX_BLOCK + 1)
        except FileNotFoundError:
            raise BlockMissing(f"block {cid} is not in {self._directory}") from None
        except OSError as error:
            raise BlockCorrupt(f"block {cid} cannot be read: {error.strerror or error}") from error
        if len(data) > MAX_BLOCK or not cid.names(data):
            log.error("block_corrupt", cid=str(cid), path=str(path))
            raise BlockCorrupt(f"block {cid} in {path} is damaged: restore it from a backup or another node")
        return data

    async def delete_older(self, cids: Iterable[Cid], before: float) -> int:
        """Remove blocks that were put before a moment, in seconds since 1970; return how many went.

        For a program beside the running node: what that is writing just now is younger.
        """
        return await trio.to_thread.run_sync(self._delete, list(cids), before, limiter=self._threads)

    async def size(self) -> int:
        """Octets of all blocks."""
        sizes = 0
        for number in range(256):
            folder = self._directory / f"{number:02x}"
            sizes += await trio.to_thread.run_sync(_size, folder, limiter=self._threads)
        return sizes

    def _delete(self, cids: list[Cid], before: float = float("inf")) -> int:
        removed = 0
        try:
            for cid in cids:
                path = self._path(cid)
                if not path.exists() or path.stat().st_mtime >= before:
                    continue
                path.unlink(missing_ok=True)
                removed += 1
        except OSError as error:
            raise Temporary(f"cannot delete blocks in {self._directory}: {error.strerror or error}") from error
        return removed

    def _in_folder(self, folder: Path) -> list[Cid]:
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            return []
        return list(_cids(names))

    def _remove_stale(self) -> None:
        for path in self._unfinished.iterdir():
            if path.stat().st_mtime < time.time() - _STALE:
                path.unlink(missing_ok=True)


def check(blocks: Iterable[Block]) -> None:
    """Raises DagError for a block that is not what its CID names, or too large."""
    for block in blocks:
        if len(block.data) > MAX_BLOCK or not block.cid.names(block.data):
            raise DagError(f"the block given to be stored as {block.cid} is too large or another one")


def _cids(names: list[str]) -> Iterator[Cid]:
    for name in names:
        try:
            yield Cid.parse(name)
        except CidError:
            log.warning("stray_file_in_block_store", name=name)


def _size(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat().st_size for entry in entries)
    except FileNotFoundError:
        return 0


def _place(staged: Sequence[_Staged]) -> None:
    for one in staged:
        one.temporary.rename(one.final)


def _make(folder: Path) -> bool:
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _write(path: Path, data: bytes) -> None:
    with path.open("xb", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view) :]


def _flush(path: Path, mode: int) -> None:
    handle = os.open(path, mode)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
