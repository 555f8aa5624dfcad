"""Migrations: the schema they make is the schema we write against; a snapshot goes before each."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import apsw
import pytest
import trio
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect
from sqlalchemy.pool import NullPool

from node.base.errors import Permanent, Temporary
from node.store import domains, migrate, schema
from node.store.database import Database
from node.store.migrations import HEAD
from node.store.upgrade import head, upgrade

pytestmark = pytest.mark.anyio


def test_migrated_schema_is_the_written_one(tmp_path: Path) -> None:
    upgrade(tmp_path / "a.db", None)
    migrated, written = (
        create_engine(f"sqlite:///{tmp_path}/a.db", poolclass=NullPool),
        create_engine(f"sqlite:///{tmp_path}/b.db", poolclass=NullPool),
    )
    schema.metadata.create_all(written)
    with migrated.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), schema.metadata) == []
    with migrated.connect() as one, written.connect() as other:
        for table in schema.metadata.tables:
            assert _described(one, table) == _described(other, table)


def _described(connection: object, table: str) -> object:
    """What SQLite makes of a table: columns, options, keys, indexes."""
    rows = connection.exec_driver_sql  # type: ignore[attr-defined]
    listed = rows("SELECT type, ncol, wr, strict FROM pragma_table_list WHERE name = ?", (table,)).fetchall()
    columns = sorted(
        map(tuple, rows("SELECT name, type, [notnull], pk FROM pragma_table_info(?)", (table,)).fetchall())
    )
    keys = sorted(
        map(tuple, rows("SELECT [table], [from], [to], on_delete FROM pragma_foreign_key_list(?)", (table,)).fetchall())
    )
    indexes = sorted(i["name"] + str(i["column_names"]) for i in inspect(connection).get_indexes(table))
    text = rows("SELECT sql LIKE '%AUTOINCREMENT%' FROM sqlite_schema WHERE name = ?", (table,)).fetchall()
    return list(map(tuple, listed)), columns, keys, indexes, list(map(tuple, text))


def test_head_is_the_newest_revision() -> None:
    assert head() == HEAD


async def test_opening_a_current_database_leaves_alembic_alone(tmp_path: Path) -> None:
    path = tmp_path / "waxseal.db"
    async with Database.open(path):
        pass
    program = (
        "import sys, trio; from pathlib import Path; from node.store.database import Database\n"
        "async def main():\n"
        "    async with Database.open(Path(sys.argv[1])): pass\n"
        "trio.run(main); print('alembic' in sys.modules, 'sqlite3' in sys.modules)"
    )
    done = await trio.run_process([sys.executable, "-c", program, str(path)], capture_stdout=True)
    assert done.stdout.split() == [b"False", b"False"]
    assert not (tmp_path / "snapshots").exists()


async def test_a_snapshot_goes_before_a_migration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "waxseal.db"
    async with Database.open(path) as database:
        await database.write(lambda tx: domains.add(tx, "a.example"))
    monkeypatch.setattr(migrate, "HEAD", "9999")
    for _ in range(migrate.SNAPSHOTS + 2):
        migrate.migrate(path)
    taken = sorted((tmp_path / "snapshots").iterdir())
    assert 1 <= len(taken) <= migrate.SNAPSHOTS
    with sqlite3.connect(taken[-1]) as copy:
        assert copy.execute("SELECT name FROM domain").fetchall() == [("a.example",)]
    copy.close()
    assert taken[-1].stat().st_mode & 0o777 == 0o600


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "waxseal.db"
    async with Database.open(path):
        pass
    with apsw.Connection(str(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '7777'")
    connection.close()
    with pytest.raises(Permanent, match="7777"):
        async with Database.open(path):
            pass


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "waxseal.db"
    path.write_bytes(b"certainly not a database, but long enough to have a header" * 100)
    with pytest.raises(Permanent, match="no database"):
        async with Database.open(path):
            pass


async def test_a_path_that_cannot_be_made_is_temporary(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Temporary):
        async with Database.open(tmp_path / "file" / "waxseal.db"):
            pass
