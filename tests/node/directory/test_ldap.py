"""A directory in LDAP that changes, is away, or is asked nonsense."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from node.base.address import parse_address
from node.base.config_ldap import Ldap
from node.base.errors import ConfigError, Temporary
from node.directory.mirror import MirroredDirectory
from node.directory.resolve import Local, Unknown, readers
from node.net.ldap import LdapSource
from node.store import accounts, domains
from node.store.database import Database
from node.store.directory import aliases

from .slapd import BASE, Slapd

pytestmark = pytest.mark.anyio
EVE = f"uid=eve@one.example,{BASE}"
PERSON = f"""dn: {BASE}
objectClass: organization
objectClass: dcObject
o: One
dc: one

dn: {EVE}
objectClass: inetOrgPerson
objectClass: inetLocalMailRecipient
cn: Eve
sn: Eve
mail: eve@one.example
mailLocalAddress: eva@one.example
"""


@pytest.fixture
async def home(database: Database, slapd: Slapd) -> Database:
    await database.write(lambda tx: domains.add(tx, "one.example"))
    slapd.modify(PERSON)
    return database


async def whose(directory: MirroredDirectory, text: str) -> list[str]:
    return [one.account.address for one in readers(await directory.resolve(parse_address(text)))]


async def test_who_comes_and_goes(home: Database, slapd: Slapd) -> None:
    directory = MirroredDirectory(home, LdapSource(slapd.settings()), 0)
    assert await whose(directory, "Eva@one.example") == ["eve@one.example"]
    slapd.modify(f"dn: {EVE}\nchangetype: modify\ndelete: mailLocalAddress\n")
    assert await directory.resolve(parse_address("eva@one.example")) == Unknown()
    slapd.modify(f"dn: {EVE}\nchangetype: delete\n")
    assert await directory.resolve(parse_address("eve@one.example")) == Unknown()
    account = await home.read(lambda tx: accounts.by_key(tx, "eve@one.example"))
    assert account is not None, "whoever goes keeps the mail that is there"
    slapd.modify(PERSON)
    found = await directory.resolve(parse_address("eve@one.example"))
    assert found == Local(account), "and gets it back on coming back"


async def test_what_the_node_knows_itself_goes_before(home: Database, slapd: Slapd) -> None:
    directory = MirroredDirectory(home, LdapSource(slapd.settings()), 0)
    ann = await home.write(lambda tx: accounts.add(tx, parse_address("ann@one.example")))
    await home.write(lambda tx: aliases.add(tx, parse_address("eva@one.example"), ann.id, may_send=True))
    assert await whose(directory, "eva@one.example") == ["ann@one.example"]
    assert await whose(directory, "eve@one.example") == ["eve@one.example"]
    assert await whose(directory, "eva@one.example") == ["ann@one.example"]


async def test_while_it_is_away_senders_keep_their_mail(home: Database, slapd: Slapd) -> None:
    now = [0.0]
    directory = MirroredDirectory(home, LdapSource(slapd.settings()), 60, lambda: now[0])
    await home.write(lambda tx: accounts.add(tx, parse_address("ann@one.example")))
    assert await whose(directory, "eve@one.example") == ["eve@one.example"]
    slapd.stop()
    try:
        assert await whose(directory, "eve@one.example") == ["eve@one.example"], "an answer counts for a while"
        assert await whose(directory, "ann@one.example") == ["ann@one.example"], "the node's own need nobody"
        now[0] = 61
        for text in ("eve@one.example", "unheard-of@one.example"):
            with pytest.raises(Temporary):
                await directory.resolve(parse_address(text))
    finally:
        slapd.start()
    assert await whose(directory, "eve@one.example") == ["eve@one.example"]


@contextmanager
def mute_server() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


async def test_a_server_that_never_answers_costs_its_deadline_and_no_more(home: Database, slapd: Slapd) -> None:
    with mute_server() as port:
        settings = slapd.settings(url=f"ldap://127.0.0.1:{port}", deadline_seconds=0.5)
        with pytest.raises(Temporary):
            await MirroredDirectory(home, LdapSource(settings), 0).resolve(parse_address("eve@one.example"))


async def test_a_wrong_password_is_no_answer(home: Database, slapd: Slapd, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("wrong")
    settings = slapd.settings(password_file=tmp_path / "password")
    with pytest.raises(Temporary):
        await MirroredDirectory(home, LdapSource(settings), 0).resolve(parse_address("eve@one.example"))


@pytest.mark.parametrize("text", ["*@one.example", "e*@one.example", '"eve)(cn=*"@one.example', '"\\\\2a"@one.example'])
async def test_an_address_is_never_a_part_of_the_filter(home: Database, slapd: Slapd, text: str) -> None:
    directory = MirroredDirectory(home, LdapSource(slapd.settings()), 0)
    assert await directory.resolve(parse_address(text)) == Unknown()


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://127.0.0.1"},
        {"url": "ldap://ann:secret@127.0.0.1"},
        {"url": "ldap://ldap.example.org"},
        {"people_filter": "(mail=ann@one.example)"},
        {"address_attributes": []},
        {"deadline_seconds": 0},
    ],
)
def test_settings_that_are_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Ldap.model_validate(wrong)


def test_a_password_that_cannot_be_read(tmp_path: Path) -> None:
    pytest.importorskip("bonsai")
    for wrong in ({}, {"password_file": tmp_path / "none"}):
        with pytest.raises(ConfigError, match="password_file"):
            LdapSource(Ldap.model_validate({"bind_dn": "cn=x", **wrong}))
