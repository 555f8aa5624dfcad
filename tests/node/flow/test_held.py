"""Mail that is held: accepted and logged like any other, outside the mailboxes, released or dropped, nothing lost."""

from __future__ import annotations

import email
import email.policy
import hashlib

import pytest

from node.anchor import message_leaves
from node.anchor.events import parse
from node.anchor.leaf import Direction
from node.base.errors import Permanent
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Panel
from node.flow import held as holding_back
from node.flow.accept import Accept
from node.flow.deliver import RecipientGone
from node.flow.held import DAY, Holding
from node.store import audit_events, contacts, held
from node.store.audit_events import Wanted
from node.store.contacts import digest
from node.store.held import Held
from node.store.transaction import Writing
from tests.node.flow.test_accept import _TRIGGER, Says

pytestmark = pytest.mark.anyio
NOTE = b"From: Nora <nora@far.example>\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\nHello.\r\n"
HELD = Opinion(Reason.THREAT_HELD, "0.97", details=("attachment is a program",), check="threat", threat=0.97, hold=True)
PANEL = Panel((Says(HELD),))
LOUD, QUIET = Holding("mx.house.example", 30 * DAY, notices=True), Holding("mx.house.example", 30 * DAY, notices=False)


async def bring(house, holding: Holding | None = QUIET, *recipients: str, content: bytes = NOTE) -> None:
    accept = Accept(house.premises, PANEL, holding=holding)
    transaction = house.transaction(*(recipients or ("ann@house.example", "Bob@house.example", "ANN@house.example")))
    reply = await accept.finish(house.session(), transaction, await house.incoming(content))
    assert reply.code == 250


async def listed(house) -> list[Held]:
    return await house.premises.database.read(held.listing)


async def test_held_mail_is_in_no_mailbox_and_in_the_log(house) -> None:
    await bring(house)
    assert [await house.contents(who, box) for who in (house.ann, house.bob) for box in ("INBOX", "Junk")] == [[]] * 4
    (message,) = await listed(house)
    assert (message.sender, message.author, message.subject) == ("nora@example.org", "nora@far.example", "Grüße")
    assert message.why == "threat=0.97 (attachment is a program)"
    assert message.verdict == Reason.THREAT_HELD
    assert sorted(message.recipients.values()) == ["Bob@house.example", "ann@house.example"]
    assert message.expires == message.received + QUIET.seconds
    await house.premises.blobs.collect()
    content = await house.premises.blobs.read(message.blob_id)
    assert content.endswith(NOTE)
    sha256 = hashlib.sha256(content).digest()
    found = await house.premises.database.read(lambda tx: message_leaves.find(tx, sha256))
    assert [leaf.direction for _, leaf in found] == [Direction.RECEIVED]


async def decisions(house) -> list[tuple[str, str, dict[str, object]]]:
    """Kind, subject and further details of all events that an administrator's decisions left behind."""
    rows = await house.premises.database.read(lambda tx: audit_events.listing(tx, Wanted(actor="operator")))
    found = [(event.kind.value, event.subject, dict(event.details)) for event in (parse(row.document) for row in rows)]
    for _, _, details in found:
        assert (details.pop("author"), details.pop("reason")) == ("nora@far.example", "threat-held")
    return found


async def test_released_mail_comes_as_it_was_meant_to(house) -> None:
    await bring(house)
    (message,) = await listed(house)
    reached = await house.premises.database.write(lambda tx: holding_back.release(tx, message.id))
    assert sorted(reached) == ["Bob@house.example", "ann@house.example"]
    (anns,) = await house.contents(house.ann)
    assert [anns] == await house.contents(house.bob)
    assert anns.endswith(NOTE)
    header = email.message_from_bytes(anns, policy=email.policy.default)
    assert "threat=0.97 (attachment is a program)" in " ".join(header["X-Waxseal-Verdict"].split())
    assert await listed(house) == []
    assert await decisions(house) == [("held-released", f"held {message.id}", {"folder": "INBOX"})]
    assert await house.log_size() == 2, "it was logged when it was accepted, and the decision when it was made"
    known = await house.premises.database.read(lambda tx: contacts.get(tx, house.ann.id, digest("nora@far.example")))
    assert known
    assert known[:3] == (0, 1, 0)
    with pytest.raises(Permanent, match="no held message"):
        await house.premises.database.write(lambda tx: holding_back.release(tx, message.id))


async def test_it_may_be_released_to_junk(house) -> None:
    await bring(house, QUIET, "ann@house.example")
    (message,) = await listed(house)
    await house.premises.database.write(lambda tx: holding_back.release(tx, message.id, "\\Junk"))
    assert len(await house.contents(house.ann, "Junk")) == 1


async def test_dropped_mail_leaves_nothing_but_its_leaf(house) -> None:
    await bring(house)
    (message,) = await listed(house)
    assert await house.premises.database.write(lambda tx: holding_back.drop(tx, message.id)) == message
    assert await house.premises.blobs.collect() == 1
    assert await house.contents(house.ann) == await listed(house) == []
    assert await decisions(house) == [("held-dropped", f"held {message.id}", {})]
    assert await house.log_size() == 2


async def test_a_reader_who_left_stops_nobody_else(house) -> None:
    await bring(house)
    (message,) = await listed(house)

    def leave(*gone: int):
        def work(tx: Writing) -> None:
            for account_id in gone:
                tx._cursor.execute("DELETE FROM mailbox WHERE account_id = ?", (account_id,))
                tx._cursor.execute("DELETE FROM account WHERE id = ?", (account_id,))

        return work

    await house.premises.database.write(leave(house.bob.id))
    await house.premises.database.write(leave(house.ann.id))
    with pytest.raises(Permanent, match="nobody"):
        await house.premises.database.write(lambda tx: holding_back.release(tx, message.id))
    assert await listed(house) == [message], "it stays held: nothing is lost by a mistake"


async def test_who_was_removed_meanwhile_is_told_by_the_sender(house) -> None:
    with pytest.raises(RecipientGone):
        await bring(house, QUIET, "ann@house.example", "gone@house.example")
    assert await listed(house) == []


async def test_when_the_leaf_cannot_be_written_nothing_is_held(house) -> None:
    await house.premises.database.write(lambda tx: tx._cursor.execute(_TRIGGER))
    with pytest.raises(Exception, match="no room"):
        await bring(house)
    assert await listed(house) == []


async def test_without_a_place_to_hold_it_mail_goes_to_junk(house) -> None:
    panel = Panel((Says(Opinion(Reason.VIRUS, "infected", folder="\\Junk", hold=True)),))
    transaction = house.transaction("ann@house.example")
    await Accept(house.premises, panel).finish(house.session(), transaction, await house.incoming(NOTE))
    assert len(await house.contents(house.ann, "Junk")) == 1


async def test_readers_are_told_once_a_day(house) -> None:
    for number in range(3):
        await bring(house, LOUD, content=NOTE.replace(b"Hello", b"Hello %d" % number))
    for who in (house.ann, house.bob):
        (note,) = await house.contents(who)
        told = email.message_from_bytes(note, policy=email.policy.default)
        assert told["Subject"] == "Mail for you is being held back"
        text = told.get_content()
        assert "nora@far.example" in text
        assert "Grüße" in text
        assert "attachment is a program" in text
    assert await house.log_size() == 5


@pytest.mark.parametrize("holding", [LOUD, QUIET])
async def test_what_nobody_decides_about_is_dropped_and_told(house, holding: Holding) -> None:
    await bring(house, QUIET, "ann@house.example")
    await bring(house, QUIET, "ann@house.example", content=NOTE.replace(b"far", b"near"))
    (first, _) = await listed(house)

    def expire(now: int):
        return lambda tx: holding_back.expire(tx, now, house.premises.log, holding)

    assert await house.premises.database.write(expire(first.expires - 1)) == 0
    assert await house.premises.database.write(expire(first.expires + 5)) == 2
    assert await listed(house) == []
    notes = await house.contents(house.ann)
    assert len(notes) == int(holding.notices)
    assert all(b"nora@far.example" in note and b"nora@near.example" in note for note in notes)


async def test_nothing_that_a_sender_wrote_can_shape_a_note(house) -> None:
    evil = b"From: a@far.example\r\nSubject: =?utf-8?q?x=0D=0ABcc:_all=0D=0A=0D=0Abody?=\r\n\r\n\r\n"
    await bring(house, LOUD, "ann@house.example", content=evil)
    (note,) = await house.contents(house.ann)
    assert email.message_from_bytes(note)["Bcc"] is None
    assert b"\r\nBcc:" not in note
