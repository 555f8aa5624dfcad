"""The trail is checked against the signed log: whatever somebody changes in the database afterwards is named."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.anchor import audit, audit_trail, canonical_json, checkpoint, merkle, message_leaves
from node.anchor.audit_trail import Check, TrailError
from node.anchor.checkpoint import Checkpoint
from node.anchor.events import Event, Kind
from node.anchor.keys import LogKeys
from node.anchor.leaf import Direction, Leaf
from node.anchor.log import Log
from node.anchor.note import NoteSigner
from node.anchor.proof import Proof
from node.store import audit_events, leaves
from node.store.audit_events import Wanted
from node.store.database import Database, Writing

pytestmark = pytest.mark.anyio

TIME = 1_763_676_000
KEYS = LogKeys(NoteSigner("waxseal.test/log", bytes(range(32))), bytes(31) + b"\1")
STRANGER = NoteSigner("waxseal.test/log", bytes(32)).key


def fill(tx: Writing) -> None:
    """Events 1 to 6 and messages, mixed: entries 0 to 8 of the log, of which 0, 3, 7 are messages."""
    log = Log()
    for n in range(3):
        leaf = Leaf(hashlib.sha256(bytes([n])).digest(), Direction.RECEIVED, TIME + n, os.urandom(32))
        message_leaves.append(tx, log, leaf)
        audit.record(tx, Kind.LOGIN, f"p{n}@a.test", f"p{n}@a.test", {"way": "wallet"}, TIME + n)
        audit.record(tx, Kind.GATE_SET, audit.OPERATOR, "ann@a.test", {"rule": "r"}, TIME + n)


def sign(tx: Writing) -> None:
    head, signed = audit_trail.head(tx, KEYS)
    leaves.put_checkpoint(tx, head.size, signed.encode(), TIME)


@pytest.fixture
async def trail(database: Database) -> Database:
    await database.write(fill)
    await database.write(sign)
    return database


async def checked(database: Database) -> Check:
    check = Check([KEYS.log_key])
    await database.read(check.begin)
    while await database.read(check.events):
        pass
    while await database.read(check.entries):
        pass
    return check


async def test_an_honest_trail_holds(trail: Database) -> None:
    check = await checked(trail)
    assert check.faults == []
    assert (check.checked, check.size, check.signed, check.forgotten) == (6, 9, 9, 0)


async def test_what_came_after_the_checkpoint_is_checked_too(trail: Database) -> None:
    await trail.write(fill)
    check = await checked(trail)
    assert (check.faults, check.checked, check.size, check.signed) == ([], 12, 18, 9)
    await trail.write(lambda tx: tx._cursor.execute("UPDATE audit_event SET salt = zeroblob(32) WHERE number = 9"))
    assert (await checked(trail)).faults == ["event 9 is not what entry 13 of the log says: it was changed"]


async def test_an_empty_trail_holds(database: Database) -> None:
    assert (await checked(database)).faults == []


async def test_a_message_that_was_forgotten_is_no_gap(trail: Database) -> None:
    await trail.write(lambda tx: leaves.forget(tx, 3))
    check = await checked(trail)
    assert (check.faults, check.forgotten) == ([], 1)


def sql(*statements: str) -> Callable[[Writing], None]:
    def work(tx: Writing) -> None:
        for statement in statements:
            tx._cursor.execute(statement)

    return work


def forged(tx: Writing) -> None:
    """Event 4 says something else, in a document that is well-formed and agrees with its row."""
    row = audit_events.get(tx, 4)
    assert row
    other = Event(4, row.time, Kind.GATE_REMOVED, row.actor, row.subject, {}).document
    tx._cursor.execute("UPDATE audit_event SET kind = 'gate-removed', document = ? WHERE number = 4", (other,))


def replaced_and_logged_anew(tx: Writing) -> None:
    """Event 4 is changed, and its entry in the log as well."""
    forged(tx)
    row = audit_events.get(tx, 4)
    assert row
    entry = Event(4, row.time, Kind.GATE_REMOVED, row.actor, row.subject, {}).leaf(row.salt).entry
    tx._cursor.execute('UPDATE log_entry SET entry = ? WHERE "index" = ?', (entry, row.index))


def renumbered(tx: Writing) -> None:
    """Event 3 is removed, and those behind it are numbered down."""
    tx._cursor.execute("DELETE FROM audit_event WHERE number = 3")
    for number in (4, 5, 6):
        row = audit_events.get(tx, number)
        assert row
        said = json.loads(row.document)
        document = canonical_json.write({**said, "number": number - 1})
        tx._cursor.execute(
            "UPDATE audit_event SET number = ?, document = ? WHERE number = ?", (number - 1, document, number)
        )


CASES = [
    (forged, ["event 4 is not what entry 5 of the log says: it was changed"]),
    (  # its neighbour's way to the root leads over the entry that was put in its place
        replaced_and_logged_anew,
        [f"event {n} is not what entry {n + 1} of the log says: it was changed" for n in (3, 4)],
    ),
    (sql("UPDATE audit_event SET actor = 'ann@a.test' WHERE number = 2"), ["event 2: its row does not say what"]),
    (sql("UPDATE audit_event SET time = 0 WHERE number = 2"), ["event 2: its row does not say what"]),
    (sql("UPDATE audit_event SET document = x'7b7d' WHERE number = 2"), ["event 2: this is no event: "]),
    (sql("UPDATE audit_event SET salt = x'00' WHERE number = 2"), ["event 2: a leaf needs"]),
    (sql("DELETE FROM audit_event WHERE number = 1"), ["event 1 is missing", "nothing is known of entry 1 "]),
    (
        sql("DELETE FROM audit_event WHERE number IN (3, 4)"),
        ["events 3 to 4 are missing", "nothing is known of entry 4 ", "nothing is known of entry 5 "],
    ),
    (sql("DELETE FROM audit_event WHERE number = 6"), ["nothing is known of entry 8 "]),
    (
        sql(  # hidden behind a message that was never there: the numbers tell
            "DELETE FROM audit_event WHERE number = 3",
            "INSERT INTO leaf (\"index\", salt, message_sha256, direction, time) VALUES (4, x'', x'', 'received', 0)",
        ),
        ["event 3 is missing"],
    ),
    (
        renumbered,
        [f"event {n} is not what entry {i} of the log says" for n, i in ((3, 5), (4, 7), (5, 8))]
        + ["nothing is known of entry 4 "],
    ),
    (sql('UPDATE audit_event SET "index" = 100 WHERE number = 6'), ["event 6 claims entry 100", "nothing is known of"]),
    (sql('DELETE FROM leaf WHERE "index" = 3'), ["nothing is known of entry 3 "]),
    (sql('UPDATE leaf SET time = 0 WHERE "index" = 3'), ["the message's leaf of entry 3 is not what the log says"]),
    (
        sql('DELETE FROM log_entry WHERE "index" >= 7', 'DELETE FROM audit_event WHERE "index" >= 7'),
        ["the log was signed with 9 entries and has 7: its end was removed"],
    ),
]


@pytest.mark.parametrize(("change", "expected"), CASES)
async def test_what_was_changed_or_removed_is_named(
    trail: Database, change: Callable[[Writing], None], expected: list[str]
) -> None:
    await trail.write(change)
    faults = (await checked(trail)).faults
    assert len(faults) == len(expected)
    for fault, words in zip(faults, expected, strict=True):
        assert fault.startswith(words)


async def test_a_history_rewritten_from_the_start_does_not_fit_the_checkpoint(trail: Database) -> None:
    """Entries, nodes and events all agree with each other, and not with what was signed."""
    tables = ("audit_event", "leaf", "log_entry", "node")
    await trail.write(sql(*(f"DELETE FROM {table}" for table in tables)))
    await trail.write(fill)
    assert (await checked(trail)).faults == ["the first 9 entries are not those that were signed: the log was changed"]


async def test_a_checkpoint_of_another_key_does_not_hold(trail: Database) -> None:
    signed = checkpoint.sign(Checkpoint("waxseal.test/log", 9, bytes(32)), NoteSigner("waxseal.test/log", bytes(32)))
    await trail.write(lambda tx: leaves.put_checkpoint(tx, 9, signed.encode(), TIME))
    (fault,) = (await checked(trail)).faults
    assert fault.startswith("the newest checkpoint does not hold")


# --- taken to strangers -----------------------------------------------------------------------------------------------


@pytest.fixture
async def lines(trail: Database) -> list[str]:
    head, signed = await trail.read(lambda tx: audit_trail.head(tx, KEYS))
    rows = await trail.read(lambda tx: audit_events.listing(tx, Wanted()))
    found = await trail.read(lambda tx: [audit_trail.exported(tx, row, head.size, signed) for row in rows])
    return [line.model_dump_json() for line in found]


async def test_an_exported_event_can_be_checked_with_the_key_alone(lines: list[str]) -> None:
    read = [audit_trail.read(line, KEYS.log_key) for line in lines]
    assert [(event.number, index) for event, index in read] == [(1, 1), (2, 2), (3, 4), (4, 5), (5, 7), (6, 8)]
    assert list(audit_trail.missing([event.number for event, _ in read])) == []


async def test_another_key_did_not_sign_it(lines: list[str]) -> None:
    with pytest.raises(TrailError, match="sign"):
        audit_trail.read(lines[0], STRANGER)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("version", "waxseal.audit/2", "version"),
        ("origin", "other.test/log", "its checkpoint of"),
        ("salt", "00" * 32, "is not entry"),
        ("salt", "0", "salt"),
        ("document", "{}", "no event"),
        ("document", "[" * 1000, "no event"),
        ("proof", "", "proof"),
        ("more", 1, "more"),
    ],
)
async def test_a_line_that_was_changed_does_not_hold(lines: list[str], name: str, value: object, words: str) -> None:
    with pytest.raises(TrailError, match=words):
        audit_trail.read(json.dumps({**json.loads(lines[2]), name: value}), KEYS.log_key)


async def test_another_events_proof_does_not_hold(lines: list[str]) -> None:
    one, other = json.loads(lines[2]), json.loads(lines[3])
    with pytest.raises(TrailError, match="is not entry 5"):
        audit_trail.read(json.dumps({**one, "proof": other["proof"]}), KEYS.log_key)
    cut = {**one, "proof": one["proof"].replace("index 4\n", "index 5\n")}
    with pytest.raises(TrailError, match="is not entry 5"):
        audit_trail.read(json.dumps(cut), KEYS.log_key)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_octet_of_a_line_is_noticed(honest_line: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(honest_line) - 1))
    changed = honest_line[:at] + data.draw(st.characters(exclude_categories=["Cs"])) + honest_line[at + 1 :]
    try:
        event, index = audit_trail.read(changed, KEYS.log_key)
    except TrailError:
        return
    assert (event, index) == audit_trail.read(honest_line, KEYS.log_key), "only JSON's own liberties are left"


@pytest.fixture(scope="module")
def honest_line() -> str:
    """An event in a log of two entries, made without a database."""
    event = Event(1, TIME, Kind.LOGIN, "ann@a.test", "ann@a.test", {"way": "wallet"})
    leaf, sibling = event.leaf(bytes(range(32))), merkle.leaf_hash(bytes(32))
    root = merkle.node_hash(sibling, leaf.hash)
    signed = checkpoint.sign(Checkpoint("waxseal.test/log", 2, root), KEYS.signer)
    line = audit_trail.Line(
        origin="waxseal.test/log",
        document=event.document.decode(),
        salt=bytes(range(32)).hex(),
        proof=Proof(1, (sibling,), signed).text,
    )
    return line.model_dump_json()


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ([], []),
        ([5], []),
        ([5, 6, 7], []),
        ([5, 7], ["event 6 is missing"]),
        ([5, 9], ["events 6 to 8 are missing"]),
        ([5, 5], ["event 5 comes after event 5"]),
        ([5, 4, 6], ["event 4 comes after event 5", "event 5 is missing"]),
    ],
)
def test_gaps_are_named(numbers: list[int], words: list[str]) -> None:
    assert list(audit_trail.missing(numbers)) == words


async def test_a_thousand_faults_are_named_and_the_rest_counted(database: Database) -> None:
    def work(tx: Writing) -> None:
        for _ in range(1200):
            audit.record(tx, Kind.LOGIN, "ann@a.test")
        tx._cursor.execute("UPDATE audit_event SET actor = 'bob@a.test'")

    await database.write(work)
    check = await checked(database)
    assert (len(check.faults), check.more) == (1000, 200)
