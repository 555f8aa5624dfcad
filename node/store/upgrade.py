"""Alembic's part: imported only when a database needs migrating."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, create_engine, event
from sqlalchemy.pool import NullPool

from node.base.errors import Permanent


def config() -> Config:
    """Alembic's settings, pointing at the migrations inside this package."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return settings


def head() -> str | None:
    """The newest revision among the migration files."""
    return ScriptDirectory.from_config(config()).get_current_head()


def upgrade(path: Path, found: str | None) -> None:
    """Run the missing migrations in one transaction.

    Raises:
        Permanent: `found` is no revision this program knows.
    """
    engine = create_engine(URL.create("sqlite", database=str(path)), poolclass=NullPool)
    # The driver's own idea of when a transaction starts leaves DDL outside of it: take that over.
    event.listen(engine, "connect", lambda connection, _record: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", _begin)
    settings = config()
    try:
        with engine.connect() as connection, connection.begin():
            settings.attributes["connection"] = connection
            command.upgrade(settings, "head")
    except CommandError as error:
        raise Permanent(
            f"{path} is at revision {found}, unknown to this program: run the newer one that wrote it ({error})"
        ) from error
    finally:
        engine.dispose()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
