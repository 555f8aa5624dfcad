"""What every directory answers, wherever it keeps its people."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.base.address import parse_address
from node.directory.mirror import MirroredDirectory
from node.directory.resolve import Directory, Foreign, Local, Several, StoredDirectory, Unknown, readers
from node.net.ldap import LdapSource
from node.net.sql_directory import SqlSource
from node.store import accounts, domains
from node.store.database import Database
from node.store.directory import aliases, groups
from node.store.domains import Domain
from node.store.transaction import Writing

from .slapd import Slapd
from .sql import fill, settings_for

pytestmark = pytest.mark.anyio

PEOPLE = {"ann@one.example": "Ann", "bob@one.example": "Bob", "cara@one.example": "Cara", "dan@two.example": "Dan"}
ALIASES = {"info@one.example": "ann@one.example", "a+b@one.example": "bob@one.example"}
GROUPS = {
    "team@one.example": ["ann@one.example", "bob@one.example"],
    "all@one.example": ["team@one.example", "cara@one.example", "info@one.example"],
    "nobody@one.example": [],
    "ring@one.example": ["knot@one.example", "cara@one.example"],
    "knot@one.example": ["ring@one.example"],
}
DOMAINS = [
    Domain("one.example"),
    Domain("two.example", separator="-", tag_folders=True, catch_all="dan@two.example"),
    Domain("bare.example", separator="", catch_all="team@one.example"),
]


def settle(tx: Writing) -> None:
    """The domains, which every directory leaves to the node."""
    for domain in DOMAINS:
        domains.add(tx, domain.name)
        domains.put(tx, domain)


def move_in(tx: Writing) -> None:
    """Everybody into the node's own directory."""
    ids = {text: accounts.add(tx, parse_address(text), name).id for text, name in PEOPLE.items()}
    for text, owner in ALIASES.items():
        aliases.add(tx, parse_address(text), ids[owner], may_send=True)
    for text, members in GROUPS.items():
        groups.add(tx, parse_address(text), "", inside=False)
        for member in members:
            groups.put_member(tx, text, parse_address(member), may_send=False)


@pytest.fixture(params=["store", "ldap", "sql"])
async def directory(database: Database, request: pytest.FixtureRequest, tmp_path: Path) -> Directory:
    """Each directory, with the same people in it."""
    await database.write(settle)
    if request.param == "store":
        await database.write(move_in)
        return StoredDirectory(database)
    if request.param == "sql":
        fill(tmp_path / "people.db", PEOPLE, ALIASES, GROUPS)
        return MirroredDirectory(database, SqlSource(settings_for(tmp_path / "people.db")), 60)
    slapd: Slapd = request.getfixturevalue("slapd")
    slapd.fill(PEOPLE, ALIASES, GROUPS)
    return MirroredDirectory(database, LdapSource(slapd.settings()), 60)


CASES = [
    ("ann@one.example", "ann@one.example"),
    ("ANN@One.Example", "ann@one.example"),
    ("info@one.example", "ann@one.example"),
    ("Info@one.example", "ann@one.example"),
    ("ann+lists@one.example", "ann@one.example"),
    ("ann+one+two@one.example", "ann@one.example"),
    ("info+lists@one.example", "ann@one.example"),
    ("a+b@one.example", "bob@one.example"),  # the name itself goes before the tag
    ("ann-lists@one.example", "nobody"),
    ("+ann@one.example", "nobody"),
    ("ann+@one.example", "nobody"),
    ("zoe@one.example", "nobody"),
    ("team@one.example", "ann@one.example bob@one.example"),
    ("team+x@one.example", "ann@one.example bob@one.example"),
    ("all@one.example", "ann@one.example bob@one.example cara@one.example"),
    ("nobody@one.example", "nobody"),
    ("ring@one.example", "cara@one.example"),  # a loop ends
    ("dan-lists@two.example", "dan@two.example/lists"),
    ("dan@two.example", "dan@two.example"),
    ("anything@two.example", "dan@two.example"),
    ("anything+at+all@bare.example", "ann@one.example bob@one.example"),
    ("ann@elsewhere.example", "foreign"),
    ("postmaster@one.example", "ann@one.example"),
    ("PostMaster@two.example", "dan@two.example"),
    ("postmaster@bare.example", "ann@one.example bob@one.example"),
]


@pytest.mark.parametrize(("asked", "wanted"), CASES)
async def test_whose_mail_it_is(directory: Directory, asked: str, wanted: str) -> None:
    if asked == "postmaster@one.example":  # somebody has to have moved in for a domain to have an oldest account
        await directory.resolve(parse_address("ann@one.example"))
    assert told(await directory.resolve(parse_address(asked))) == wanted


def told(found: object) -> str:
    match found:
        case Local() | Several():
            people = [f"{one.account.address}/{one.folder}".removesuffix("/") for one in readers(found)]
            return " ".join(sorted(people))
        case Unknown():
            return "nobody"
        case Foreign():
            return "foreign"
    raise AssertionError(found)
