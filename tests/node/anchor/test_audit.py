"""The audit trail: events come to disk with what they tell of, say nothing that was not said, and cannot be changed."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.anchor import audit, canonical_json, merkle, policy
from node.anchor.audit import Kind
from node.anchor.events import MAX_TEXT, Event, EventError, parse
from node.anchor.log import Log
from node.base.address import parse_address
from node.base.errors import Permanent
from node.store import accounts, audit_events, domains, gates, policies, security_events
from node.store.audit_events import StoredEvent, Wanted
from node.store.database import Database, Writing
from node.store.security_events import SecurityEvent

pytestmark = pytest.mark.anyio

TIME = 1_763_676_000
SETTINGS: dict[str, canonical_json.Json] = {"threat": {"at": 0.9, "action": "junk"}, "classifier": {"junk_at": None}}


async def everything(database: Database, **wanted: object) -> list[StoredEvent]:
    return await database.read(lambda tx: audit_events.listing(tx, Wanted(**wanted)))  # type: ignore[arg-type]


async def test_an_event_stands_in_the_log(database: Database, log: Log) -> None:
    details = {"rule": "…", "empty": "", "number": 3}
    index = await database.write(
        lambda tx: audit.record(tx, Kind.GATE_SET, audit.OPERATOR, "ann@a.test", details, TIME)
    )
    (row,) = await everything(database)
    assert (row.index, row.number, row.kind, row.actor, row.subject) == (index, 1, "gate-set", "operator", "ann@a.test")
    event = parse(row.document)
    assert event == Event(1, TIME, Kind.GATE_SET, "operator", "ann@a.test", {"rule": "…", "number": 3})
    size = await database.read(log.size)
    path = await database.read(lambda tx: log.inclusion_proof(tx, index, size))
    root = await database.read(lambda tx: log.root(tx, size))
    assert merkle.verify_inclusion(event.leaf(row.salt).hash, index, size, path, root)


async def test_numbers_rise_by_one(database: Database) -> None:
    for _ in range(3):
        await database.write(lambda tx: [audit.record(tx, Kind.LOGIN, "ann@a.test") for _ in range(2)])
    assert [row.number for row in await everything(database)] == [1, 2, 3, 4, 5, 6]


async def test_what_is_undone_leaves_no_event(database: Database, log: Log) -> None:
    def work(tx: Writing) -> None:
        audit.record(tx, Kind.ROLE_GIVEN, audit.OPERATOR, "ann@a.test")
        raise Permanent("no")

    with pytest.raises(Permanent):
        await database.write(work)
    assert await everything(database) == []
    assert await database.read(log.size) == 0


async def test_events_are_found_by_kind_actor_subject_and_time(database: Database) -> None:
    def work(tx: Writing) -> None:
        audit.record(tx, Kind.LOGIN, "ann@a.test", "ann@a.test", now=100)
        audit.record(tx, Kind.LOGIN, "bob@a.test", "bob@a.test", now=200)
        audit.record(tx, Kind.GATE_SET, "operator", "ann@a.test", now=300)

    await database.write(work)
    assert [row.number for row in await everything(database, kind="login")] == [1, 2]
    assert [row.number for row in await everything(database, actor="operator")] == [3]
    assert [row.number for row in await everything(database, subject="ann@a.test")] == [1, 3]
    assert [row.number for row in await everything(database, since=200)] == [2, 3]
    assert [row.number for row in await everything(database, since=101, until=299, kind="login")] == [2]


async def test_names_of_any_kind_and_length_fit(database: Database) -> None:
    awkward = "x" * 1000, "\ud800\x00\x1b[31m\u2028", '"\\' * 300
    details = {f"d{n}": awkward[n % 3] for n in range(50)}
    for name in awkward:
        await database.write(lambda tx, name=name: audit.record(tx, Kind.PASSKEY_ADDED, name, name, details))
    for row in await everything(database):
        event = parse(row.document)
        assert (event.actor, event.subject) == (row.actor, row.subject)
        assert len(event.actor) <= MAX_TEXT
        assert event.actor.isprintable()
        assert len(event.details) == 20


async def test_a_security_event_is_kept_for_its_person_and_in_the_trail(database: Database) -> None:
    def work(tx: Writing) -> int:
        account = accounts.add(tx, parse_address("ann@a.test"))
        event = SecurityEvent(TIME, "sending-locked", "192.0.2.0/24", "Phone", 7, 300, 290, "many-fresh")
        audit.security(tx, account.id, event)
        return account.id

    account_id = await database.write(work)
    assert len(await database.read(lambda tx: security_events.recent(tx, account_id))) == 1
    (row,) = await everything(database, kind="sending-locked")
    assert parse(row.document).details == {
        "network": "192.0.2.0/24",
        "app_password": "Phone",
        "details": "many-fresh",
        "messages": 7,
        "recipients": 300,
        "fresh": 290,
    }


async def test_a_keys_first_use_and_its_rotation_are_events(database: Database) -> None:
    for key in ("one", "one", "two", "two", "one"):
        await database.write(lambda tx, key=key: audit.key_in_use(tx, "log", key))
    await database.write(lambda tx: audit.key_in_use(tx, "keeper", "two"))
    rows = await everything(database)
    assert [(row.kind, row.subject) for row in rows] == [
        ("key-in-use", "log key"),
        ("key-rotated", "log key"),
        ("key-rotated", "log key"),
        ("key-in-use", "keeper key"),
    ]
    assert parse(rows[1].document).details == {"key": "two", "before": "one"}


async def test_a_client_that_logs_in_all_day_is_one_event_a_day(database: Database) -> None:
    before = None
    for now in (TIME, TIME + 60, TIME + 3600, TIME + audit.DAY, TIME + audit.DAY + 60):
        await database.write(lambda tx, b=before, n=now: audit.first_login(tx, "ann@a.test", b, n, {"client": "Phone"}))
        before = now
    assert [row.time for row in await everything(database, kind="login")] == [TIME, TIME + audit.DAY]


def test_the_document_of_an_event_is_fixed() -> None:
    event = Event(17, TIME, Kind.GATE_SET, "operator", "ann@example.org", {"use": "login", "long": True, "n": 2})
    assert event.document == (
        b'{"actor":"operator","details":{"long":true,"n":2,"use":"login"},"kind":"gate-set","number":17,'
        b'"subject":"ann@example.org","time":1763676000,"version":"waxseal.event/1"}'
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
events = st.builds(
    Event,
    st.integers(1, 2**53 - 1),
    st.integers(0, 2**53 - 1),
    st.sampled_from(Kind),
    texts,
    texts,
    st.dictionaries(texts, texts | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1), max_size=5),
)


def _exactly(event: Event) -> object:
    """What makes an event another one; Python takes True for 1."""
    details = sorted((name, type(value).__name__, value) for name, value in event.details.items())
    return event.number, event.time, event.kind, event.actor, event.subject, details


@given(events, events)
def test_a_document_is_one_events_alone(one: Event, other: Event) -> None:
    assert parse(one.document) == one
    assert (one.document == other.document) == (_exactly(one) == _exactly(other))


@given(events, st.data())
def test_a_changed_document_is_another_event_or_none(event: Event, data: st.DataObject) -> None:
    document = event.document
    at, octet = data.draw(st.integers(0, len(document) - 1)), data.draw(st.integers(0, 255))
    changed = document[:at] + bytes([octet]) + document[at + 1 :]
    try:
        found = parse(changed)
    except EventError:
        return
    assert found.document == changed


@pytest.mark.parametrize(
    "change",
    [
        {"version": "waxseal.event/2"},
        {"number": 0},
        {"number": "1"},
        {"time": -1},
        {"kind": "no-such-kind"},
        {"actor": "x" * 501},
        {"actor": None},
        {"details": {"deep": {"er": 1}}},
        {"details": {str(n): n for n in range(21)}},
        {"more": 1},
    ],
)
def test_what_is_no_event_is_refused(change: dict[str, canonical_json.Json]) -> None:
    whole = json.loads(Event(1, TIME, Kind.LOGIN, "ann@a.test").document)
    with pytest.raises(EventError):
        parse(canonical_json.write({**whole, **change}))


ROOT = Path(__file__).parents[3]


def test_the_documentation_lists_every_kind_and_no_other() -> None:
    text = (ROOT / "docs" / "proof.md").read_text("utf-8").partition("The kinds:")[2].partition("So that nobody")[0]
    assert sorted(re.findall(r"`([a-z-]+)`", text)) == sorted(Kind)


def test_every_change_of_the_directory_has_its_kind() -> None:
    """`node.directory.admin.note` takes a word for the change, which must be one of the closed list."""
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "node" / "directory").glob("*.py"))
    words = set(re.findall(r'\bnote\(\s*tx, actor, "([a-z-]+)"', sources))
    assert len(words) > 15
    assert words <= set(Kind)


# --- policies ---------------------------------------------------------------------------------------------------------


async def test_a_policy_is_stored_when_it_changes_and_only_then(database: Database) -> None:
    first = await database.write(lambda tx: policy.enforce(tx, SETTINGS))
    again = await database.write(lambda tx: policy.enforce(tx, {**SETTINGS, "threat": {"action": "junk", "at": 0.9}}))
    assert first == again
    assert first.hash == hashlib.sha256(first.document).digest()
    assert policy.parse(first.document)["settings"] == SETTINGS
    stricter = await database.write(lambda tx: policy.enforce(tx, {**SETTINGS, "threat": {"at": 0.8}}))
    assert stricter.number == first.number + 1
    assert await database.read(policy.current) == stricter
    assert await database.read(policy.listing) == [first, stricter]
    assert await database.read(lambda tx: policy.get(tx, first.hash)) == first
    assert await database.read(policies.name) == (stricter.number, stricter.hash)
    changes = [parse(row.document) for row in await everything(database, kind="policy-changed")]
    assert [change.subject for change in changes] == [first.hash.hex(), stricter.hash.hex()]
    assert changes[1].details["before"] == first.hash.hex()
    assert changes[1].details["changed"] == "settings"


async def test_a_gate_and_a_domain_change_the_policy(database: Database) -> None:
    assert await database.write(policy.refresh) is None  # nothing is in force before the node's first start
    first = await database.write(lambda tx: policy.enforce(tx, SETTINGS))

    def close(tx: Writing) -> None:
        domains.add(tx, "a.test")
        gates.put(tx, "login", "ann@a.test", '{"did":"did:example:1"}', "finalized")
        policy.refresh(tx)

    await database.write(close)
    second = await database.read(policy.current)
    assert second is not None
    assert second.hash != first.hash
    document = policy.parse(second.document)
    assert document["settings"] == SETTINGS
    assert [gate["target"] for gate in document["gates"]] == ["ann@a.test"]
    assert [domain["name"] for domain in document["domains"]] == ["a.test"]
    assert await database.write(policy.refresh) == second


async def test_many_domains_are_told_by_their_hash(database: Database) -> None:
    def work(tx: Writing, count: int) -> None:
        for number in range(count):
            domains.add(tx, f"d{number:04}.test")

    await database.write(lambda tx: work(tx, 600))
    first = await database.write(lambda tx: policy.enforce(tx, SETTINGS))
    assert len(first.document) < 2000
    assert policy.parse(first.document)["domains"]["number"] == 600
    await database.write(lambda tx: work(tx, 601))
    assert (await database.write(policy.refresh)) != first


async def test_a_damaged_policy_does_not_stop_the_next(database: Database) -> None:
    await database.write(lambda tx: policy.enforce(tx, SETTINGS))
    await database.write(lambda tx: tx._cursor.execute("UPDATE policy SET document = x'7b'"))
    second = await database.write(lambda tx: policy.enforce(tx, SETTINGS))
    assert second.number == 2
    assert policy.parse(second.document)["settings"] == SETTINGS


async def test_the_same_rules_on_two_nodes_have_two_hashes(database: Database) -> None:
    """The hash is published: it must not let anybody guess the rules."""
    first = await database.write(lambda tx: policy.enforce(tx, SETTINGS))
    await database.write(lambda tx: policy.enforce(tx, {}))
    back = await database.write(lambda tx: policy.enforce(tx, SETTINGS))
    assert policy.parse(back.document)["settings"] == policy.parse(first.document)["settings"]
    assert back.hash != first.hash


@pytest.mark.parametrize("document", [b"", b"{}", b'{"version":"waxseal.policy/1"}', b"[1]", b"\xff"])
def test_what_is_no_policy_is_refused(document: bytes) -> None:
    with pytest.raises(policy.PolicyError):
        policy.parse(document)
