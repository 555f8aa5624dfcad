"""The embedded chain's storage: py-evm's key-value database over one SQLite file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
from eth.db.backends.base import BaseDB

from node.base.errors import Temporary

BUSY_MS = 5000


class KeyValue(BaseDB):
    """Bytes to bytes in one table. Reads see their own writes; a crash keeps whole transactions only.

    Args:
        path: the file; made with mode 0600 unless `readonly`.
        readonly: for a second process that only looks.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        try:
            if not readonly:
                os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            flags = apsw.SQLITE_OPEN_READONLY if readonly else apsw.SQLITE_OPEN_READWRITE
            self._connection = apsw.Connection(str(path), flags=flags)
            self._connection.set_busy_timeout(BUSY_MS)
            if not readonly:
                self._prepare()
        except (OSError, apsw.Error) as error:
            raise Temporary(f"cannot open the embedded chain {path}: {error}") from error

    def _prepare(self) -> None:
        self._connection.pragma("journal_mode", "wal")
        self._connection.pragma("synchronous", "full")  # what was anchored stays anchored after a power cut
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS pair (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT"
        )

    @contextmanager
    def transaction(self, *, write: bool = False) -> Iterator[None]:
        """One consistent view, and with `write` all or nothing."""
        try:
            self._connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")
        except apsw.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise Temporary(f"the embedded chain's database failed: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __getitem__(self, key: bytes) -> bytes:
        for (value,) in self._connection.execute("SELECT value FROM pair WHERE key = ?", (key,)):
            return bytes(value)
        raise KeyError(key)

    def __setitem__(self, key: bytes, value: bytes) -> None:
        self._connection.execute("INSERT OR REPLACE INTO pair (key, value) VALUES (?, ?)", (key, value))

    def __delitem__(self, key: bytes) -> None:
        self._connection.execute("DELETE FROM pair WHERE key = ?", (key,))

    def _exists(self, key: bytes) -> bool:
        return self._connection.execute("SELECT 1 FROM pair WHERE key = ?", (key,)).fetchone() is not None
