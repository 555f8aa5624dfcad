"""From an address to the account its mail belongs to."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.base.address import parse_address
from node.directory.resolve import REMEMBERED_SECONDS, Foreign, Local, StoredDirectory, Unknown
from node.store import accounts, domains
from node.store.database import Database
from node.store.transaction import Writing

pytestmark = pytest.mark.anyio


async def test_resolving(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "waxseal.db") as database:

        def people(tx: Writing) -> None:
            for name in ("one.example", "two.example", "empty.example"):
                domains.add(tx, name)
            for address in ("first@two.example", "ann@one.example", "later@one.example"):
                accounts.add(tx, parse_address(address))

        await database.write(people)
        directory = StoredDirectory(database)

        async def who(text: str) -> str:
            match await directory.resolve(parse_address(text)):
                case Local(account):
                    return account.address
                case Unknown():
                    return "unknown"
                case Foreign():
                    return "foreign"

        assert await who("Ann@ONE.example") == "ann@one.example"
        assert await who("bob@one.example") == "unknown"
        assert await who("ann@two.example") == "unknown"
        assert await who("ann@three.example") == "foreign"
        # RFC 5321 §4.5.1: postmaster always has a reader, in a domain that has people.
        assert await who("PostMaster@one.example") == "ann@one.example"
        assert await who("postmaster@empty.example") == "unknown"


async def test_who_was_found_is_remembered_for_a_moment_and_who_was_not_is_asked_for_again(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "waxseal.db") as database:
        now = [0.0]
        directory = StoredDirectory(database, lambda: now[0])
        ann = parse_address("ann@one.example")

        def move_in(tx: Writing) -> None:
            domains.add(tx, "one.example")
            accounts.add(tx, ann)

        assert isinstance(await directory.resolve(ann), Foreign)
        await database.write(move_in)
        assert isinstance(await directory.resolve(ann), Local)
        await database.write(lambda tx: tx._cursor.execute("DELETE FROM account"))
        assert isinstance(await directory.resolve(ann), Local)
        now[0] = REMEMBERED_SECONDS
        assert isinstance(await directory.resolve(ann), Unknown)
