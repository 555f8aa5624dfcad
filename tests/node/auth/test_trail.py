"""What happens at the door is written down in the audit trail: who came in how, what they were given, who attacked."""

from __future__ import annotations

import pytest

from node.anchor.events import parse
from node.auth.app_passwords import AppPasswords
from node.auth.blocks import RECORDED, Blocks, Policy
from node.auth.gate import Gate
from node.auth.sessions import Sessions
from node.store import audit_events
from node.store.accounts import Account
from node.store.audit_events import Wanted
from node.store.database import Database

pytestmark = pytest.mark.anyio
PEER = "192.0.2.7"
DAY = 86400


class Clock:
    now = 1_800_000_000.0 // DAY * DAY

    def __call__(self) -> float:
        return self.now


async def trail(database: Database) -> list[tuple[str, str, str, dict[str, object]]]:
    """Kind, actor, subject and details of all events."""
    rows = await database.read(lambda tx: audit_events.listing(tx, Wanted()))
    found = [parse(row.document) for row in rows]
    return [(str(event.kind), event.actor, event.subject, dict(event.details)) for event in found]


async def test_an_app_password_from_its_making_to_its_end(database: Database, alice: Account) -> None:
    clock, passwords = Clock(), AppPasswords(database)
    gate = Gate(database, clock=clock)
    made = await passwords.create(alice, "phone", {"imap", "smtp"})
    for _ in range(3):
        for _ in range(3):
            assert await gate.password(alice.address, made.password, "imap", PEER) == alice
            clock.now += 3600
        clock.now += DAY
    await gate.password(alice.address, "wrong", "imap", PEER)
    assert await passwords.revoke(alice, made.row.id)
    assert not await passwords.revoke(alice, made.row.id)
    me = "Alice@waxseal.test"
    login = ("login", me, me, {"way": "client", "app_password": "phone", "network": PEER})
    assert await trail(database) == [
        ("app-password-made", me, me, {"number": made.row.id, "name": "phone", "scopes": "imap smtp"}),
        *[login] * 3,
        ("app-password-revoked", me, me, {"number": made.row.id}),
    ]


async def test_an_operator_makes_one_for_somebody_else(database: Database, alice: Account) -> None:
    await AppPasswords(database).create(alice, "phone", {"imap"}, "operator")
    ((kind, actor, subject, _),) = await trail(database)
    assert (kind, actor, subject) == ("app-password-made", "operator", "Alice@waxseal.test")


async def test_a_login_on_the_pages_says_how(database: Database, alice: Account) -> None:
    sessions = Sessions(database, seconds=60)
    await database.write(lambda tx: sessions.begin(tx, alice, "passkey"))
    await database.write(lambda tx: sessions.begin(tx, alice))  # takes another's place: nobody logged in
    assert await trail(database) == [("login", alice.address, alice.address, {"way": "passkey"})]


async def test_a_network_that_is_shut_out(database: Database, alice: Account) -> None:
    blocks = Blocks(database, Policy(failures=3, names=3), Clock())
    for name in ("alice@waxseal.test", "nobody", "zoe@elsewhere.test"):
        blocks.fail(PEER, name)
    await blocks.sync()
    await blocks.sync()
    assert await trail(database) == [
        ("network-blocked", "node", PEER, {"failures": 3, "names": 3, "seconds": 900}),
    ]


async def test_an_attack_from_everywhere_fills_no_log(database: Database) -> None:
    blocks = Blocks(database, Policy(failures=1, names=1), Clock())
    for number in range(300):
        blocks.fail(f"198.51.{number // 250}.{number % 250}", "nobody")
    await blocks.sync()
    found = await trail(database)
    assert len(found) == RECORDED + 1
    assert found[-1] == ("network-blocked", "node", "", {"networks": 300 - RECORDED})


async def test_failures_on_a_name_count_where_somebody_has_it(database: Database, alice: Account) -> None:
    blocks = Blocks(database, Policy(enabled=False, burst=5), Clock())
    for number in range(20):
        for name in ("alice@waxseal.test", "nobody@waxseal.test"):
            blocks.fail(f"198.51.100.{number}", name)
    await blocks.sync()
    assert await trail(database) == [
        ("login-failures", "node", "alice@waxseal.test", {"network": "198.51.100.4"}),
    ]
