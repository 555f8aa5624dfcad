"""The lookout over submissions: what it remembers is on disk with the message, what it says reaches the owner."""

from __future__ import annotations

import email
import email.policy
from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest

from node.anchor.events import parse
from node.auth.gate import Gate
from node.base.address import parse_address
from node.base.reply import Reply
from node.checks.baseline import unpack
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Subject
from node.checks.sending import Policy, Step
from node.flow.deliver import RecipientGone
from node.flow.sending import Kind, Lookout, note_bounce, restriction, unlock
from node.flow.submit import Submit
from node.store import accounts, audit_events, domains, security_events, sending, spool
from node.store.audit_events import Wanted
from node.store.sending import State

pytestmark = pytest.mark.anyio
NOON = 1_800_014_400.0
PAGE = "https://mail.house.example/account"


@dataclass
class Clock:
    now: float = NOON

    def __call__(self) -> float:
        return self.now


@dataclass
class Watched:
    """A house whose submissions are watched."""

    house: object
    clock: Clock
    lookout: Lookout
    submit: Submit
    number: int = 0
    peer: str = "198.51.100.23"

    async def send(self, *recipients: str, seconds: float = 1.0) -> Reply:
        """MAIL, then RCPT for each, then the content: as a session does."""
        self.clock.now += seconds
        self.number += 1
        house = self.house
        session = house.session()
        session.peer = (self.peer, 4711)
        session.account, session.app_password = house.ann, "Ann\u2019s Händy"
        transaction = house.transaction(sender="ann@house.example")
        reply = await self.submit.sender(session, transaction)
        if not reply.is_positive:
            return reply
        for text in recipients:
            address = parse_address(text)
            if (await self.submit.recipient(session, transaction, address)).is_positive:
                transaction.recipients.append(address)
        content = f"From: ann@house.example\r\nSubject: {self.number}\r\n\r\nHi.\r\n".encode()
        incoming = await house.incoming(content)
        try:
            return await self.submit.finish(session, transaction, incoming)
        finally:
            await incoming.aclose()

    async def burst(self, count: int) -> list[Reply]:
        return [await self.send(f"x{self.number}@far{self.number}.example") for _ in range(count)]

    async def state(self) -> State:
        found = await self.lookout.database.read(lambda tx: sending.get(tx, self.house.ann.id))
        assert found is not None
        return found

    async def events(self) -> list[str]:
        found = await self.lookout.database.read(lambda tx: security_events.recent(tx, self.house.ann.id))
        return [event.kind for event in reversed(found)]

    async def notes(self) -> list[EmailMessage]:
        found = await self.house.contents(self.house.ann)
        return [email.message_from_bytes(content, policy=email.policy.default) for content in found]


def watch(house: object, clock: Clock, **more: object) -> Watched:
    premises = house.premises
    lookout = Lookout(premises.database, premises.log, premises.hostname, PAGE, clock=clock, **more)
    submit = Submit(premises, Gate(premises.database), lambda: None, lookout=lookout)
    return Watched(house, clock, lookout, submit)


@pytest.fixture
def watched(house) -> Watched:
    return watch(house, Clock())


async def test_ordinary_mail_is_taken_and_remembered(watched: Watched) -> None:
    for number in range(20):
        reply = await watched.send("bob@house.example", f"zoe{number % 4}@far.example", seconds=600)
        assert reply.code == 250
    state = await watched.state()
    baseline = unpack(state.baseline)
    assert state.step == Step.FREE
    assert (baseline.day.now.messages, baseline.day.now.recipients) == (20, 40)
    assert baseline.day.now.fresh == pytest.approx(1 + 1 + 0.5 * 3), (
        "bob and his domain, zoe0 and hers, three more of it"
    )
    assert await watched.events() == []
    assert await watched.notes() == []


async def test_a_burst_is_slowed_then_locked_and_the_owner_is_told(watched: Watched) -> None:
    replies = await watched.burst(300)
    codes = [reply.code for reply in replies]
    assert codes[:100] == [250] * 100
    assert set(codes[100:]) == {450, 451}
    assert codes[-1] == 451
    assert all(reply.enhanced == "4.7.1" for reply in replies if reply.code != 250)
    slowed = next(reply for reply in replies if reply.code == 450)
    assert "try again in" in slowed.text
    assert PAGE in slowed.text
    assert "Sending is locked" in replies[-1].text
    assert all(len(reply.render()) <= 512 and reply.render().isascii() for reply in replies)
    assert (await watched.state()).step == Step.LOCKED
    assert await watched.events() == [Kind.SLOWED, Kind.HELD, Kind.LOCKED]
    spooled = await watched.lookout.database.read(spool.count)
    assert spooled == codes.count(250), "what was promised waits in the spool, and nothing else"
    assert [note["Subject"] for note in await watched.notes()] == [
        "Sending from your mailbox was slowed down",
        "Sending from your mailbox is locked",
    ]


async def test_the_note_says_what_was_seen_and_what_to_do(watched: Watched) -> None:
    await watched.burst(250)
    note = (await watched.notes())[1]
    assert note["To"] == "ann@house.example"
    assert note["Auto-Submitted"] == "auto-generated"
    assert note.get_content_charset() == "utf-8"
    assert not note.defects
    text = note.get_content()
    for words in (
        "15 Jan 2027, 12:0",
        "network 198.51.100.23",
        "Ann\u2019s Händy",
        "recipients within an hour",
        "more mail within an hour than this account usually sends",
        "Reading mail works as before.",
        PAGE,
        "Revoke the app password \u201cAnn\u2019s Händy\u201d.",
    ):
        assert words in text
    assert max(len(line) for line in text.splitlines()) < 80


async def test_a_locked_account_is_told_at_mail_and_the_lock_costs_no_second_note(watched: Watched) -> None:
    await watched.burst(250)
    session = watched.house.session()
    session.account = watched.house.ann
    reply = await watched.submit.sender(session, watched.house.transaction(sender="ann@house.example"))
    assert (reply.code, reply.enhanced) == (451, "4.7.1")
    await watched.burst(50)
    watched.clock.now += 3 * 86400
    await watched.burst(5)
    assert len(await watched.notes()) == 2
    assert (await watched.events()).count(Kind.LOCKED) == 1


async def test_others_are_not_touched(watched: Watched) -> None:
    await watched.burst(250)
    watched.house.ann, ann = watched.house.bob, watched.house.ann
    session = watched.house.session()
    session.account = watched.house.bob
    transaction = watched.house.transaction("ann@house.example", sender="bob@house.example")
    assert (await watched.submit.sender(session, transaction)).code == 250
    incoming = await watched.house.incoming(b"From: bob@house.example\r\n\r\nHi.\r\n")
    assert (await watched.submit.finish(session, transaction, incoming)).code == 250
    watched.house.ann = ann


async def test_the_lock_outlives_the_process_and_the_first_message_after_it_is_refused(watched: Watched, house) -> None:
    await watched.burst(250)
    again = watch(house, watched.clock)
    assert (await again.send("bob@house.example")).code == 451
    assert (await again.send("bob@house.example")).code == 451
    assert await house.contents(house.bob) == []


async def test_what_is_not_kept_is_not_counted(watched: Watched) -> None:
    await watched.send("bob@house.example")
    before = await watched.state()
    session = watched.house.session()
    session.account = watched.house.ann
    transaction = watched.house.transaction("nobody@house.example", sender="ann@house.example")
    incoming = await watched.house.incoming(b"From: ann@house.example\r\n\r\nHi.\r\n")
    with pytest.raises(RecipientGone):  # as when bob's account is closed between RCPT and the end
        await watched.submit.finish(session, transaction, incoming)
    assert await watched.state() == before
    await watched.send("bob@house.example")
    assert unpack((await watched.state()).baseline).day.now.messages == 2, "nor is it remembered beside the store"


async def test_what_another_process_writes_counts_at_once(watched: Watched) -> None:
    database, ann = watched.lookout.database, watched.house.ann.id
    await watched.send("bob@house.example")
    state = await watched.state()
    await database.write(lambda tx: sending.put(tx, ann, state._replace(step=int(Step.LOCKED))))
    assert (await watched.send("bob@house.example")).code == 451
    await database.write(lambda tx: unlock(tx, ann, watched.clock.now, "administrator"))
    assert (await watched.send("bob@house.example")).code == 250


async def test_an_unlock_lifts_everything_at_once(watched: Watched) -> None:
    await watched.burst(250)
    database, ann = watched.lookout.database, watched.house.ann.id
    found = await database.read(lambda tx: restriction(tx, ann, watched.clock.now))
    assert found.is_locked
    assert found.event.kind == Kind.LOCKED
    assert await database.write(lambda tx: unlock(tx, ann, watched.clock.now, "eip155:0xabc", "192.0.2.1"))
    assert await database.read(lambda tx: restriction(tx, ann, watched.clock.now)) is None
    assert not await database.write(lambda tx: unlock(tx, ann, watched.clock.now, "administrator"))
    assert [reply.code for reply in await watched.burst(150)] == [250] * 150
    assert (await watched.events())[-1] == Kind.UNLOCKED


async def test_the_audit_trail_has_the_lock_and_who_lifted_it(watched: Watched) -> None:
    await watched.burst(250)
    database, ann = watched.lookout.database, watched.house.ann
    assert await database.write(lambda tx: unlock(tx, ann.id, watched.clock.now, "administrator"))
    rows = await database.read(lambda tx: audit_events.listing(tx, Wanted(subject=ann.address)))
    events = [parse(row.document) for row in rows]
    assert [(event.kind, event.actor) for event in events][-2:] == [
        ("sending-locked", "node"),
        ("sending-unlocked", "operator"),
    ]
    locked = events[-2].details
    assert locked["network"]
    assert int(locked["recipients"]) > 100


async def test_a_mailing_that_is_too_large_is_told_to_be_split_and_shows_on_the_page(watched: Watched) -> None:
    reply = await watched.send(*(f"x{n}@far.example" for n in range(250)))
    assert reply.code == 450
    assert "250 recipients at once" in reply.text
    assert "send to fewer at a time" in reply.text
    assert (await watched.send("bob@house.example")).code == 250
    ann = watched.house.ann.id
    found = await watched.lookout.database.read(lambda tx: restriction(tx, ann, watched.clock.now))
    assert found.step is Step.HELD
    assert not found.is_locked
    assert len(await watched.notes()) == 1
    later = watched.clock.now + 2 * 86400
    assert await watched.lookout.database.read(lambda tx: restriction(tx, ann, later)) is None


async def test_a_name_said_twice_is_one_recipient(watched: Watched) -> None:
    await watched.send("Zoe@far.example", "zoe@FAR.example")
    assert unpack((await watched.state()).baseline).day.now.recipients == 1


async def test_addresses_nobody_has_are_counted(watched: Watched) -> None:
    await watched.send("bob@house.example", "nobody1@house.example", "nobody2@house.example")
    assert unpack((await watched.state()).baseline).day.now.refused == 2


async def test_a_baseline_that_cannot_be_read_is_that_of_a_new_account_but_a_lock_stays(watched: Watched) -> None:
    ann, database = watched.house.ann.id, watched.lookout.database
    await database.write(lambda tx: sending.put(tx, ann, State(0, 0, b"\xff" * 50)))
    assert (await watched.send("bob@house.example")).code == 250
    await database.write(lambda tx: sending.put(tx, ann, State(3, 0, b"from the future")))
    assert (await watched.send("bob@house.example")).code == 451


@dataclass
class Suspicious:
    """A check that takes everything for spam and remembers what it was asked."""

    asked: list[Subject] = field(default_factory=list)

    async def content(self, subject: Subject) -> Opinion:
        self.asked.append(subject)
        return Opinion(Reason.SPAM_JUNK, "spam", 0.99, folder="\\Junk")


async def test_the_classifier_is_asked_about_mail_near_the_limit_alone(house) -> None:
    check = Suspicious()
    watched = watch(house, Clock(), classifier=check)
    replies = await watched.burst(50)
    assert check.asked == []
    assert all(reply.code == 250 for reply in replies)
    replies = await watched.burst(20)
    assert len(check.asked) >= 15
    assert check.asked[0].sender == "ann@house.example"
    assert b"Subject:" in check.asked[0].content
    assert 450 in [reply.code for reply in replies], "sooner than without"
    found = await watched.lookout.database.read(lambda tx: security_events.recent(tx, house.ann.id))
    assert "looks-like-spam" in found[-1].details


async def test_bounces_are_counted_for_people_who_send(watched: Watched) -> None:
    database, policy = watched.lookout.database, Policy()
    ann, bob = parse_address("ann@house.example"), parse_address("bob@house.example")
    await watched.send("bob@house.example")
    for reader in (ann, ann, bob, parse_address("far@away.example")):
        await database.write(lambda tx, reader=reader: note_bounce(tx, reader, watched.clock.now, policy))
    assert unpack((await watched.state()).baseline).day.now.refused == 2
    assert await database.read(lambda tx: sending.get(tx, watched.house.bob.id)) is None


async def test_the_country_is_a_joint_for_whoever_knows_it(house) -> None:
    watched = watch(house, Clock(), country=lambda peer: "DE" if peer.startswith("198.") else "")
    await watched.send("bob@house.example")
    watched.peer = "2001:db8:1:2::3"
    await watched.send("bob@house.example")
    baseline = unpack((await watched.state()).baseline)
    assert [each.digest for each in baseline.countries] == [sending.digest("DE")]
    assert len(baseline.networks) == 2


async def test_without_a_lookout_nothing_is_limited_or_remembered(house) -> None:
    submit = Submit(house.premises, Gate(house.premises.database), lambda: None)
    watched = watch(house, Clock())
    watched.submit = submit
    assert [reply.code for reply in await watched.burst(150)] == [250] * 150
    assert await house.premises.database.read(lambda tx: sending.get(tx, house.ann.id)) is None


async def test_an_address_beyond_ascii_gets_its_note_too(house) -> None:
    def person(tx):
        domains.add(tx, "haus.example")
        return accounts.add(tx, parse_address("jürgen@haus.example"), "Jürgen")

    watched = watch(house, Clock())
    juergen = await house.premises.database.write(person)
    session = house.session()
    session.account = juergen
    people = [f"x{n}@far.example" for n in range(150)]
    transaction = house.transaction(*people, sender="jürgen@haus.example")
    incoming = await house.incoming("From: jürgen@haus.example\r\n\r\nHi.\r\n".encode())
    assert (await watched.submit.finish(session, transaction, incoming)).code == 450
    (note,) = await house.contents(juergen)
    assert "To: <jürgen@haus.example>\r\n".encode() in note
