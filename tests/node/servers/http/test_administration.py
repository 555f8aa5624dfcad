"""The Administration page: who sees it, what of, how many at a time, and what can be done there."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from node.base.address import parse_address
from node.directory import admin, admin_reach, staff
from node.directory.admin import OPERATOR
from node.directory.overview import PAGE
from node.store import accounts, audit_events, blobs, blocked_networks, held, mailboxes, messages, security_events
from node.store.blocked_networks import BlockedNetwork
from node.store.directory.quotas import Amount
from node.store.held import Held
from node.store.message import Summary
from node.store.roles import Role
from node.store.security_events import SecurityEvent
from node.store.transaction import Reading, Writing

from .conftest import BOB as WALLET

pytestmark = pytest.mark.anyio
ALICE, BOB = parse_address("alice@waxseal.test"), parse_address("bob@waxseal.test")
GOOD = "tulip anchor mosaic gravel"
SUMMARY = Summary(b"", b"", b"", b"")


def furnish(tx: Writing) -> None:
    """A tenant with a domain beside waxseal.test; people, mail, a held message for each side, events, a block."""
    admin.add_tenant(tx, OPERATOR, "acme")
    admin.add_domain(tx, OPERATOR, "acme.example", "acme")
    for number in range(PAGE + 3):
        admin.add_person(tx, OPERATOR, parse_address(f"p{number:02}@acme.example"), f"Person <{number:02}>")
    for address in ("p00@acme.example", "alice@waxseal.test"):
        who = accounts.find(tx, parse_address(address))
        assert who is not None
        inbox = mailboxes.find(tx, who.id, "INBOX")
        assert inbox is not None
        content = address.encode() * 100
        blob = blobs.add(tx, blobs.prepare_inline(content))
        messages.add(tx, inbox.id, blob, len(content), SUMMARY, internaldate=1)
        held.add(tx, Held(0, blob, 8, "", "", "", "", "x", 1, 2, {who.id: address}), SUMMARY)
        security_events.add(tx, who.id, SecurityEvent(int(time.time()), "recovered", f"net-of-{address[:3]}"))
    admin_reach.set_quota(tx, OPERATOR, "p00@acme.example", Amount(3200, 0))
    now = int(time.time())
    for network, until in (("192.0.2.7", now + 600), ("192.0.2.8", now - 1)):
        blocked_networks.put(tx, BlockedNetwork(network, now - 60, until, 1, 10, 5))


@pytest.fixture
async def place(web: Any) -> Any:
    await web.database.write(furnish)
    await web.database.write(lambda tx: staff.grant(tx, OPERATOR, ALICE, Role.OWNER))
    return web


async def test_nobody_else_finds_it(place: Any) -> None:
    async with place.client() as client:
        assert (await client.get("/administration")).headers["location"] == "/login"
        refused = await client.post("/administration/blocks", data={"network": "192.0.2.7"})
        assert refused.headers["location"] == "/login"
        await place.log_in(client, WALLET)
        assert (await client.get("/administration")).status_code == 404
        assert (await client.post("/administration/blocks", data={"network": "192.0.2.7"})).status_code == 404
        assert "Administration" not in (await client.get("/account")).text
    assert len(await place.database.read(blocked_networks.listing)) == 2


async def test_an_owner_sees_the_whole_node(place: Any) -> None:
    async with place.client() as client:
        await place.log_in(client)
        assert 'href="/administration"' in (await client.get("/account")).text
        shown = await client.get("/administration")
    assert shown.status_code == 200
    for expected in ("The whole node", "2 messages are held", "acme.example", "waxseal.test", "192.0.2.7",
                     "alice@waxseal.test",
                     "net-of-p00", "net-of-ali", "Person &lt;00&gt;", "50 percent full"):  # fmt: skip
        assert expected in shown.text, expected
    assert "192.0.2.8" not in shown.text, "a block that is over is none"
    assert f'People <span class="tag">{PAGE + 5}</span>' in shown.text


async def test_pages_and_searches(place: Any) -> None:
    async with place.client() as client:
        await place.log_in(client)
        second = (await client.get("/administration?page=2")).text
        assert "Page 2 of 2" in second
        assert "alice@waxseal.test</th>" not in second, "she is on the first page"
        assert 'rel="prev" href="/administration#people"' in second
        first = (await client.get("/administration?q=ACME&d=wax")).text
        assert f'People <span class="tag">{PAGE + 3}</span>' in first
        assert 'Domains <span class="tag">1</span>' in first
        assert 'href="/administration?q=ACME&amp;page=2&amp;d=wax#people"' in first
        by_name = (await client.get("/administration", params={"q": "person <07>"})).text
        assert re.findall(r'<th scope="row" class="wrap">(p\d\d)@', by_name) == ["p07"]
        nothing = (await client.get("/administration", params={"q": "<b>%_"})).text
        assert "Nobody whose address or name holds “&lt;b&gt;%_” here" in nothing
        for odd in ("0", "-1", "999999", "9" * 50, "x", "²", ""):
            assert (await client.get("/administration", params={"page": odd, "dpage": odd})).status_code == 200
        assert (await client.get("/administration", params={"q": "x" * 5000})).status_code == 200


@pytest.mark.parametrize("how", ["role", "tenant"])
async def test_a_tenants_administrator_sees_the_tenant_alone(place: Any, how: str) -> None:
    def work(tx: Writing) -> None:
        admin.give_domain(tx, OPERATOR, "waxseal.test", "")
        person = admin.add_person(tx, OPERATOR, parse_address("boss@acme.example"))
        bob = accounts.find(tx, BOB)
        assert bob is not None
        subject = accounts.identities(tx, bob.id)[0]
        accounts.unbind(tx, bob.id, subject)
        accounts.bind(tx, person.id, subject)
        if how == "role":
            staff.grant(tx, OPERATOR, parse_address(person.address), Role.ADMIN)
        else:
            admin.put_admin(tx, OPERATOR, "acme", parse_address(person.address))

    await place.database.write(work)
    async with place.client() as client:
        await place.log_in(client, WALLET)
        shown = await client.get("/administration?q=alice")
        assert shown.status_code == 200
        assert "Nobody whose address" in shown.text
        shown = await client.get("/administration")
        assert "The tenant acme" in shown.text
        assert "1 message is held" in shown.text
        assert "p00@acme.example" in shown.text
        for foreign in ("waxseal.test</th>", "alice@", "net-of-ali", "192.0.2.7", "shut out"):
            assert foreign not in shown.text, foreign
        refused = await client.post("/administration/blocks", data={"network": "192.0.2.7"})
        assert refused.status_code == 422
    assert len(await place.database.read(blocked_networks.listing)) == 2


async def test_a_password_alone_opens_nothing(place: Any) -> None:
    async with place.client() as client, place.client() as weak:
        await place.log_in(client)
        await client.post("/account/password", data={"password": GOOD})
        assert (await client.get("/administration")).status_code == 200, (
            "the new session is as strong as the one before"
        )
        await weak.post("/auth/password", data={"address": "alice@waxseal.test", "password": GOOD})
        assert (await weak.get("/account")).status_code == 200
        refused = await weak.get("/administration")
        assert refused.status_code == 403
        assert "stronger login" in refused.text
        assert "alice@" not in refused.text
        assert (await weak.post("/administration/blocks", data={"network": "192.0.2.7"})).status_code == 403


async def test_a_network_is_let_in_again_and_that_is_written_down(place: Any) -> None:
    async with place.client() as client:
        await place.log_in(client)
        done = await client.post("/administration/blocks", data={"network": "192.0.2.7"})
        assert (done.status_code, done.headers["location"]) == (303, "/administration#blocks")
        for wrong in ("192.0.2.7", "", "<b>", "x" * 1000):
            again = await client.post("/administration/blocks", data={"network": wrong})
            assert again.status_code == 422
            assert "<b>" not in again.text
        elsewhere = await client.post(
            "/administration/blocks", data={"network": "192.0.2.8"}, headers={"origin": "https://evil.example"}
        )
        assert elsewhere.status_code == 403

    def look(tx: Reading) -> str:
        assert [one.network for one in blocked_networks.listing(tx)] == ["192.0.2.8"]
        event = audit_events.newest(tx, ["network-unblocked"], "192.0.2.7")
        return event.actor if event else ""

    assert await place.database.read(look) == "alice@waxseal.test"


async def test_who_loses_the_role_is_out_at_once(place: Any) -> None:
    async with place.client() as client:
        await place.log_in(client)
        assert (await client.get("/administration")).status_code == 200
        await place.database.write(lambda tx: staff.revoke(tx, OPERATOR, ALICE))
        assert (await client.get("/administration")).headers["location"] == "/login"
        await place.log_in(client)
        assert (await client.get("/administration")).status_code == 404
