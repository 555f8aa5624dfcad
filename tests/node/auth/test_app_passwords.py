"""Making, listing and revoking app passwords."""

from __future__ import annotations

import pytest

from node.auth.app_passwords import MAX_PER_ACCOUNT, AppPasswordError, AppPasswords
from node.base.address import parse_address
from node.store import accounts
from node.store.accounts import Account
from node.store.database import Database

pytestmark = pytest.mark.anyio


@pytest.fixture
def passwords(database: Database) -> AppPasswords:
    return AppPasswords(database)


async def test_what_is_made_is_listed_without_the_secret(passwords: AppPasswords, alice: Account) -> None:
    made = await passwords.create(alice, "  Thunderbird   at home ", ["imap", "smtp", "imap"])
    assert made.row.name == "Thunderbird at home"
    assert made.row.scopes == {"imap", "smtp"}
    assert await passwords.listing(alice) == [made.row]
    assert made.password not in repr(made.row)


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "a\x00b", "a\u202eb"])
async def test_a_bad_name_is_refused_with_advice(passwords: AppPasswords, alice: Account, name: str) -> None:
    with pytest.raises(AppPasswordError, match="name"):
        await passwords.create(alice, name, ["imap"])


@pytest.mark.parametrize("scopes", [[], ["admin"], ["imap", "root"], [""]])
async def test_bad_scopes_are_refused_with_advice(passwords: AppPasswords, alice: Account, scopes: list[str]) -> None:
    with pytest.raises(AppPasswordError, match=r"at least one|yet"):
        await passwords.create(alice, "phone", scopes)


async def test_there_is_a_limit(passwords: AppPasswords, alice: Account) -> None:
    for number in range(MAX_PER_ACCOUNT):
        await passwords.create(alice, f"client {number}", ["imap"])
    with pytest.raises(AppPasswordError, match="revoke"):
        await passwords.create(alice, "one more", ["imap"])


async def test_nobody_revokes_somebody_elses(passwords: AppPasswords, database: Database, alice: Account) -> None:
    bob = await database.write(lambda tx: accounts.add(tx, parse_address("bob@waxseal.test")))
    made = await passwords.create(alice, "phone", ["imap"])
    assert not await passwords.revoke(bob, made.row.id)
    assert await passwords.revoke(alice, made.row.id)
    assert not await passwords.revoke(alice, made.row.id)
    assert await passwords.listing(alice) == []
