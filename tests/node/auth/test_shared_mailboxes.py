"""User names that ask for a shared mailbox, and who is let into it."""

from __future__ import annotations

import pytest

from node.auth.app_passwords import AppPasswords
from node.auth.gate import Entry, Gate
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.evaluate import Evaluator
from node.auth.guests import Guests
from node.auth.refusal import Refusal
from node.auth.shared_mailboxes import joined, split
from node.base.address import parse_address
from node.store import accounts, app_passwords, gates
from node.store.accounts import Account
from node.store.database import Database
from node.store.directory import delegates
from node.store.transaction import Writing

pytestmark = pytest.mark.anyio
PEER = "192.0.2.7"


@pytest.mark.parametrize(
    ("username", "wanted"),
    [
        ("office@a.example/ann@b.example", ("office@a.example", "ann@b.example")),
        ("o/f@a.example/an/n@b.example", ("o/f@a.example", "an/n@b.example")),
        ("ann@a.example", ("", "ann@a.example")),
        ("a/nn@a.example", ("", "a/nn@a.example")),
        ("office/ann@b.example", ("", "office/ann@b.example")),
        ("office@a.example/ann", ("", "office@a.example/ann")),
        ("/ann@a.example", ("", "/ann@a.example")),
        ("", ("", "")),
        ("/", ("", "/")),
        ("@/@", ("@", "@")),
    ],
)
async def test_user_names(username: str, wanted: tuple[str, str]) -> None:
    assert split(username) == wanted


async def test_two_identities_become_one_name() -> None:
    assert joined("", "ann@a.example") == joined("ann@a.example", "ann@a.example") == "ann@a.example"
    assert split(joined("office@a.example", "ann@a.example")) == ("office@a.example", "ann@a.example")


@pytest.fixture
async def office(database: Database, alice: Account) -> Account:
    return await database.write(lambda tx: accounts.add(tx, parse_address("office@waxseal.test")))


@pytest.fixture
async def password(database: Database, alice: Account) -> str:
    return (await AppPasswords(database).create(alice, "phone", {"imap", "smtp"})).password


NAME = "Office@waxseal.test/Alice@waxseal.test"


async def test_who_a_mailbox_is_shared_with_opens_it_with_their_own_password(
    database: Database, alice: Account, office: Account, password: str
) -> None:
    gate = Gate(database)
    stranger = await database.write(lambda tx: accounts.add(tx, parse_address("bob@waxseal.test")))
    other = (await AppPasswords(database).create(stranger, "phone", {"imap"})).password
    assert isinstance(await gate.enter(NAME, password, "imap", PEER), Refusal), "nothing is shared yet"
    await database.write(lambda tx: delegates.put(tx, office.id, alice.id, may_send=False))
    entry = await gate.enter(NAME, password, "imap", PEER)
    assert isinstance(entry, Entry)
    assert (entry.account, entry.person) == (office, alice)
    assert isinstance(await gate.enter(NAME, password, "smtp", PEER), Refusal), "sending needs a right of its own"
    assert isinstance(await gate.enter(NAME.replace("Alice", "bob"), other, "imap", PEER), Refusal)
    assert isinstance(await gate.enter("office@waxseal.test", password, "imap", PEER), Refusal)
    assert isinstance(await gate.enter("alice@waxseal.test/office@waxseal.test", password, "imap", PEER), Refusal)
    for nobody in ("nobody@waxseal.test", "alice@waxseal.test/office@waxseal.test", "@", "\ud800@waxseal.test"):
        assert isinstance(await gate.enter(f"{nobody}/alice@waxseal.test", password, "imap", PEER), Refusal)
    await database.write(lambda tx: delegates.put(tx, office.id, alice.id, may_send=True))
    assert isinstance(await gate.enter(NAME, password, "smtp", PEER), Entry)
    own = await gate.enter("alice@waxseal.test", password, "imap", PEER)
    assert isinstance(own, Entry)
    assert own.account == alice


@pytest.mark.parametrize("end", ["unshared", "revoked", "gated"])
async def test_open_sessions_end_with_what_let_them_in(
    database: Database, alice: Account, office: Account, password: str, end: str
) -> None:
    gate, keeper = Gate(database), Doorkeeper(database, Evaluator({}), 0)
    await database.write(lambda tx: delegates.put(tx, office.id, alice.id, may_send=True))
    entry = await gate.enter(NAME, password, "imap", PEER)
    assert isinstance(entry, Entry)
    guests = Guests(database, keeper, 3)
    told: list[Refusal] = []

    def finish(tx: Writing) -> None:
        if end == "unshared":
            delegates.remove(tx, office.id, alice.id)
        elif end == "revoked":
            for row in app_passwords.of_account(tx, alice.id):
                app_passwords.revoke(tx, alice.id, row.id)
        else:
            gates.put(tx, "login", "office@waxseal.test", '{"did": "did:web:nobody.example"}', "finalized")

    with guests.enter(entry, "imap", told.append):
        await guests.go_round()
        assert not told
        assert await guests.check(entry, "imap") is None
        await database.write(finish)
        await guests.go_round()
    assert len(told) == 1


async def test_a_gate_before_a_shared_mailbox_asks_what_the_person_holds(
    database: Database, alice: Account, office: Account, password: str
) -> None:
    keeper = Doorkeeper(database, Evaluator({}), 0)
    gate = Gate(database, keeper)
    did = "did:web:alice.example"

    def work(tx: Writing) -> None:
        delegates.put(tx, office.id, alice.id, may_send=True)
        gates.put(tx, "login", "office@waxseal.test", f'{{"did": "{did}"}}', "finalized")

    await database.write(work)
    assert isinstance(await gate.enter(NAME, password, "imap", PEER), Refusal)
    await database.write(lambda tx: accounts.bind(tx, alice.id, did))
    assert isinstance(await gate.enter(NAME, password, "imap", PEER), Entry)
