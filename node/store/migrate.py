"""Bring a database file to the current schema with Alembic, a snapshot first.

Costs a millisecond, and does not import Alembic, when there is nothing to do.
"""

from __future__ import annotations

import time
from pathlib import Path

import apsw

from node.base.errors import Permanent
from node.base.log import get_log
from node.store.migrations import HEAD

log = get_log(__name__)

SNAPSHOTS = 5  # kept beside the database


def revision(path: Path) -> str | None:
    """The schema's revision in the file, or None for an empty database.

    Raises:
        Permanent: the file is no SQLite database.
    """
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(5000)
        known = connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'alembic_version'").fetchall()
        rows = connection.execute("SELECT version_num FROM alembic_version").fetchall() if known else []
    except apsw.NotADBError:
        raise Permanent(f"{path} is no database: restore it from a snapshot, or move it away to start anew") from None
    finally:
        connection.close()
    return str(rows[0][0]) if rows else None


def migrate(path: Path) -> None:
    """Run what is missing between the file's revision and this program's; blocks.

    Raises:
        Permanent: the database was written by a newer program, or is none.
    """
    found = revision(path)
    if found == HEAD:
        return
    if found is not None:
        snapshot(path, found)
    log.info("store.migrate", path=str(path), found=found, wanted=HEAD)
    from node.store.upgrade import upgrade  # noqa: PLC0415 - Alembic is needed only here, and slow to import

    upgrade(path, found)


def snapshot(path: Path, name: str) -> Path:
    """Write a consistent copy to `snapshots/` beside the database and return its path; the oldest go."""
    directory = path.parent / "snapshots"
    directory.mkdir(mode=0o700, exist_ok=True)
    target = directory / f"{path.stem}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{name}{path.suffix}"
    target.unlink(missing_ok=True)
    target.touch(0o600)
    connection = apsw.Connection(str(path))
    try:
        connection.execute("VACUUM INTO ?", (str(target),))
    finally:
        connection.close()
    for old in sorted(directory.glob(f"{path.stem}-*"))[:-SNAPSHOTS]:
        old.unlink()
    return target
