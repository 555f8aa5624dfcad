"""A statement built with SQLAlchemy Core, compiled to SQL text at its first use and kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import BinaryExpression, ColumnElement, Insert, Select, Table, bindparam, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.sql.base import Executable

DIALECT = SQLiteDialect(paramstyle="qmark")


class Statement:
    """SQL text with parameters that callers give by name and SQLite gets by place, which is twice as fast.

    Attributes:
        sql: the text; "" until the first use.
        constants: parameter name to value, for what stands in the expression as a plain Python value.
        arrange: values by name to values by place.
    """

    __slots__ = ("_clause", "arrange", "constants", "sql")

    def __init__(self, clause: Executable) -> None:
        self._clause = clause
        self.sql = ""
        self.constants: dict[str, Any] = {}
        self.arrange: Callable[[Mapping[str, Any]], Sequence[Any]] = _nothing

    def compile(self) -> str:
        """Compile once (about 60 µs) and remember the text."""
        compiled = self._clause.compile(dialect=DIALECT)  # type: ignore[attr-defined]
        self.constants = {name: value for name, value in compiled.params.items() if value is not None}
        self.arrange = _arranger(compiled.positiontup or ())
        self.sql = str(compiled)
        return self.sql


def _arranger(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    if not names:
        return _nothing
    if len(names) == 1:
        return lambda values: (values[names[0]],)
    return itemgetter(*names)


def _nothing(_values: Mapping[str, Any]) -> Sequence[Any]:
    return ()


def adding(table: Table, *without: str) -> Insert:
    """An INSERT with one parameter for each column, by its name, but for the columns named."""
    return insert(table).values({c.name: bindparam(c.name) for c in table.c if c.name not in without})


def replacing(table: Table) -> Insert:
    """An INSERT likewise, which takes the place of the row with the same primary key."""
    new = upsert(table).values({c.name: bindparam(c.name) for c in table.c})
    keys = table.primary_key.columns
    return new.on_conflict_do_update(
        index_elements=list(keys), set_={c.name: new.excluded[c.name] for c in table.c if c.name not in keys}
    )


def behind(rows: Select[Any]) -> Select[Any]:
    """What an ordered selection has behind its first `:kept` rows: too many, to be deleted."""
    return rows.limit(-1).offset(bindparam("kept"))  # SQLite has no OFFSET without a LIMIT


def same(column: ColumnElement[Any], parameter: str = "") -> BinaryExpression[bool]:
    """`column = :column`, or `column = :parameter` where an update sets the column too."""
    return column == bindparam(parameter or column.key)  # type: ignore[return-value]


def chosen(name: str = "uids") -> Select[Any]:
    """A subselect of the integers in a parameter that holds a JSON array: a set of any size in one parameter."""
    return select(func.json_each(bindparam(name)).table_valued("value").c.value)
