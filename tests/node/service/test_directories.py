"""A whole node whose people are listed in an SQL database, and settings that cannot be."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from node.base.address import parse_address
from node.base.config import parse_settings
from node.base.errors import ConfigError
from node.directory.resolve import readers
from node.service.names import open_directory
from node.store import domains
from node.store.database import Database

pytestmark = pytest.mark.anyio
HEAD = 'hostname = "mx.one.example"\n'


async def opened(database: Database, text: str) -> Any:
    return await open_directory(parse_settings(HEAD + text), database, {})


async def test_the_settings_choose_the_directory(tmp_path: Path) -> None:
    people = tmp_path / "people.db"
    with closing(sqlite3.connect(people)) as connection, connection:
        connection.execute("CREATE TABLE staff (mail TEXT, name TEXT)")
        connection.execute("INSERT INTO staff VALUES ('ann@one.example', 'Ann')")
    settings = (
        f'[sql_directory]\nenabled = true\nurl = "sqlite:///file:{people}?mode=ro&uri=true"\n'
        'people_query = "SELECT mail, name FROM staff WHERE mail = :address"\n'
        "group_query = \"SELECT 'x' WHERE :address = ''\"\n"
    )
    async with Database.open(tmp_path / "waxseal.db") as database:
        await database.write(lambda tx: domains.add(tx, "one.example"))
        ann = parse_address("ann+x@one.example")
        assert not readers(await (await opened(database, "")).resolve(ann))
        (found,) = readers(await (await opened(database, settings)).resolve(ann))
        assert (found.account.address, found.account.name) == ("ann@one.example", "Ann")
        with pytest.raises(ConfigError, match="choose one"):
            await opened(database, settings + '[ldap]\nenabled = true\nbase = "dc=one"\n')
