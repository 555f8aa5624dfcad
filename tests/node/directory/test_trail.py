"""Changes of the directory are events, signed by who made them; what a domain or a gate does to mail is policy."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.anchor import policy
from node.anchor.events import parse
from node.base.address import parse_address
from node.base.errors import Permanent
from node.directory import admin, removal
from node.directory.admin import OPERATOR, Actor
from node.store import audit_events, gates
from node.store.audit_events import Wanted
from node.store.database import Database, Writing

pytestmark = pytest.mark.anyio
ANN = parse_address("ann@acme.test")
STAFF = Actor("ann@acme.test", "acme")


def build(tx: Writing) -> None:
    admin.add_tenant(tx, OPERATOR, "acme")
    admin.add_domain(tx, OPERATOR, "acme.test", "acme")
    admin.add_person(tx, STAFF, ANN)
    admin.change_domain(tx, STAFF, "acme.test", separator="-")


async def test_who_changed_what(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "a.db") as database:
        await database.write(lambda tx: policy.enforce(tx, {}))
        await database.write(build)
        with pytest.raises(Permanent):
            await database.write(lambda tx: admin.add_domain(tx, STAFF, "other.test"))
        rows = await database.read(lambda tx: audit_events.listing(tx, Wanted()))
        events = [parse(row.document) for row in rows]
        assert [(event.kind, event.actor, event.subject) for event in events if event.kind != "policy-changed"] == [
            ("tenant-added", "operator", "acme"),
            ("domain-added", "operator", "acme.test"),
            ("person-added", "ann@acme.test", "ann@acme.test"),
            ("domain-changed", "ann@acme.test", "acme.test"),
        ]
        assert events[-2].details["tenant"] == "acme"
        assert [event.kind for event in events].count("policy-changed") == 3  # the first, and twice a domain
        now = await database.read(policy.current)
        assert now
        (domain,) = policy.parse(now.document)["domains"]
        assert (domain["name"], domain["separator"]) == ("acme.test", "-")


async def test_a_gate_that_goes_with_its_person_is_out_of_the_policy(tmp_path: Path) -> None:
    def gated(tx: Writing) -> None:
        build(tx)
        gates.put(tx, "login", ANN.key, '{"did":"did:web:example.org"}', "finalized")
        policy.enforce(tx, {})

    async with Database.open(tmp_path / "a.db") as database:
        await database.write(gated)
        before = await database.read(policy.current)
        await database.write(lambda tx: removal.remove_person(tx, OPERATOR, ANN))
        after = await database.read(policy.current)
        assert before
        assert after
        assert len(policy.parse(before.document)["gates"]) == 1
        assert policy.parse(after.document)["gates"] == []
