"""The panel asks in order, stops at a refusal, and its verdict is a header nobody can break out of."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
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


async def test_a_refusal_ends_the_round() -> None:
    refuses = Says(Opinion(Reason.LOOP, reply=Reply(554, "5.4.6", "no")))
    later = Says(Opinion(Reason.FINE))
    verdict = await Panel((Says(Opinion(Reason.FINE)), refuses, later)).content(_subject(b""))
    assert verdict.reply == Reply(554, "5.4.6", "no")
    assert verdict.reason is Reason.LOOP
    assert later.asked == 0


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
