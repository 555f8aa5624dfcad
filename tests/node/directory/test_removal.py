"""Taking people away: all of it goes at once or not at all, nothing points to them, nobody gets the address."""

from __future__ import annotations

from pathlib import Path

import apsw
import pytest

from node.base.address import Address, parse_address
from node.base.errors import Permanent
from node.directory import admin, admin_reach, removal, staff
from node.directory.admin import OPERATOR, Actor
from node.directory.resolve import Unknown, resolve
from node.store import (
    accounts,
    app_passwords,
    blobs,
    domains,
    gates,
    held,
    mailboxes,
    messages,
    passwords,
    roles,
    security_events,
    shown_credentials,
    web_sessions,
)
from node.store.database import Database
from node.store.directory import aliases, delegates, groups, quotas, reserved, tenants
from node.store.directory.quotas import Amount
from node.store.held import Held
from node.store.message import Summary
from node.store.roles import Role
from node.store.security_events import SecurityEvent
from node.store.shown_credentials import Shown
from node.store.transaction import Reading, Writing

pytestmark = pytest.mark.anyio
SUMMARY = Summary(b"envelope", b"body", b"bodystructure", b"layout")
TENANT = Actor("bob@acme.example", "acme")


def at(text: str) -> Address:
    return parse_address(text)


ANN, BOB, INFO, TEAM = at("Ann@acme.example"), at("bob@acme.example"), at("info@acme.example"), at("team@acme.example")


def put(tx: Writing, who: int, content: bytes) -> None:
    inbox = mailboxes.find(tx, who, "INBOX")
    assert inbox is not None
    blob = blobs.add(tx, blobs.prepare_inline(content))
    messages.add(tx, inbox.id, blob, len(content), SUMMARY, internaldate=1)


def keep_back(tx: Writing, *recipients: int) -> int:
    blob = blobs.add(tx, blobs.prepare_inline(b"held for %d" % len(recipients)))
    named = {who: "somebody@acme.example" for who in recipients}
    return held.add(tx, Held(0, blob, 8, "", "", "", "", "x", 1, 2, named), SUMMARY)


@pytest.fixture
async def house(database: Database) -> Database:
    """Ann with mail, ways in, aliases, and her name in every place that takes one; Bob beside her."""

    def work(tx: Writing) -> None:
        admin.add_tenant(tx, OPERATOR, "acme")
        admin.add_domain(tx, OPERATOR, "acme.example", "acme")
        ann, bob = admin.add_person(tx, OPERATOR, ANN), admin.add_person(tx, OPERATOR, BOB)
        for content in (b"for both", b"for Ann"):
            put(tx, ann.id, content)
        put(tx, bob.id, b"for both")
        accounts.bind(tx, ann.id, "eip155:0x" + "1" * 40)
        app_passwords.add(tx, ann.id, "phone", {"imap"}, "hash")
        web_sessions.add(tx, b"s" * 32, ann.id, 2**40)
        passwords.set_password(tx, ann.id, "hash", 1)
        passwords.begin_totp(tx, ann.id, b"x" * 60, 1)
        passwords.replace_codes(tx, ann.id, [b"c" * 32])
        roles.give(tx, ann.id, Role.ADMIN)
        shown_credentials.put(tx, ann.id, Shown("a.b.c", "did:key:z", 1, 2**40))
        security_events.add(tx, ann.id, SecurityEvent(1, "x"))
        admin_reach.add_alias(tx, OPERATOR, INFO, ANN)
        admin_reach.add_group(tx, OPERATOR, TEAM)
        for member in (ANN, BOB, INFO):
            admin_reach.put_member(tx, OPERATOR, TEAM, member)
        admin_reach.share(tx, OPERATOR, ANN, BOB)
        admin_reach.share(tx, OPERATOR, BOB, ANN)
        admin_reach.set_quota(tx, OPERATOR, str(ANN), Amount(10**9, 0))
        admin.change_domain(tx, OPERATOR, "acme.example", catch_all=INFO)
        admin.put_admin(tx, OPERATOR, "acme", ANN)
        for target in (ANN.key, INFO.key):
            gates.put(tx, "login", target, '{"group":"x"}', "finalized")

    await database.write(work)
    return database


async def test_first_it_is_told_what_would_go(house: Database) -> None:
    left = await house.read(lambda tx: removal.estate(tx, OPERATOR, ANN))
    assert (left.account.address, left.mail.messages, left.mail.storage, left.held) == (str(ANN), 2, 15, 0)
    assert (left.aliases, left.groups, left.shared_with) == ((str(INFO),), (TEAM.key,), (str(BOB),))
    assert await house.read(lambda tx: accounts.find(tx, ANN)) == left.account


async def test_nothing_is_left_and_nothing_points_to_her(house: Database, tmp_path: Path) -> None:
    ann = await house.read(lambda tx: accounts.find(tx, ANN))
    assert ann is not None
    await house.write(lambda tx: removal.remove_person(tx, OPERATOR, ANN))
    connection = apsw.Connection(str(tmp_path / "node.sqlite"))
    assert list(connection.execute("PRAGMA foreign_key_check")) == []
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    for table in tables:
        columns = [row[1] for row in connection.execute(f"SELECT * FROM pragma_table_info('{table}')")]
        for column in ("account_id", "person_id"):
            # The change feed keeps that mail went: whoever follows it must hear of that.
            if column in columns and table != "change":
                found = list(connection.execute(f"SELECT 1 FROM [{table}] WHERE {column} = ?", (ann.id,)))
                assert not found, f"{table} still has something of hers"
        for column in ("key", "member_key", "target", "catch_all"):
            if column in columns and table not in {"reserved_address", "directory_change"}:
                found = list(
                    connection.execute(f"SELECT 1 FROM [{table}] WHERE {column} IN (?, ?)", (ANN.key, INFO.key))
                )
                assert not found, f"{table} still names her"
    content = [bytes(row[0]) for row in connection.execute("SELECT sha256 FROM blob WHERE refs > 0")]
    assert len(content) == 1, "what Bob has, too, stays"
    connection.close()

    def look(tx: Reading) -> None:
        assert isinstance(resolve(tx, ANN), Unknown)
        assert isinstance(resolve(tx, INFO), Unknown)
        assert accounts.bound(tx, "eip155:0x" + "1" * 40) is None
        assert [member.key for member in groups.members(tx, TEAM.key, 9)] == [BOB.key]
        bob = accounts.find(tx, BOB)
        assert bob is not None
        assert quotas.used(tx, bob.id) == Amount(8, 1)
        assert delegates.everything(tx) == []
        assert tenants.admins(tx, "acme") == []

    await house.read(look)


async def test_it_happens_whole_or_not_at_all(house: Database) -> None:
    def work(tx: Writing) -> None:
        removal.remove_person(tx, OPERATOR, ANN)
        raise RuntimeError("the machine goes down here")

    with pytest.raises(RuntimeError):
        await house.write(work)
    left = await house.read(lambda tx: removal.estate(tx, OPERATOR, ANN))
    assert (left.mail.messages, left.aliases, left.groups) == (2, (str(INFO),), (TEAM.key,))
    assert await house.read(reserved.listing) == []


async def test_nobody_gets_the_address_until_it_is_released(house: Database) -> None:
    await house.write(lambda tx: removal.remove_person(tx, OPERATOR, ANN))
    for attempt in (
        lambda tx: admin.add_person(tx, OPERATOR, ANN),
        lambda tx: accounts.add(tx, ANN),
        lambda tx: admin_reach.add_alias(tx, OPERATOR, INFO, BOB),
        lambda tx: admin_reach.add_group(tx, OPERATOR, ANN),
    ):
        with pytest.raises(Permanent, match="account release"):
            await house.write(attempt)
    assert [key for key, _ in await house.read(lambda tx: removal.list_reserved(tx, TENANT))] == [ANN.key, INFO.key]
    assert await house.read(lambda tx: removal.list_reserved(tx, Actor("x", "other"))) == []
    with pytest.raises(Permanent, match="no domain"):
        await house.write(lambda tx: removal.release(tx, Actor("x", "other"), ANN))
    await house.write(lambda tx: removal.release(tx, TENANT, ANN))
    with pytest.raises(Permanent, match="not kept back"):
        await house.write(lambda tx: removal.release(tx, TENANT, ANN))
    made = await house.write(lambda tx: admin.add_person(tx, OPERATOR, ANN))
    assert await house.read(lambda tx: quotas.used(tx, made.id)) == Amount(0, 0), "a namesake finds nothing"


@pytest.mark.parametrize(("days", "expected"), [(0, []), (None, [reserved.FOREVER] * 2)])
async def test_how_long_it_is_kept_back(house: Database, days: int | None, expected: list[int]) -> None:
    await house.write(lambda tx: removal.remove_person(tx, OPERATOR, ANN, reserve_days=days))
    assert [until for _, until in await house.read(reserved.listing)] == expected


async def test_held_mail_is_not_dropped_by_the_way(house: Database) -> None:
    def ids(tx: Reading) -> tuple[int, int]:
        ann, bob = accounts.find(tx, ANN), accounts.find(tx, BOB)
        assert ann is not None
        assert bob is not None
        return ann.id, bob.id

    ann, bob = await house.read(ids)
    alone, both = await house.write(lambda tx: (keep_back(tx, ann), keep_back(tx, ann, bob)))
    with pytest.raises(Permanent, match="2 messages are kept back"):
        await house.write(lambda tx: removal.remove_person(tx, OPERATOR, ANN))
    await house.write(lambda tx: removal.remove_person(tx, OPERATOR, ANN, with_held=True))
    assert await house.read(lambda tx: held.get(tx, alone)) is None
    rest = await house.read(lambda tx: held.get(tx, both))
    assert rest is not None
    assert list(rest.recipients) == [bob]


async def test_who_may(house: Database) -> None:
    other = Actor("zoe@other.example", "other")
    with pytest.raises(Permanent, match="no account"):
        await house.write(lambda tx: removal.remove_person(tx, other, ANN))
    await house.write(lambda tx: staff.grant(tx, OPERATOR, ANN, Role.OWNER))
    with pytest.raises(Permanent, match="owns the node"):
        await house.write(lambda tx: removal.remove_person(tx, TENANT, ANN))
    await house.write(lambda tx: removal.remove_person(tx, TENANT, BOB))
    await house.write(lambda tx: removal.remove_person(tx, OPERATOR, ANN))
    assert await house.read(lambda tx: staff.list_staff(tx, OPERATOR)) == []
    assert await house.read(lambda tx: domains.get(tx, "acme.example")) is not None
    assert await house.read(aliases.listing) == []


async def test_roles(house: Database) -> None:
    for attempt in (
        lambda tx: staff.list_staff(tx, TENANT),
        lambda tx: staff.grant(tx, TENANT, BOB, Role.OWNER),
        lambda tx: staff.revoke(tx, TENANT, ANN),
    ):
        with pytest.raises(Permanent, match="operator and owners"):
            await house.write(attempt)
    owner = Actor("own@acme.example", None)
    await house.write(lambda tx: staff.grant(tx, owner, BOB, Role.OWNER))
    found = await house.read(lambda tx: staff.list_staff(tx, OPERATOR))
    assert [(who.address, role) for who, role in found] == [(str(ANN), Role.ADMIN), (str(BOB), Role.OWNER)]
    await house.write(lambda tx: staff.revoke(tx, owner, ANN))
    assert await house.read(lambda tx: web_sessions.get(tx, b"s" * 32, 0)) is None, "open pages end with the role"
    with pytest.raises(Permanent, match="has no role"):
        await house.write(lambda tx: staff.revoke(tx, owner, ANN))
    with pytest.raises(Permanent, match="no account"):
        await house.write(lambda tx: staff.grant(tx, owner, at("nobody@acme.example"), Role.ADMIN))
