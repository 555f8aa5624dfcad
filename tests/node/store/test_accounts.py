"""People, their identities, and what they log in with."""

from __future__ import annotations

import pytest

from node.base.address import Address, AddressError
from node.base.errors import Permanent
from node.store import accounts, app_passwords, domains, nonces, web_sessions
from node.store.accounts import Account
from node.store.database import Database

pytestmark = pytest.mark.anyio

WALLET = "0x" + "aB" * 20


async def test_an_account_is_found_in_any_case(database: Database, account: Account) -> None:
    found = await database.read(lambda tx: accounts.find(tx, Address("ANN", "example.org")))
    assert found == account == Account(account.id, "ann@example.org", "Ann")
    assert await database.read(lambda tx: accounts.get(tx, account.id)) == account
    assert await database.read(lambda tx: accounts.find(tx, Address("bob", "example.org"))) is None
    assert await database.read(lambda tx: accounts.get(tx, 99)) is None
    with pytest.raises(Permanent, match="already"):
        await database.write(lambda tx: accounts.add(tx, Address("Ann", "example.org")))
    bob = await database.write(lambda tx: accounts.add(tx, Address("bob", "example.org")))
    assert await database.read(accounts.listing) == [account, bob]


async def test_a_wallet_bound_with_its_chain_is_that_one_alone(database: Database, account: Account) -> None:
    await database.write(lambda tx: accounts.bind(tx, account.id, f"eip155:1:{WALLET}"))
    await database.write(lambda tx: accounts.bind(tx, account.id, "did:key:z6MkA"))
    assert await database.read(lambda tx: accounts.bound(tx, f"eip155:{WALLET}")) is None
    await database.write(lambda tx: accounts.bind(tx, account.id, f"eip155:{WALLET}"))
    assert await database.read(lambda tx: accounts.identities(tx, account.id)) == [
        "did:key:z6MkA",
        f"eip155:{WALLET.lower()}",
        f"eip155:1:{WALLET.lower()}",
    ]
    assert await database.read(lambda tx: accounts.bound(tx, f"eip155:1:{WALLET.upper()}")) == account
    assert await database.read(lambda tx: accounts.bound(tx, f"eip155:137:{WALLET}")) is None
    assert await database.read(lambda tx: accounts.bound(tx, "did:key:z6Mka")) is None


async def test_an_identity_acts_for_one_account(database: Database, account: Account) -> None:
    bob = await database.write(lambda tx: accounts.add(tx, Address("bob", "example.org")))
    await database.write(lambda tx: accounts.bind(tx, account.id, f"eip155:{WALLET}"))
    for subject in (f"eip155:{WALLET}", f"eip155:10:{WALLET}"):  # a key's account is its holder's on every chain
        with pytest.raises(Permanent, match="another account"):
            await database.write(lambda tx, subject=subject: accounts.bind(tx, bob.id, subject))
    assert not await database.write(lambda tx: accounts.unbind(tx, bob.id, f"eip155:{WALLET}"))
    assert await database.read(lambda tx: accounts.bound(tx, f"eip155:{WALLET}")) == account
    assert await database.write(lambda tx: accounts.unbind(tx, account.id, f"eip155:{WALLET}"))
    await database.write(lambda tx: accounts.bind(tx, bob.id, f"eip155:{WALLET}"))
    assert await database.read(lambda tx: accounts.bound(tx, f"eip155:{WALLET}")) == bob


async def test_domains(database: Database) -> None:
    for name in ("Example.ORG", "example.org", "bücher.example"):
        await database.write(lambda tx, n=name: domains.add(tx, n))
    assert await database.read(domains.listing) == ["example.org", "xn--bcher-kva.example"]
    assert await database.read(lambda tx: domains.exists(tx, "example.org"))
    assert not await database.read(lambda tx: domains.exists(tx, "example.com"))
    with pytest.raises(AddressError):
        await database.write(lambda tx: domains.add(tx, "not a domain"))
    await database.write(lambda tx: domains.remove(tx, "EXAMPLE.org"))
    assert await database.read(domains.listing) == ["xn--bcher-kva.example"]


async def test_app_passwords(database: Database, account: Account) -> None:
    scopes = frozenset({"imap", "smtp"})
    phone = await database.write(lambda tx: app_passwords.add(tx, account.id, "phone", scopes, "$argon2id$x"))
    laptop = await database.write(lambda tx: app_passwords.add(tx, account.id, "laptop", frozenset({"imap"}), "$y"))
    assert phone.last_used is None
    assert await database.read(app_passwords.listing) == [phone, laptop]
    await database.write(lambda tx: app_passwords.mark_used(tx, phone.id, 1234))
    mine = await database.read(lambda tx: app_passwords.of_account(tx, account.id))
    assert [(one.name, one.scopes, one.last_used) for one in mine] == [
        ("phone", scopes, 1234),
        ("laptop", frozenset({"imap"}), None),
    ]
    assert not await database.write(lambda tx: app_passwords.revoke(tx, 77, phone.id))
    assert await database.write(lambda tx: app_passwords.revoke(tx, account.id, phone.id))
    assert not await database.write(lambda tx: app_passwords.revoke(tx, account.id, phone.id))
    assert await database.read(lambda tx: app_passwords.of_account(tx, account.id)) == [laptop]
    for bad in ("two words", ""):
        with pytest.raises(ValueError, match="one word"):
            await database.write(lambda tx, b=bad: app_passwords.add(tx, account.id, "x", frozenset({b}), "h"))


async def test_a_nonce_is_good_once_for_its_session_in_time(database: Database) -> None:
    for nonce in ("a", "b", "c"):
        await database.write(lambda tx, n=nonce: nonces.put(tx, n, "mine", 100, 1))
    assert await database.write(lambda tx: nonces.take(tx, "a", "mine", 99))
    assert not await database.write(lambda tx: nonces.take(tx, "a", "mine", 99))
    assert not await database.write(lambda tx: nonces.take(tx, "b", "somebody else's", 99))
    assert not await database.write(lambda tx: nonces.take(tx, "b", "mine", 99))
    assert not await database.write(lambda tx: nonces.take(tx, "c", "mine", 100))
    assert not await database.write(lambda tx: nonces.take(tx, "unknown", "mine", 1))
    await database.write(lambda tx: nonces.put(tx, "left", "mine", 100, 1))
    await database.write(lambda tx: nonces.put(tx, "new", "mine", 300, 200))  # takes what has expired along
    assert not await database.write(lambda tx: nonces.take(tx, "left", "mine", 1))


async def test_web_sessions_expire(database: Database, account: Account) -> None:
    await database.write(lambda tx: web_sessions.add(tx, b"1" * 32, account.id, 100))
    await database.write(lambda tx: web_sessions.add(tx, b"2" * 32, account.id, 200))
    assert await database.read(lambda tx: web_sessions.get(tx, b"1" * 32, 99)) == account.id
    assert await database.read(lambda tx: web_sessions.get(tx, b"1" * 32, 100)) is None
    await database.write(lambda tx: web_sessions.expire(tx, 150))
    assert await database.read(lambda tx: web_sessions.get(tx, b"1" * 32, 1)) is None
    await database.write(lambda tx: web_sessions.remove(tx, b"2" * 32))
    assert await database.read(lambda tx: web_sessions.get(tx, b"2" * 32, 1)) is None


async def test_all_sessions_of_an_account_end_at_once(database: Database, account: Account) -> None:
    bob = await database.write(lambda tx: accounts.add(tx, Address("bob", "example.org")))
    for token, owner in ((b"1", account), (b"2", account), (b"3", bob)):
        await database.write(lambda tx, t=token, o=owner: web_sessions.add(tx, t * 32, o.id, 100))
    await database.write(lambda tx: web_sessions.remove_all(tx, account.id))
    for token, expected in ((b"1", None), (b"2", None), (b"3", bob.id)):
        assert await database.read(lambda tx, t=token: web_sessions.get(tx, t * 32, 1)) == expected
