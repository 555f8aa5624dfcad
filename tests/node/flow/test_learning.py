"""The listener: what people do becomes lessons, each once, and heads follow; one that cannot be read stops nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from ai.heads import NODE, PERSON, Head, scheme
from ai.lessons import Facts, Trainer, facts_of, unpack_facts
from ai.teachers import NODE_ACCOUNT, Source, for_person
from node.base.address import parse_address
from node.checks.learned import Learned, log_odds
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Panel
from node.flow.accept import Accept
from node.flow.append import Append
from node.flow.learning import CURSOR, Learning
from node.flow.teaching import lesson, remake
from node.store import blobs, contacts, heads, lessons, mailboxes, messages
from node.store.lessons import Kept
from node.store.messages import Flag
from node.store.transaction import Reading, Writing
from tests.node.flow.test_accept import FINE, Says

pytestmark = pytest.mark.anyio
NONE = Flag(0)
NEWS = (
    "From: Garden News <news@garden.example>\r\nMessage-ID: <{number}@garden.example>\r\nSubject: Garden news {number}"
    "\r\n\r\nThis month: how to prune roses, what to sow in {number} weeks, and our offer of the month, twelve tulips "
    "for the price of ten. Reply to leave the list.\r\n"
)


def news(number: int) -> bytes:
    return NEWS.format(number="-".join(["one", "two", "three", "four", "five"][number % 5 :])).encode()


class Desk:
    """One person's way of handling mail, and the listener behind it."""

    def __init__(self, house, excess: float = 1.0, traps: tuple[str, ...] = ()) -> None:
        self.house = house
        self.database = house.premises.database
        self.learned = Learned(lambda: 0.9)
        addresses = [parse_address(text) for text in traps]
        self.learning = Learning(self.database, house.premises.blobs, self.learned, lambda _: excess, addresses)

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.learning.run)
            with trio.fail_after(60):
                yield
                await self.learning.idle()
            nursery.cancel_scope.cancel()

    async def deliver(self, content: bytes, *, junk: bool = False, to: str = "ann@house.example") -> None:
        opinion = Opinion(Reason.SPAM_JUNK, "spam", 0.99, folder="\\Junk") if junk else Opinion(Reason.FINE, "ham", 0.1)
        accept = Accept(self.house.premises, Panel((Says(opinion),)))
        reply = await accept.finish(
            self.house.session(), self.house.transaction(to), await self.house.incoming(content)
        )
        assert reply.code == 250

    async def box(self, name: str) -> int:
        found = await self.database.read(lambda tx: mailboxes.find(tx, self.house.ann.id, name))
        return found.id

    async def do(self, work: Callable[[Writing], object]) -> None:
        await self.database.write(work)

    async def move(self, uid: int, source: str, target: str) -> None:
        await self.do(
            partial(messages.move, mailbox_id=await self.box(source), uids=[uid], target_id=await self.box(target))
        )

    async def flag(self, uid: int, change: str, flags: Flag = NONE, *words: str) -> None:
        inbox = await self.box("INBOX")
        await self.do(lambda tx: messages.store(tx, inbox, [uid], change, flags, words))

    async def lessons(self, owner: int | None = -1) -> list[Kept]:
        return await self.database.read(lambda tx: lessons.own(tx, self.house.ann.id if owner == -1 else owner, 0))

    async def said(self) -> list[tuple[str, bool]]:
        return [(kept.source, kept.is_spam) for kept in await self.lessons()]


async def test_moving_is_a_lesson_with_facts_and_no_text(house) -> None:
    desk = Desk(house, excess=-0.5)
    async with desk.listening():
        await desk.deliver(news(1))
        await desk.move(1, "INBOX", "Junk")
    (kept,) = await desk.lessons()
    assert (kept.source, kept.is_spam, kept.scheme) == ("moved", True, scheme())
    facts = unpack_facts(kept.facts)
    assert facts == facts_of(news(1), -0.5)
    stored = await desk.database.read(lambda tx: heads.get(tx, house.ann.id))
    head = Head.from_bytes(stored.content, PERSON)
    assert head.correction(facts.hashes, kept.time) > 1
    assert desk.learned.knows_any()
    assert desk.learned.correction(facts.hashes) > 0, "the node's head heard of it, too"
    known = await desk.database.read(lambda tx: contacts.get(tx, house.ann.id, contacts.digest("news@garden.example")))
    assert (known.received, known.junked) == (0, 1)


async def test_copy_and_expunge_is_a_move_and_the_last_word_counts(house) -> None:
    desk = Desk(house)
    junk, inbox = await desk.box("Junk"), await desk.box("INBOX")
    async with desk.listening():
        await desk.deliver(news(1), junk=True)
        await desk.do(lambda tx: messages.copy(tx, junk, [1], inbox))
        await desk.do(lambda tx: messages.store(tx, junk, [1], "add", Flag.DELETED))
        await desk.do(lambda tx: messages.expunge(tx, junk))
    assert await desk.said() == [("moved", False)]
    async with desk.listening():
        await desk.move(1, "INBOX", "Junk")
    assert await desk.said() == [("moved", True)]
    async with desk.listening():
        await desk.move(2, "Junk", "Trash")
    assert await desk.said() == [("moved", True)], "deleting spam takes nothing back"


async def test_moving_between_other_mailboxes_and_reading_teach_nothing(house) -> None:
    desk = Desk(house)
    async with desk.listening():
        await desk.deliver(news(1))
        await desk.deliver(news(2), junk=True)
        await desk.flag(1, "add", Flag.SEEN | Flag.FLAGGED)
        await desk.move(1, "INBOX", "Archive")
        await desk.move(1, "Archive", "Trash")
    assert await desk.said() == []


async def test_append_into_junk_is_a_lesson_and_elsewhere_none(house) -> None:
    desk = Desk(house)
    append = Append(house.premises)
    async with desk.listening():
        for name in ("Junk", "Sent", "INBOX"):
            box = await desk.database.read(lambda tx, name=name: mailboxes.find(tx, house.ann.id, name))
            await append(box, await house.incoming(news(len(name))), NONE, frozenset(), None)
    assert await desk.said() == [("moved", True)]


async def test_an_answer_is_a_hint_that_takes_nothing_back(house) -> None:
    desk = Desk(house)
    async with desk.listening():
        await desk.deliver(news(1))
        await desk.flag(1, "add", Flag.ANSWERED)
    assert await desk.said() == [("replied", False)]
    assert await desk.database.read(lambda tx: lessons.after(tx, None, 0)) == []
    async with desk.listening():
        await desk.move(1, "INBOX", "Junk")
    assert await desk.said() == [("moved", True)]


async def test_an_old_keyword_says_nothing_new(house) -> None:
    desk = Desk(house)
    async with desk.listening():
        await desk.deliver(news(1))
        await desk.flag(1, "add", NONE, "$Junk")
    assert await desk.said() == [("keyword", True)]
    async with desk.listening():
        await desk.move(1, "INBOX", "Junk")
        await desk.move(1, "Junk", "INBOX")
    assert await desk.said() == [("moved", False)]
    async with desk.listening():
        await desk.flag(2, "add", Flag.SEEN)  # $Junk is still there
    assert await desk.said() == [("moved", False)]
    async with desk.listening():
        await desk.flag(2, "remove", NONE, "$Junk")  # nor does this take the move back
    assert await desk.said() == [("moved", False)]
    async with desk.listening():
        await desk.flag(2, "add", NONE, "$Junk")
    assert await desk.said() == [("keyword", True)]


async def test_a_trap_teaches_the_node_alone(house) -> None:
    desk = Desk(house, traps=("Bob@house.example", "nobody@house.example"))
    async with desk.listening():
        await desk.deliver(news(1), to="bob@house.example")
        await desk.deliver(news(2))
    assert [(kept.source, kept.is_spam) for kept in await desk.lessons(None)] == [("trap", True)]
    assert await desk.lessons(house.bob.id) == await desk.lessons(house.ann.id) == []


async def test_what_is_told_twice_counts_once(house) -> None:
    desk = Desk(house)
    async with desk.listening():
        for number in range(4):
            await desk.deliver(news(number))
            await desk.move(number + 1, "INBOX", "Junk")
        await desk.move(2, "Junk", "INBOX")
    before = await desk.lessons(), await desk.database.read(lambda tx: heads.get(tx, house.ann.id))
    await desk.do(lambda tx: tx._cursor.execute("DELETE FROM cursor WHERE name = ?", (CURSOR,)))
    again = Desk(house)
    async with again.listening():
        pass
    after = await desk.lessons(), await desk.database.read(lambda tx: heads.get(tx, house.ann.id))
    assert [(kept.sha256, kept.is_spam) for kept in after[0]] == [(kept.sha256, kept.is_spam) for kept in before[0]]
    assert after[1].content == before[1].content


async def test_heads_that_a_crash_left_behind_follow_at_the_next_start(house) -> None:
    desk = Desk(house)
    facts = facts_of(news(1), 1.0)
    await desk.do(lambda tx: lessons.teach(tx, lesson(house.ann.id, b"1" * 32, False, Source.MOVED, facts)))
    async with desk.listening():
        pass
    stored = await desk.database.read(lambda tx: heads.get(tx, house.ann.id))
    assert Head.from_bytes(stored.content, PERSON).lessons == 1


async def test_a_head_made_at_once_is_the_one_made_step_by_step(house) -> None:
    desk = Desk(house)
    async with desk.listening():
        for number in range(5):
            await desk.deliver(news(number))
            await desk.move(number + 1, "INBOX", "Junk")
            await desk.learning.idle()
    stepwise = await desk.database.read(lambda tx: heads.get(tx, house.ann.id))
    trainer = Trainer(Head.empty(PERSON))
    for kept in await desk.lessons():
        trainer.learn(for_person(unpack_facts(kept.facts), kept.is_spam, Source(kept.source), kept.time))
    assert trainer.head().to_bytes() == stepwise.content
    await desk.do(partial(heads.spoil, account_id=house.ann.id))
    await remake(desk.database, house.ann.id)
    assert (await desk.database.read(lambda tx: heads.get(tx, house.ann.id))).content == stepwise.content


@pytest.mark.parametrize("content", [b"garbage", b"", Head.empty(NODE).to_bytes()])
async def test_a_broken_head_is_made_again(house, content: bytes) -> None:
    desk = Desk(house)
    await desk.do(
        lambda tx: lessons.teach(tx, lesson(house.ann.id, b"1" * 32, False, Source.MOVED, facts_of(news(1), 1)))
    )
    await remake(desk.database, house.ann.id)
    good = await desk.database.read(lambda tx: heads.get(tx, house.ann.id))
    await desk.do(
        lambda tx: heads.put(tx, good, heads.Stored(house.ann.id, 0, good.last if content else 0, 0, 0, content))
    )
    await remake(desk.database, house.ann.id)
    assert (await desk.database.read(lambda tx: heads.get(tx, house.ann.id))).content == good.content


async def test_one_account_cannot_move_the_nodes_head_far_whatever_it_teaches(house) -> None:
    desk = Desk(house)
    victim = facts_of(news(1), -5.0)

    def poison(tx: Writing) -> None:
        for number in range(1500):
            facts = Facts(victim.hashes, -5.0, number, number)
            lessons.teach(tx, lesson(house.ann.id, number.to_bytes(32, "big"), True, Source.MOVED, facts))

    await desk.do(poison)
    await remake(desk.database, None)
    await desk.database.read(desk.learned.catch_up)
    assert 0.1 < desk.learned.correction(victim.hashes) <= NODE_ACCOUNT * NODE.rate / NODE.beta + 1e-3
    await desk.do(partial(heads.spoil, account_id=None))
    await remake(desk.database, None, from_people=False)
    await desk.database.read(desk.learned.catch_up)
    assert desk.learned.correction(victim.hashes) == 0.0


async def test_lessons_of_other_features_are_made_again_from_messages_that_are_still_there(house) -> None:
    desk = Desk(house)
    await desk.deliver(news(1))

    def old(tx: Writing) -> None:
        (kept,) = messages.rows(tx, mailboxes.find(tx, house.ann.id, "INBOX").id, [1])
        digest = blobs.about(tx, kept.blob_id)[0]
        for sha256 in (digest, b"gone" * 8):
            lessons.teach(tx, Kept(0, house.ann.id, sha256, True, "moved", lessons.Marks.NONE, 1, scheme() ^ 1, b"old"))

    await desk.do(old)
    async with desk.listening():
        pass
    (kept,) = await desk.lessons()
    assert kept.scheme == scheme()
    assert unpack_facts(kept.facts) == facts_of(news(1), 1.0)


async def test_an_unreadable_message_stops_nothing(house) -> None:
    desk = Desk(house)
    await desk.deliver(news(1))
    await desk.do(lambda tx: tx._cursor.execute("UPDATE blob_data SET content = x'00'"))
    await desk.deliver(news(2))
    async with desk.listening():
        await desk.move(1, "INBOX", "Junk")
        await desk.move(2, "INBOX", "Junk")
    assert len(await desk.lessons()) == 1


# --- at delivery


def judged(content: bytes, margin: float) -> Panel:
    junk = margin >= log_odds(0.9)
    reason, folder = (Reason.SPAM_JUNK, "\\Junk") if junk else (Reason.FINE, "")
    hashes = facts_of(content, 0).hashes
    label = "spam" if junk else "ham"
    return Panel((Says(Opinion(reason, label, 0.95 if junk else 0.1, folder=folder, margin=margin, hashes=hashes)),))


async def test_two_readers_of_one_message_get_it_each_where_they_want_it(house) -> None:
    desk = Desk(house)
    async with desk.listening():
        await desk.deliver(news(1), junk=True)
        await desk.move(1, "Junk", "INBOX")
    accept = Accept(house.premises, judged(news(2), 3.0), learned=desk.learned)
    both = house.transaction("ann@house.example", "bob@house.example")
    await accept.finish(house.session(), both, await house.incoming(news(2)))
    assert len(await house.contents(house.ann)) == 2
    assert len(await house.contents(house.bob)) == 0
    (bobs,) = await house.contents(house.bob, "Junk")
    assert b"personal=" not in bobs
    address = contacts.digest("news@garden.example")

    def known(tx: Reading) -> list[tuple[int, int]]:
        return [contacts.get(tx, one.id, address)[1:3] for one in (house.ann, house.bob)]

    assert await desk.database.read(known) == [(2, 0), (0, 1)]
    alone = house.transaction("ann@house.example")
    await accept.finish(house.session(), alone, await house.incoming(news(3)))
    assert b"personal=ham" in (await house.contents(house.ann))[-1]


class Crashes(Learned):
    def knows_any(self) -> bool:
        return True

    def folders(self, *_arguments: object) -> dict[int, tuple[str, float]]:
        raise RuntimeError("a bug")


async def test_a_bug_in_what_was_learned_costs_no_mail(house) -> None:
    accept = Accept(house.premises, FINE, learned=Crashes())
    transaction = house.transaction("ann@house.example")
    assert (await accept.finish(house.session(), transaction, await house.incoming(news(1)))).code == 250
    assert len(await house.contents(house.ann)) == 1
