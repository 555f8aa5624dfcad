"""Content on its way in: in memory while it is small, in a file once it is not."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from node.base.errors import Temporary

FLUSH = 256 << 10  # bytes gathered before a hop to the disk
_DISK = 8  # threads that write incoming files at a time

_limiter = trio.lowlevel.RunVar[trio.CapacityLimiter]("node.store.incoming")


class Incoming:
    """Holds a message's content while it comes and while it is judged. Close it whatever happens: `aclose`.

    Args:
        directory: the data directory; large content goes to `incoming/` below it, mode 0600.
        memory: bytes kept in memory at most.

    Attributes:
        size: bytes written so far.
    """

    def __init__(self, directory: Path, memory: int = 1 << 20) -> None:
        self.size = 0
        self._directory = directory / "incoming"
        self._memory = memory
        self._buffer = bytearray()
        self._file: int | None = None
        self._path: Path | None = None
        self._closed = False

    async def write(self, data: bytes) -> None:
        """Append content.

        Raises:
            Temporary: the disk is full or broken; the content is of no use any more.
        """
        assert not self._closed
        self._buffer += data
        self.size += len(data)
        limit = self._memory if self._file is None else FLUSH
        if len(self._buffer) > limit:
            await self._hop(self._spill)

    async def head(self, length: int) -> bytes:
        """The first `length` bytes, fewer when there are not so many."""
        return await self.read(0, length)

    async def read(self, start: int, length: int) -> bytes:
        """`length` bytes from `start` on, fewer at the end.

        Raises:
            Temporary: the disk is broken.
        """
        if self._file is None:
            return bytes(self._buffer[start : start + length])
        try:
            return await trio.to_thread.run_sync(self._read, start, length, limiter=_disk())
        except OSError as error:
            raise _temporary(error) from error

    @contextmanager
    def view(self) -> Iterator[bytes | mmap.mmap]:
        """The whole content, valid inside the block: bytes while small, the mapped file when large.

        Raises:
            Temporary: what is still in memory cannot be written to the file.
        """
        if self._file is None:
            yield bytes(self._buffer)
            return
        try:
            self._spill()
            mapped = mmap.mmap(self._file, self.size, access=mmap.ACCESS_READ)
        except OSError as error:
            raise _temporary(error) from error
        try:
            yield mapped
        finally:
            mapped.close()

    async def aclose(self) -> None:
        """Forget the content and remove the file; closing twice is fine."""
        self._closed = True
        self._buffer = bytearray()
        if self._file is not None:
            os.close(self._file)
            self._file = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None
        await trio.lowlevel.checkpoint()

    async def _hop(self, work: object) -> None:
        try:
            await trio.to_thread.run_sync(work, limiter=_disk())  # type: ignore[arg-type]
        except OSError as error:
            raise _temporary(error) from error

    def _spill(self) -> None:
        if self._file is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file, name = tempfile.mkstemp(dir=self._directory)  # mkstemp makes it 0600
            self._path = Path(name)
        with memoryview(self._buffer) as view:
            written = 0
            while written < len(view):
                written += os.write(self._file, view[written:])
        self._buffer = bytearray()

    def _read(self, start: int, length: int) -> bytes:
        assert self._file is not None
        found = os.pread(self._file, length, start)
        behind = max(0, start - (self.size - len(self._buffer)))  # what is not written yet lies behind the file
        return found + bytes(self._buffer[behind : behind + length - len(found)])


def clear(directory: Path) -> int:
    """Remove what a killed run left in `incoming/`; called at start. Returns how many files went."""
    left = [path for path in (directory / "incoming").glob("*") if path.is_file()]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


def _temporary(error: OSError) -> Temporary:
    return Temporary(f"cannot keep incoming mail: {error.strerror}: free space in the data directory")


def _disk() -> trio.CapacityLimiter:
    try:
        return _limiter.get()
    except LookupError:
        limiter = trio.CapacityLimiter(_DISK)
        _limiter.set(limiter)
        return limiter
