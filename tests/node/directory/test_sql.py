"""A directory in SQL that changes, is away, is slow, or is asked nonsense."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import ValidationError

from node.base.address import parse_address
from node.base.config_sql import SqlDirectory
from node.base.errors import ConfigError, Temporary
from node.directory.mirror import MirroredDirectory
from node.directory.resolve import Unknown, readers
from node.net.sql_directory import SqlSource
from node.store import domains
from node.store.database import Database

from .sql import fill, settings_for

pytestmark = pytest.mark.anyio
EVE: tuple[Mapping[str, str], Mapping[str, str], Mapping[str, Sequence[str]]] = (
    {"eve@one.example": "Eve"},
    {"eva@one.example": "eve@one.example"},
    {},
)


@pytest.fixture
async def home(database: Database, tmp_path: Path) -> Database:
    await database.write(lambda tx: domains.add(tx, "one.example"))
    fill(tmp_path / "people.db", *EVE)
    return database


async def test_who_comes_and_goes(home: Database, tmp_path: Path) -> None:
    path = tmp_path / "people.db"
    directory = MirroredDirectory(home, SqlSource(settings_for(path)), 0)
    found = await directory.resolve(parse_address("Eva@one.example"))
    assert [one.account.address for one in readers(found)] == ["eve@one.example"]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM people")
    for text in ("eva@one.example", "eve@one.example"):
        assert await directory.resolve(parse_address(text)) == Unknown()


async def test_while_it_is_away_senders_keep_their_mail(home: Database, tmp_path: Path) -> None:
    path = tmp_path / "people.db"
    directory = MirroredDirectory(home, SqlSource(settings_for(path)), 0)
    path.rename(tmp_path / "elsewhere.db")
    with pytest.raises(Temporary):
        await directory.resolve(parse_address("eve@one.example"))
    assert not path.exists(), "a database that is only read is not made"


async def test_a_query_that_never_ends_costs_its_deadline(home: Database, tmp_path: Path) -> None:
    endless = (  # it does end, long after the deadline
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000000) "
        "SELECT max(i), 'x' FROM n WHERE :address <> ''"
    )
    settings = settings_for(tmp_path / "people.db").model_copy(
        update={"people_query": endless, "deadline_seconds": 0.2}
    )
    with pytest.raises(Temporary):
        await SqlSource(settings).find("eve@one.example")


@pytest.mark.parametrize("text", ["%@one.example", "'@one.example", '"\' OR 1=1 --"@one.example'])
async def test_an_address_is_never_a_part_of_the_query(home: Database, tmp_path: Path, text: str) -> None:
    directory = MirroredDirectory(home, SqlSource(settings_for(tmp_path / "people.db")), 0)
    assert await directory.resolve(parse_address(text)) == Unknown()


async def test_nothing_is_written(home: Database, tmp_path: Path) -> None:
    path = tmp_path / "people.db"
    greedy = "DELETE FROM people WHERE address = :address RETURNING address, person"
    settings = SqlDirectory.model_validate(
        {"enabled": True, "url": f"sqlite:///{path}", "people_query": greedy}  # not even by a connection that could
    )
    await SqlSource(settings).find("eve@one.example")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM people").fetchone() == (2,)


@pytest.mark.parametrize("url", ["", "nonsense", "nosuchdb://host/db"])
def test_a_url_that_is_none(url: str) -> None:
    with pytest.raises(ConfigError, match="url"):
        SqlSource(SqlDirectory.model_validate({"url": url}))


def test_settings_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ValidationError):
        SqlDirectory.model_validate({"people_query": "SELECT 1"})
    with pytest.raises(ConfigError, match="password_file"):
        SqlSource(SqlDirectory.model_validate({"url": "sqlite://", "password_file": tmp_path / "none"}))
