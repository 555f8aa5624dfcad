"""What a unit of work is handed: a snapshot to read, or a transaction to write."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any

import apsw

from node.base.errors import Temporary
from node.store.statement import Statement

Row = tuple[Any, ...]

SHORTAGES = (apsw.FullError, apsw.BusyError, apsw.LockedError, apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError)
"""What the machine can lack for a while: disk, a lock, a working disk. Everything else is a bug."""


def temporary(error: BaseException) -> Temporary:
    """A shortage as the error the floors above know, with what to look at."""
    if isinstance(error, apsw.FullError):
        return Temporary("the disk that holds the mail store is full: free space in the data directory")
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return Temporary("the mail store is locked by another process: find who else opened its database")
    return Temporary(f"the mail store cannot be read or written: {error}")


class Reading:
    """One consistent snapshot of the database, valid inside the function it is given to."""

    __slots__ = ("_cursor",)

    def __init__(self, connection: apsw.Connection) -> None:
        self._cursor = connection.cursor()

    @property
    def directory(self) -> Path:
        """The data directory."""
        return Path(self._cursor.connection.filename).parent

    def execute(self, statement: Statement, **params: Any) -> list[Row]:
        """Run the statement and return all its rows.

        Args:
            statement: a module's constant; its parameters are given by name.
            params: int, str, bytes or None.
        """
        sql = statement.sql or statement.compile()
        if statement.constants:
            params.update(statement.constants)
        return self._cursor.execute(sql, statement.arrange(params)).fetchall()

    def each(self, statement: Statement, **params: Any) -> Generator[Row, None, None]:
        """Likewise, one row at a time, for rows too large to hold them all. Read it to its end or close it."""
        sql = statement.sql or statement.compile()
        cursor = self._cursor.connection.cursor()
        try:
            yield from cursor.execute(sql, statement.arrange({**params, **statement.constants}))
        finally:
            cursor.close()

    def one(self, statement: Statement, **params: Any) -> Row | None:
        """The first row, or None; for statements that yield at most one."""
        rows = self.execute(statement, **params)
        return rows[0] if rows else None

    def value(self, statement: Statement, **params: Any) -> Any:
        """The first column of the first row, or None."""
        rows = self.execute(statement, **params)
        return rows[0][0] if rows else None


class Writing(Reading):
    """A transaction under way. It is committed with others, or undone alone when the unit of work raises.

    A unit of work may be run a second time when a neighbour in its batch took the transaction down, so it changes
    nothing but the database; what must happen outside goes through `after`.
    """

    __slots__ = ("afters", "touched")

    def __init__(self, connection: apsw.Connection) -> None:
        super().__init__(connection)
        self.start()

    def start(self) -> None:
        """The writer calls this before each unit of work."""
        self.touched: set[int] = set()
        self.afters: list[Callable[[], None]] = []

    def execute_many(self, statement: Statement, rows: Iterable[Mapping[str, Any]]) -> None:
        """Run one statement for each mapping of parameters; it returns no rows."""
        sql = statement.sql or statement.compile()
        constants = statement.constants
        self._cursor.executemany(sql, [statement.arrange({**row, **constants}) for row in rows])

    def touch(self, account_id: int) -> None:
        """Wake the account's watchers once this is committed."""
        self.touched.add(account_id)

    def after(self, action: Callable[[], None]) -> None:
        """Call `action` on the writer's thread once this is committed; for removing files, never for promises."""
        self.afters.append(action)
