"""Changing the directory: what is checked, what a tenant's administrator may, what is written down."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TypeVar

import pytest

from node.base.address import Address, AddressError, parse_address
from node.base.errors import Permanent
from node.directory import admin, admin_reach
from node.directory.admin import OPERATOR, Actor
from node.directory.resolve import MAX_DEPTH, Several, Unknown, resolve
from node.directory.senders import may_send_as
from node.store import accounts, domains, roles, security_events
from node.store.database import Database
from node.store.directory import aliases, delegates, directory_changes, groups, quotas, tenants
from node.store.directory.quotas import Amount
from node.store.roles import Role
from node.store.transaction import Reading, Writing

pytestmark = pytest.mark.anyio
T = TypeVar("T")


def at(text: str) -> Address:
    return parse_address(text)


ACME, OTHER = Actor("ann@acme.example", "acme"), Actor("zoe@other.example", "other")


@pytest.fixture
async def house(database: Database) -> Database:
    """Two tenants with a domain and people each, and one domain of the node's own."""

    def work(tx: Writing) -> None:
        for tenant in ("acme", "other"):
            admin.add_tenant(tx, OPERATOR, tenant)
            admin.add_domain(tx, OPERATOR, f"{tenant}.example", tenant)
        admin.add_domain(tx, OPERATOR, "own.example")
        for text in ("ann@acme.example", "bob@acme.example", "zoe@other.example", "eve@own.example"):
            admin.add_person(tx, OPERATOR, at(text))
        admin.put_admin(tx, OPERATOR, "acme", at("ann@acme.example"))
        admin.put_admin(tx, OPERATOR, "other", at("zoe@other.example"))

    await database.write(work)
    return database


async def refused(database: Database, work: Callable[[Writing], object], words: str) -> None:
    with pytest.raises(Permanent, match=words):
        await database.write(work)


FOREIGN: list[tuple[str, Callable[[Writing, Actor], object]]] = [
    ("no domain", lambda tx, who: admin.change_domain(tx, who, "other.example", separator="-")),
    ("no domain", lambda tx, who: admin.no_catch_all(tx, who, "own.example")),
    ("no domain", lambda tx, who: admin.remove_domain(tx, who, "other.example", with_people=True)),
    ("operator", lambda tx, who: admin.remove_domain(tx, who, "acme.example", with_people=True)),
    ("operator", lambda tx, who: admin.add_domain(tx, who, "bank.example")),
    ("no domain", lambda tx, who: admin.add_person(tx, who, at("new@other.example"))),
    ("no domain", lambda tx, who: admin_reach.add_alias(tx, who, at("x@other.example"), at("ann@acme.example"))),
    ("same tenant", lambda tx, who: admin_reach.add_alias(tx, who, at("x@acme.example"), at("zoe@other.example"))),
    ("no alias", lambda tx, who: admin_reach.remove_alias(tx, who, at("info@other.example"))),
    ("no domain", lambda tx, who: admin_reach.add_group(tx, who, at("all@other.example"))),
    ("no group", lambda tx, who: admin_reach.remove_group(tx, who, at("team@other.example"))),
    ("no group", lambda tx, who: admin_reach.put_member(tx, who, at("team@other.example"), at("ann@acme.example"))),
    ("same tenant", lambda tx, who: admin_reach.put_member(tx, who, at("own@acme.example"), at("zoe@other.example"))),
    ("no account", lambda tx, who: admin_reach.share(tx, who, at("zoe@other.example"), at("ann@acme.example"))),
    ("no account", lambda tx, who: admin_reach.share(tx, who, at("ann@acme.example"), at("zoe@other.example"))),
    ("no account", lambda tx, who: admin_reach.unshare(tx, who, at("zoe@other.example"), at("zoe2@other.example"))),
    ("no account", lambda tx, who: admin_reach.set_quota(tx, who, "zoe@other.example", Amount(1, 0))),
    ("no domain", lambda tx, who: admin_reach.set_quota(tx, who, "other.example", Amount(1, 0), each=True)),
    ("operator", lambda tx, who: admin_reach.set_quota(tx, who, "acme.example", Amount(0, 0))),
    ("operator", lambda tx, who: admin.add_tenant(tx, who, "third")),
    ("operator", lambda tx, who: admin.remove_tenant(tx, who, "other")),
    ("operator", lambda tx, who: admin.give_domain(tx, who, "other.example", "acme")),
    ("operator", lambda tx, who: admin.put_admin(tx, who, "other", at("ann@acme.example"))),
    ("operator", lambda tx, who: admin.remove_admin(tx, who, "other", at("zoe@other.example"))),
    ("same tenant", lambda tx, who: admin.change_domain(tx, who, "acme.example", catch_all=at("zoe@other.example"))),
]


@pytest.mark.parametrize(("words", "deed"), FOREIGN, ids=range(len(FOREIGN)))
async def test_a_tenants_administrator_cannot_reach_over(
    house: Database, words: str, deed: Callable[[Writing, Actor], object]
) -> None:
    def others(tx: Writing) -> None:
        admin_reach.add_alias(tx, OPERATOR, at("info@other.example"), at("zoe@other.example"))
        admin_reach.add_group(tx, OPERATOR, at("team@other.example"))
        admin_reach.add_group(tx, ACME, at("own@acme.example"))

    await house.write(others)
    await refused(house, lambda tx: deed(tx, ACME), words)


async def test_a_tenants_administrator_sees_their_own_alone(house: Database) -> None:
    def work(tx: Writing) -> None:
        for actor, name in ((ACME, "acme.example"), (OTHER, "other.example")):
            owner = at(actor.name)
            admin_reach.add_alias(tx, actor, at(f"info@{name}"), owner)
            admin_reach.add_group(tx, actor, at(f"team@{name}"))
            admin_reach.put_member(tx, actor, at(f"team@{name}"), owner)
            admin_reach.set_quota(tx, actor, str(owner), Amount(1000, 0))

    await house.write(work)

    def query(tx: Reading) -> list[object]:
        return [
            [one.name for one in admin.list_domains(tx, ACME)],
            [one.address for one in admin.list_people(tx, ACME)],
            [one.address for one in admin_reach.list_aliases(tx, ACME)],
            [one.address for one, _ in admin_reach.list_groups(tx, ACME)],
            [one.target for one in admin_reach.list_quotas(tx, ACME)],
            {change.tenant for change in directory_changes.recent(tx, "acme")},
        ]

    assert await house.read(query) == [
        ["acme.example"],
        ["ann@acme.example", "bob@acme.example"],
        ["info@acme.example"],
        ["team@acme.example"],
        ["ann@acme.example"],
        {"acme"},
    ]


async def test_who_is_an_administrator(house: Database) -> None:
    def who(tx: Reading, text: str, tenant: str) -> Actor:
        account = accounts.find(tx, at(text))
        assert account
        return admin.administrator(tx, account, tenant)

    assert await house.read(lambda tx: who(tx, "ann@acme.example", "acme")) == ACME
    for text, tenant in (("bob@acme.example", "acme"), ("ann@acme.example", "other"), ("eve@own.example", "")):
        with pytest.raises(Permanent, match="does not administer"):
            await house.read(lambda tx, text=text, tenant=tenant: who(tx, text, tenant))  # type: ignore[misc]
    # A right ends with its domain's leaving the tenant, though nobody took it away.
    await house.write(lambda tx: admin.give_domain(tx, OPERATOR, "acme.example", "other"))
    with pytest.raises(Permanent, match="does not administer"):
        await house.read(lambda tx: who(tx, "ann@acme.example", "acme"))


async def test_a_role_says_what_somebody_administers(house: Database) -> None:
    def who(tx: Writing, text: str, role: Role | None) -> Actor | None:
        account = accounts.find(tx, at(text))
        assert account
        if role is not None:
            roles.give(tx, account.id, role)
        return admin.actor_for(tx, account)

    for text, role, expected in (
        ("bob@acme.example", None, None),
        ("ann@acme.example", None, None),  # administers her tenant by that right, not by a role
        ("bob@acme.example", Role.OWNER, Actor("bob@acme.example", None)),
        ("bob@acme.example", Role.ADMIN, Actor("bob@acme.example", "acme")),
        ("eve@own.example", Role.ADMIN, None),
    ):
        actor = await house.write(lambda tx, text=text, role=role: who(tx, text, role))  # type: ignore[misc]
        assert actor == expected
    admin_of_acme = Actor("bob@acme.example", "acme")
    await refused(house, lambda tx: admin.remove_domain(tx, admin_of_acme, "own.example"), "no domain")
    # A role follows the domain to its next tenant.
    await house.write(lambda tx: admin.give_domain(tx, OPERATOR, "acme.example", "other"))
    assert await house.write(lambda tx: who(tx, "bob@acme.example", None)) == Actor("bob@acme.example", "other")


async def test_a_domain_that_is_tied_to_another_stays_with_its_tenant(house: Database) -> None:
    def tie(tx: Writing) -> None:
        admin.add_domain(tx, OPERATOR, "acme2.example", "acme")
        admin_reach.add_alias(tx, OPERATOR, at("info@acme2.example"), at("ann@acme.example"))

    await house.write(tie)
    await refused(house, lambda tx: admin.give_domain(tx, OPERATOR, "acme.example", "other"), "tied together")
    await house.write(lambda tx: admin_reach.remove_alias(tx, OPERATOR, at("info@acme2.example")))
    await house.write(lambda tx: admin.give_domain(tx, OPERATOR, "acme.example", "other"))
    assert [one.name for one in await house.read(lambda tx: admin.list_domains(tx, OTHER))] == [
        "acme.example",
        "other.example",
    ]
    await refused(house, lambda tx: admin.remove_tenant(tx, OPERATOR, "acme"), "acme2.example")


@pytest.mark.parametrize("taken", ["ann@acme.example", "Info@acme.example", "team@acme.example"])
async def test_an_address_is_given_out_once(house: Database, taken: str) -> None:
    def work(tx: Writing) -> None:
        admin_reach.add_alias(tx, OPERATOR, at("info@acme.example"), at("ann@acme.example"))
        admin_reach.add_group(tx, OPERATOR, at("team@acme.example"))

    await house.write(work)
    await refused(house, lambda tx: admin_reach.add_alias(tx, ACME, at(taken), at("bob@acme.example")), "already")
    await refused(house, lambda tx: admin_reach.add_group(tx, ACME, at(taken)), "already")
    await refused(house, lambda tx: admin.add_person(tx, ACME, at(taken)), "already")
    if taken != "ann@acme.example":  # the store itself refuses it, too: sign-ups do not come this way
        await refused(house, lambda tx: accounts.add(tx, at(taken)), "alias or a group")


async def test_loops_of_groups_are_refused_and_depth_is_bounded(house: Database) -> None:
    names = [at(f"g{number}@acme.example") for number in range(MAX_DEPTH + 1)]

    def work(tx: Writing) -> None:
        for name in names:
            admin_reach.add_group(tx, ACME, name)
        for outer, inner in pairwise(names[:MAX_DEPTH]):
            admin_reach.put_member(tx, ACME, outer, inner)
        admin_reach.put_member(tx, ACME, names[MAX_DEPTH - 1], at("bob@acme.example"))

    await house.write(work)
    found = await house.read(lambda tx: resolve(tx, names[0]))
    assert isinstance(found, Several)
    assert [one.account.address for one in found.members] == ["bob@acme.example"]
    for outer, inner in ((2, 0), (5, 5), (MAX_DEPTH - 1, 0)):
        await refused(
            house,
            lambda tx, outer=outer, inner=inner: admin_reach.put_member(tx, ACME, names[outer], names[inner]),  # type: ignore[misc]
            "round for ever",
        )
    await refused(house, lambda tx: admin_reach.put_member(tx, ACME, names[-1], names[0]), "deep")
    await refused(house, lambda tx: admin_reach.put_member(tx, ACME, names[MAX_DEPTH - 1], names[-1]), "deep")
    await refused(house, lambda tx: admin_reach.put_member(tx, ACME, names[0], at("nix@acme.example")), "nobody here")


async def test_what_is_removed_is_pointed_to_no_longer(house: Database) -> None:
    info, team = at("info@acme.example"), at("team@acme.example")

    def work(tx: Writing) -> None:
        admin_reach.add_alias(tx, ACME, info, at("ann@acme.example"))
        admin_reach.add_group(tx, ACME, team)
        admin_reach.put_member(tx, ACME, team, info)
        admin.change_domain(tx, ACME, "acme.example", catch_all=info)

    await house.write(work)
    assert await house.read(lambda tx: resolve(tx, at("whoever@acme.example"))) != Unknown()
    await house.write(lambda tx: admin_reach.remove_alias(tx, ACME, info))
    assert await house.read(lambda tx: resolve(tx, at("whoever@acme.example"))) == Unknown()
    assert await house.read(lambda tx: resolve(tx, team)) == Unknown()
    await house.write(lambda tx: admin_reach.remove_group(tx, ACME, team))
    await refused(house, lambda tx: admin_reach.remove_group(tx, ACME, team), "no group")


async def test_removing_a_domain(house: Database) -> None:
    def work(tx: Writing) -> None:
        admin_reach.add_alias(tx, OPERATOR, at("info@acme.example"), at("ann@acme.example"))
        admin_reach.add_group(tx, OPERATOR, at("team@acme.example"))
        admin_reach.set_quota(tx, OPERATOR, "acme.example", Amount(1000, 0))

    await house.write(work)
    await refused(house, lambda tx: admin.remove_domain(tx, OPERATOR, "acme.example"), "--with-people")
    await house.write(lambda tx: admin.remove_domain(tx, OPERATOR, "acme.example", with_people=True))

    def left(tx: Reading) -> object:
        there = accounts.find(tx, at("ann@acme.example")) is not None
        return aliases.listing(tx), groups.listing(tx), quotas.listing(tx), domains.exists(tx, "acme.example"), there

    assert await house.read(left) == ([], [], [], False, True)


@pytest.mark.parametrize("separator", ["++", "a", "@", "\u00fc", "+-"])
async def test_a_separator_that_is_none(house: Database, separator: str) -> None:
    await refused(house, lambda tx: admin.change_domain(tx, ACME, "acme.example", separator=separator), "separator")


@pytest.mark.parametrize("name", ["", "Acme", "a b", "-acme", "x" * 65, "acme\n"])
async def test_a_tenants_name_that_is_none(house: Database, name: str) -> None:
    await refused(house, lambda tx: admin.add_tenant(tx, OPERATOR, name), "name")


async def test_a_domain_that_is_none(house: Database) -> None:
    with pytest.raises(AddressError):
        await house.write(lambda tx: admin.add_domain(tx, OPERATOR, "two words"))


async def test_who_may_send_as_whom(house: Database) -> None:
    def work(tx: Writing) -> None:
        admin_reach.add_alias(tx, ACME, at("info@acme.example"), at("ann@acme.example"))
        admin_reach.add_alias(tx, ACME, at("old@acme.example"), at("ann@acme.example"), may_send=False)
        admin_reach.add_group(tx, ACME, at("team@acme.example"))
        admin_reach.put_member(tx, ACME, at("team@acme.example"), at("info@acme.example"), may_send=True)
        admin_reach.put_member(tx, ACME, at("team@acme.example"), at("bob@acme.example"))
        admin.add_person(tx, ACME, at("desk@acme.example"))
        admin.add_person(tx, ACME, at("bob+x@acme.example"))
        admin_reach.share(tx, ACME, at("desk@acme.example"), at("ann@acme.example"), may_send=True)
        admin_reach.share(tx, ACME, at("desk@acme.example"), at("bob@acme.example"))

    await house.write(work)

    def may(tx: Reading, who: str, *texts: str) -> bool:
        account = accounts.find(tx, at(who))
        assert account
        return may_send_as(tx, account, [at(text) for text in texts])

    ann, bob = "ann@acme.example", "bob@acme.example"
    for who, texts, wanted in [
        (ann, ["ann@acme.example"], True),
        (ann, ["ANN+shop@acme.example"], True),
        (ann, ["info@acme.example", "ann@acme.example"], True),
        (ann, ["info+x@acme.example"], True),
        (ann, ["old@acme.example"], False),
        (ann, ["team@acme.example"], True),
        (ann, ["desk@acme.example"], True),
        (ann, ["bob@acme.example"], False),
        (ann, ["ann@acme.example", "bob@acme.example"], False),
        (ann, ["ann@own.example"], False),
        (ann, ["ann@elsewhere.example"], False),
        (bob, ["team@acme.example"], False),
        (bob, ["desk@acme.example"], False),
        (bob, ["bob+y@acme.example"], True),
        (bob, ["bob+x@acme.example"], False),  # that is somebody's own name
        (bob, ["nobody@acme.example"], False),
    ]:
        assert await house.read(lambda tx, who=who, texts=texts: may(tx, who, *texts)) is wanted, (who, texts)  # type: ignore[misc]


async def test_quotas_add_up(house: Database) -> None:
    def work(tx: Writing) -> int:
        admin_reach.set_quota(tx, OPERATOR, "acme.example", Amount(1000, 3))
        admin_reach.set_quota(tx, ACME, "acme.example", Amount(0, 2), each=True)
        admin_reach.set_quota(tx, ACME, "bob@acme.example", Amount(500, 0))
        account = accounts.find(tx, at("bob@acme.example"))
        assert account
        return account.id

    bob = await house.write(work)
    limit = await house.read(lambda tx: quotas.limit_of(tx, bob))
    assert limit == Amount(500, 0)
    assert await house.read(lambda tx: quotas.has_room(tx, bob, 500))
    assert not await house.read(lambda tx: quotas.has_room(tx, bob, 501))
    assert not await house.read(lambda tx: quotas.has_room(tx, bob, 1, messages=4)), "the domain has room for three"
    await house.write(lambda tx: admin_reach.set_quota(tx, ACME, "bob@acme.example", Amount(0, 0)))
    assert await house.read(lambda tx: quotas.limit_of(tx, bob)) == Amount(0, 2)
    await refused(house, lambda tx: admin_reach.set_quota(tx, ACME, "bob@acme.example", Amount(0, 0)), "no quota")
    await refused(house, lambda tx: admin_reach.set_quota(tx, ACME, "bob@acme.example", Amount(-1, 0)), "0 or more")
    await refused(
        house, lambda tx: admin_reach.set_quota(tx, ACME, "bob@acme.example", Amount(1, 0), each=True), "each"
    )


async def test_what_is_done_to_people_is_among_their_security_events(house: Database) -> None:
    def work(tx: Writing) -> None:
        admin_reach.add_alias(tx, ACME, at("info@acme.example"), at("bob@acme.example"))
        admin_reach.share(tx, ACME, at("bob@acme.example"), at("ann@acme.example"))
        admin_reach.unshare(tx, ACME, at("bob@acme.example"), at("ann@acme.example"))

    await house.write(work)

    def query(tx: Reading) -> list[tuple[str, str]]:
        bob = accounts.find(tx, at("bob@acme.example"))
        assert bob
        assert not delegates.of_account(tx, bob.id)
        return [(event.kind, event.details) for event in security_events.recent(tx, bob.id)]

    assert await house.read(query) == [
        ("mailbox-unshared", "ann@acme.example by ann@acme.example"),
        ("mailbox-shared", "ann@acme.example reads by ann@acme.example"),
        ("alias-added", "info@acme.example by ann@acme.example"),
    ]
    changes = await house.read(lambda tx: directory_changes.recent(tx, limit=3))
    assert [(change.actor, change.kind) for change in changes] == [
        ("ann@acme.example", "unshared"),
        ("ann@acme.example", "shared"),
        ("ann@acme.example", "alias-added"),
    ]
    assert await house.read(tenants.listing) == ["acme", "other"]
