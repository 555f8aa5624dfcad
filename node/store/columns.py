"""What tables are made of: strict ones, without nulls unless they say so."""

from __future__ import annotations

from typing import TypeAlias

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, MetaData, Table, Text, UniqueConstraint
from sqlalchemy import text as sql

metadata = MetaData(
    naming_convention={"ix": "ix_%(table_name)s_%(column_0_N_name)s", "uq": "uq_%(table_name)s_%(column_0_N_name)s"}
)

Part: TypeAlias = Column[int] | Column[str] | Column[bytes] | Index | UniqueConstraint


def table(name: str, *parts: Part, rowid: bool = True, reuse: bool = True) -> Table:
    """A strict table; `rowid=False` for small rows found by their key, `reuse=False` where ids never come back."""
    return Table(name, metadata, *parts, sqlite_strict=True, sqlite_with_rowid=rowid, sqlite_autoincrement=not reuse)


def number(name: str, *parts: ForeignKey, default: int | None = None, **options: bool) -> Column[int]:
    """An integer; `default` for rows that were there before the column."""
    return Column(name, Integer, *parts, nullable=False, server_default=_default(default), **options)  # type: ignore[arg-type]


def words(name: str, *parts: ForeignKey, default: str | None = None, **options: bool) -> Column[str]:
    """Text; `default` likewise."""
    return Column(name, Text, *parts, nullable=False, server_default=_default(default), **options)  # type: ignore[arg-type]


def octets(name: str, *parts: ForeignKey, **options: bool) -> Column[bytes]:
    """Bytes."""
    return Column(name, LargeBinary, *parts, nullable=False, **options)  # type: ignore[arg-type]


def of(column: str) -> ForeignKey:
    """A reference whose rows go with what they belong to."""
    return ForeignKey(column, ondelete="CASCADE")


def _default(value: int | str | None) -> object:
    return None if value is None else sql(repr(value))
