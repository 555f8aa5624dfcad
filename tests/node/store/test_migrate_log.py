"""The log of a database from before there were tiles: its entries are made again from its leaves."""

from __future__ import annotations

import hashlib
from pathlib import Path

import apsw
import pytest
from alembic import command
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from node.anchor.leaf import Direction, Leaf
from node.store import leaves, tree
from node.store.database import Database
from node.store.upgrade import config, upgrade

pytestmark = pytest.mark.anyio

_NUMBER = 5


def old_database(path: Path) -> list[Leaf]:
    """A database of revision 0013 with a few leaves of version 1."""
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    settings = config()
    with engine.connect() as connection, connection.begin():
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0013")
    logged = [
        Leaf(
            hashlib.sha256(bytes([n])).digest(),
            (Direction.RECEIVED, Direction.SUBMITTED)[n % 2],
            9 + n,
            bytes([n]) * 32,
        )
        for n in range(_NUMBER)
    ]
    connection = apsw.Connection(str(path))
    for index, leaf in enumerate(logged):
        row = (index, leaf.hash, leaf.salt, leaf.message_sha256, leaf.direction.value, leaf.time)
        connection.execute("INSERT INTO leaf VALUES (?, ?, ?, ?, ?, ?)", row)
    connection.close()
    return logged


async def test_entries_are_made_again_and_the_leaves_stay(tmp_path: Path) -> None:
    logged = old_database(tmp_path / "mail.sqlite")
    async with Database.open(tmp_path / "mail.sqlite") as database:
        assert await database.read(tree.size) == _NUMBER
        for index, leaf in enumerate(logged):
            assert await database.read(lambda tx, i=index: tree.entry(tx, i)) == leaf.entry
            row = await database.read(lambda tx, i=index: leaves.leaf(tx, i))
            assert row == leaves.Leaf(index, leaf.salt, leaf.message_sha256, leaf.direction.value, leaf.time)


def test_a_leaf_that_is_not_what_was_logged_stops_the_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "mail.sqlite"
    old_database(path)
    connection = apsw.Connection(str(path))
    connection.execute('UPDATE leaf SET time = 1 WHERE "index" = 3')
    with pytest.raises(ValueError, match="leaf 3 of the log is not what was logged"):
        upgrade(path, "0013")
    assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("0013",)]
    assert connection.execute("SELECT count(leaf_hash) FROM leaf").fetchall() == [(_NUMBER,)]
    connection.close()
