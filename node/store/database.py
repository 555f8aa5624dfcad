"""The database: units of work in, values out, on disk before anybody is told so.

async with Database.open(path) as database:
    message = await database.write(lambda tx: messages.add(tx, ...))
    boxes = await database.read(lambda tx: mailboxes.listing(tx, account_id))
    async with database.watch(account_id) as watch:
        await watch.wait()
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import apsw
import trio

from node.base.errors import Temporary
from node.store.migrate import migrate
from node.store.readers import Readers
from node.store.transaction import SHORTAGES, Reading, Writing, temporary
from node.store.writer import Writer

__all__ = ["Database", "Reading", "Temporary", "Watch", "Writing"]

T = TypeVar("T")

BUSY_MS = 5000  # how long to wait for another process's lock before Temporary
CACHE_KIB = 16 << 10  # page cache of each connection
CHECKPOINT_PAGES = 4000  # about 16 MiB of write-ahead log between checkpoints


class Watch:
    """Tells that something was committed since the last wait: many commits count once, none is missed."""

    def __init__(self) -> None:
        self._event = trio.Event()

    @property
    def pending(self) -> bool:
        """True when `wait` would return at once: a question that costs nothing."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Return at once when a commit happened since the last wait, else when the next one does."""
        await self._event.wait()
        self._event = trio.Event()

    def wake(self) -> None:
        """Called after each commit that concerns this watch."""
        self._event.set()


class Database:
    """One SQLite database file, one writer, a few readers. Make it with `Database.open`."""

    def __init__(self, path: Path, writer: apsw.Connection, readers: list[apsw.Connection]) -> None:
        self.path = path
        self._watches: dict[int | None, set[Watch]] = {}
        self._writer = Writer(writer, self._committed)
        self._readers = Readers(readers)

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, *, readers: int = 2) -> AsyncIterator[Database]:
        """Bring the database at `path` to the current schema (a snapshot goes first) and serve it until the block ends.

        Args:
            path: the database file; its directory is made (mode 0700) when missing.
            readers: reading connections, a thread each.

        Raises:
            Temporary: the disk or a lock stands in the way.
            Permanent: the file is no database of ours, or a newer program's.
        """
        writer, reading = await trio.to_thread.run_sync(_prepare, path, readers)
        database = cls(path, writer, reading)
        try:
            yield database
        finally:
            await database._writer.aclose()
            await database._readers.aclose()
            with trio.CancelScope(shield=True):
                await trio.to_thread.run_sync(_close, [*reading, writer])

    async def write(self, work: Callable[[Writing], T]) -> T:
        """Run `work` in a transaction; return its value once that is on disk.

        Every waiting unit of work shares one commit and one fsync. What `work` raises undoes its own work alone and is
        raised here. `work` runs on the writer's thread: synchronous, quick, no I/O of its own, and safe to run again.

        Raises:
            Temporary: disk full, database locked, I/O error: nothing of this unit was kept.
        """
        value: T = await self._writer.submit(work)
        return value

    async def read(self, query: Callable[[Reading], T]) -> T:
        """Run `query` on one consistent snapshot that holds every commit acknowledged before this call.

        Raises:
            Temporary: the database cannot be read now.
        """
        value: T = await self._readers.submit(query)
        return value

    def watch(self, account_id: int) -> _Watching:
        """`async with database.watch(id) as watch`: commits that touch the account."""
        return _Watching(self._watches, account_id)

    def watch_all(self) -> _Watching:
        """Likewise for commits that touch any account."""
        return _Watching(self._watches, None)

    def _committed(self, touched: set[int]) -> None:
        if not touched:
            return
        for key in (None, *touched):
            for watch in self._watches.get(key, ()):
                watch.wake()


class _Watching:
    """Registers a `Watch` for the length of a block."""

    def __init__(self, watches: dict[int | None, set[Watch]], key: int | None) -> None:
        self._watches = watches
        self._key = key
        self._watch = Watch()

    async def __aenter__(self) -> Watch:
        self._watches.setdefault(self._key, set()).add(self._watch)
        return self._watch

    async def __aexit__(self, *_exc: object) -> None:
        group = self._watches[self._key]
        group.discard(self._watch)
        if not group:
            del self._watches[self._key]


def _prepare(path: Path, readers: int) -> tuple[apsw.Connection, list[apsw.Connection]]:
    try:
        _make_file(path)
        migrate(path)
        return connect(path), [connect(path, query_only=True) for _ in range(readers)]
    except (OSError, *SHORTAGES) as error:
        raise (Temporary(f"cannot open {path}: {error}") if isinstance(error, OSError) else temporary(error)) from error


def _make_file(path: Path) -> None:
    """An empty file of our own first: SQLite gives its -wal and -shm the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)  # else the whole file may be gone after a power cut
    finally:
        os.close(directory)


def connect(path: Path, *, query_only: bool = False) -> apsw.Connection:
    """A connection with the house's settings."""
    connection = apsw.Connection(str(path), statementcachesize=256)
    connection.set_busy_timeout(BUSY_MS)
    for pragma in (
        "journal_mode = WAL",
        "synchronous = FULL",  # the 250 we gave survives a power cut
        "foreign_keys = ON",
        f"cache_size = -{CACHE_KIB}",
        "temp_store = MEMORY",
        f"wal_autocheckpoint = {CHECKPOINT_PAGES}",
        f"journal_size_limit = {64 << 20}",
        f"query_only = {int(query_only)}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def _close(connections: list[apsw.Connection]) -> None:
    for connection in connections:
        connection.close()
