"""A SQLite database with people in it, as another program would keep them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from node.base.config_sql import SqlDirectory


def fill(
    path: Path, people: Mapping[str, str], aliases: Mapping[str, str], groups: Mapping[str, Sequence[str]]
) -> None:
    """Everybody into the tables that the queries in the settings ask by default."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE people (person TEXT, address TEXT PRIMARY KEY, name TEXT, main INTEGER)")
        connection.execute("CREATE TABLE members (address TEXT, member TEXT)")
        for address, name in people.items():
            connection.execute("INSERT INTO people VALUES (?, ?, ?, 1)", (address, address, name))
        for alias, owner in aliases.items():
            connection.execute("INSERT INTO people VALUES (?, ?, ?, 0)", (owner, alias, people[owner]))
        for group, members in groups.items():
            connection.executemany("INSERT INTO members VALUES (?, ?)", [(group, member) for member in members])


def settings_for(path: Path) -> SqlDirectory:
    """Settings that read it, and cannot write."""
    return SqlDirectory.model_validate({"enabled": True, "url": f"sqlite:///file:{path}?mode=ro&uri=true"})
