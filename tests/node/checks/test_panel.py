"""The panel asks in order, stops at a refusal, and its verdict is a header nobody can break out of."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import structlog
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from node.base.reply import Reply
from node.checks.loop import MAX_RECEIVED, Loop
from node.checks.opinion import Opinion, Reason, Verdict
from node.checks.panel import Panel, Subject

pytestmark = pytest.mark.anyio


def _subject(content: bytes) -> Subject:
    return Subject(content, len(content), "", (), "192.0.2.1")


@dataclass
class Says:
    opinion: Opinion
    asked: int = 0

    async def content(self, subject: Subject) -> Opinion:
        self.asked += 1
        return self.opinion


@dataclass
class Waits:
    """Answers when it is let go."""

    opinion: Opinion
    go: trio.Event = field(default_factory=trio.Event)
    asked: trio.Event = field(default_factory=trio.Event)

    async def content(self, subject: Subject) -> Opinion:
        self.asked.set()
        await self.go.wait()
        return self.opinion


@dataclass
class Reviews:
    """Adds its opinion and remembers what it heard."""

    opinion: Opinion
    heard: list[tuple[Opinion, ...]] = field(default_factory=list)

    async def review(self, subject: Subject, opinions: tuple[Opinion, ...]) -> tuple[Opinion, ...]:
        self.heard.append(opinions)
        return (*opinions, self.opinion)


class Broken:
    async def content(self, subject: Subject) -> Opinion:
        raise ZeroDivisionError

    async def review(self, subject: Subject, opinions: tuple[Opinion, ...]) -> tuple[Opinion, ...]:
        raise ZeroDivisionError


NO = Reply(554, "5.4.6", "no")
REFUSES = Opinion(Reason.LOOP, reply=NO)
FINE = Opinion(Reason.FINE)


async def test_a_refusal_ends_the_round() -> None:
    """Nobody waits for those behind it, and what they say does not count; no review is asked."""
    never, review = Waits(Opinion(Reason.SPAM_JUNK, folder="\\Junk")), Reviews(FINE)
    quick = Says(Opinion(Reason.SPAM_REFUSED, reply=Reply(550, "5.7.1", "later in order")))
    verdict = await Panel((Says(FINE), Says(REFUSES), quick, never), (review,)).content(_subject(b""))
    assert verdict.reply == NO
    assert verdict.reason is Reason.LOOP
    assert verdict.opinions == (FINE, REFUSES)
    assert not review.heard


async def test_a_quick_refusal_behind_does_not_overtake_a_slow_one_before() -> None:
    slow, quick = Waits(REFUSES), Waits(Opinion(Reason.SPAM_REFUSED, reply=Reply(550, "5.7.1", "quick")))
    verdicts: list[Verdict] = []
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            verdicts.append(await Panel((slow, quick)).content(_subject(b"")))

        nursery.start_soon(ask)
        await slow.asked.wait()
        await quick.asked.wait()  # both are asked at the same time
        quick.go.set()
        await trio.testing.wait_all_tasks_blocked()
        assert not verdicts
        slow.go.set()
    assert verdicts[0].opinions == (REFUSES,)


async def test_opinions_stand_in_the_order_of_the_checks_whoever_answers_first() -> None:
    checks = [Waits(Opinion(Reason.FINE, check=name)) for name in "abc"]
    verdicts: list[Verdict] = []
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            verdicts.append(await Panel(checks).content(_subject(b"")))

        nursery.start_soon(ask)
        for check in reversed(checks):
            await check.asked.wait()
            check.go.set()
            await trio.testing.wait_all_tasks_blocked()
    assert [opinion.check for opinion in verdicts[0].opinions] == ["a", "b", "c"]


async def test_a_review_hears_all_opinions_and_the_next_hears_it() -> None:
    first, second = Reviews(Opinion(Reason.SECOND_OPINION, check="one")), Reviews(Opinion(Reason.FINE, check="two"))
    verdict = await Panel((Says(FINE), Says(FINE)), (first, second)).content(_subject(b""))
    assert first.heard == [(FINE, FINE)]
    assert second.heard == [(FINE, FINE, first.opinion)]
    assert verdict.opinions == (FINE, FINE, first.opinion, second.opinion)
    assert verdict.reason is Reason.SECOND_OPINION


async def test_a_bug_in_a_check_costs_no_mail() -> None:
    with structlog.testing.capture_logs() as lines:
        verdict = await Panel((Broken(), Says(FINE)), (Broken(),)).content(_subject(b""))
    assert (verdict.reply, verdict.folder, verdict.reason) == (None, "", Reason.CHECK_FAILED)
    assert [line["event"] for line in lines] == ["check.crashed", "check.crashed"]


async def test_a_refusal_weighs_more_than_holding_and_that_more_than_a_folder() -> None:
    junk = Opinion(Reason.SPAM_JUNK, folder="\\Junk")
    hold = Opinion(Reason.VIRUS, folder="\\Junk", hold=True)
    assert (Verdict((junk, hold)).hold, Verdict((junk, hold)).reason) == (True, Reason.VIRUS)
    refused = Verdict((junk, hold, REFUSES))
    assert (refused.hold, refused.reason, refused.reply) == (False, Reason.LOOP, NO)


@given(st.binary(max_size=2000), st.integers(0, 2000), st.booleans())
async def test_pieces_are_the_whole_message(whole: bytes, shown: int, has_source: bool) -> None:
    subject = Subject(whole[:shown], len(whole), "", (), "", source=Stored(whole) if has_source else None)
    found = b"".join([piece async for piece in subject.pieces()])
    assert found == (whole if has_source else whole[:shown])
    assert len(found) == subject.readable


@dataclass
class Stored:
    whole: bytes

    async def read(self, start: int, length: int) -> bytes:
        return self.whole[start : start + min(length, 100)]


async def test_the_first_wish_for_a_folder_wins() -> None:
    wishes = (Says(Opinion(Reason.FINE)), Says(Opinion(Reason.SPAM_JUNK, folder="\\Junk")), Says(Opinion(Reason.FINE)))
    verdict = await Panel(wishes).content(_subject(b""))
    assert (verdict.folder, verdict.reason, verdict.reply) == ("\\Junk", Reason.SPAM_JUNK, None)


async def test_no_checks_no_objection() -> None:
    verdict = await Panel(()).content(_subject(b""))
    assert (verdict.reply, verdict.folder, verdict.reason) == (None, "", Reason.FINE)


@pytest.mark.parametrize("name", [b"Received", b"RECEIVED \t"])
async def test_mail_that_goes_in_circles_is_refused(name: bytes) -> None:
    hop = name + b": from a by b\r\n"
    body = b"\r\n" + hop * 500
    assert (await Loop().content(_subject(hop * MAX_RECEIVED + body))).reply is None
    refused = await Loop().content(_subject(hop * (MAX_RECEIVED + 1) + body))
    assert refused.reply is not None
    assert refused.reply.code == 554


@given(st.text(max_size=300), st.floats(0, 1))
def test_a_header_stays_one_line_of_printable_ascii(detail: str, score: float) -> None:
    header = Verdict((Opinion(Reason.SPAM_JUNK, "spam", score, (detail,)),)).header("mx.example")
    assert header.startswith("mx.example; content=spam score=")
    assert all(" " <= char <= "~" for char in header)
    assert header.count('"') == 2
