"""Mail from outside: judged, kept for everybody it is for, noted in the log; all or nothing."""

from __future__ import annotations

import email
import email.policy
import hashlib
from dataclasses import dataclass

import pytest

from node.anchor import message_leaves
from node.anchor.leaf import Direction
from node.base.address import parse_address
from node.base.reply import Reply
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Panel, Subject
from node.flow.accept import Accept
from node.flow.deliver import RecipientGone
from node.mail.layout import unpack
from node.store import mailboxes, messages
from node.store.transaction import Reading, Writing

pytestmark = pytest.mark.anyio
NOTE = b"From: nora@example.org\r\nSubject: hello\r\n\r\nHello.\r\n"


@dataclass
class Says:
    opinion: Opinion

    async def content(self, subject: Subject) -> Opinion:
        return self.opinion


FINE = Panel((Says(Opinion(Reason.FINE, "ham", 0.1)),))


async def test_kept_for_everybody_with_one_leaf(house) -> None:
    accept = Accept(house.premises, FINE)
    incoming = await house.incoming(NOTE)
    transaction = house.transaction("ann@house.example", "bob@house.example", "ANN@house.example")
    reply = await accept.finish(house.session(), transaction, incoming)
    assert (reply.code, reply.enhanced) == (250, "2.0.0")
    (anns,) = await house.contents(house.ann)
    assert [anns] == await house.contents(house.bob)
    assert anns.endswith(NOTE)
    assert await house.log_size() == 1
    found = await house.premises.database.read(lambda tx: message_leaves.find(tx, hashlib.sha256(anns).digest()))
    assert [(index, leaf.direction) for index, leaf in found] == [(0, Direction.RECEIVED)]


async def test_trace_fields_stand_in_front(house) -> None:
    accept = Accept(house.premises, FINE)
    await accept.finish(house.session(), house.transaction("ann@house.example"), await house.incoming(NOTE))
    (kept,) = await house.contents(house.ann)
    header = email.message_from_bytes(kept, policy=email.policy.default)
    assert header.keys()[:3] == ["Return-Path", "X-Waxseal-Verdict", "Received"]
    assert "for <ann@house.example>" in header["Received"]
    assert " ".join(header["X-Waxseal-Verdict"].split()).startswith("mx.house.example; content=ham score=0.1000")


async def test_several_recipients_do_not_learn_of_each_other(house) -> None:
    accept = Accept(house.premises, FINE)
    transaction = house.transaction("ann@house.example", "bob@house.example")
    await accept.finish(house.session(), transaction, await house.incoming(NOTE))
    (kept,) = await house.contents(house.ann)
    assert b"bob@house.example" not in kept


async def test_spam_goes_to_junk(house) -> None:
    accept = Accept(house.premises, Panel((Says(Opinion(Reason.SPAM_JUNK, "spam", 0.99, folder="\\Junk")),)))
    await accept.finish(house.session(), house.transaction("ann@house.example"), await house.incoming(NOTE))
    assert await house.contents(house.ann) == []
    assert len(await house.contents(house.ann, "Junk")) == 1


async def test_a_refused_message_leaves_no_trace(house) -> None:
    no = Reply(550, "5.7.1", "no")
    accept = Accept(house.premises, Panel((Says(Opinion(Reason.SPAM_REFUSED, "spam", 1.0, reply=no)),)))
    reply = await accept.finish(house.session(), house.transaction("ann@house.example"), await house.incoming(NOTE))
    assert reply == no
    assert await house.contents(house.ann) == await house.contents(house.ann, "Junk") == []
    assert await house.log_size() == 0


async def test_recipients(house) -> None:
    accept = Accept(house.premises, FINE)

    async def answer(text: str) -> int:
        return (await accept.recipient(house.session(), house.transaction(), parse_address(text))).code

    assert await answer("Ann@House.example") == 250
    assert await answer("postmaster@house.example") == 250
    assert await answer("nobody@house.example") == 550
    assert await answer("ann@elsewhere.example") == 550


async def test_a_recipient_who_left_meanwhile_costs_nothing_but_time(house) -> None:
    """Accepted at RCPT, gone at the end of data: the sender tries again and is told then; nothing is half delivered."""
    accept = Accept(house.premises, FINE)
    transaction = house.transaction("ann@house.example", "gone@house.example")
    with pytest.raises(RecipientGone):
        await accept.finish(house.session(), transaction, await house.incoming(NOTE))
    assert await house.contents(house.ann) == []
    assert await house.log_size() == 0


async def test_a_large_message_is_summarised_where_it_lies(house) -> None:
    """Over 1 MiB content is a file; its layout must count the trace fields that were put before it."""
    body = b"".join(b"line %07d of a long text\r\n" % number for number in range(60_000))
    large = (
        b"From: nora@example.org\r\nSubject: large\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        b"--b\r\nContent-Type: text/plain\r\n\r\nshort\r\n--b\r\nContent-Type: text/plain\r\n\r\n" + body + b"--b--\r\n"
    )
    assert len(large) > 1 << 20
    accept = Accept(house.premises, FINE)
    await accept.finish(house.session(), house.transaction("ann@house.example"), await house.incoming(large))
    (kept,) = await house.contents(house.ann)
    assert kept.endswith(large)

    def layout(tx: Reading) -> bytes:
        mailbox = mailboxes.find(tx, house.ann.id, "INBOX")
        assert mailbox
        ((_, summary),) = messages.summaries(tx, mailbox.id, messages.uids(tx, mailbox.id))
        return summary.layout

    spans = unpack(await house.premises.database.read(layout))
    first, second = spans.find((1,)), spans.find((2,))
    assert first
    assert second
    assert kept[first.body_start : first.body_end] == b"short"
    assert kept[second.body_start : second.body_end] + b"\r\n" == body
    whole = spans.find(())
    assert whole
    assert kept[: whole.body_start].endswith(b"boundary=b\r\n\r\n")
    assert whole.header_start == 0


async def test_a_forged_verdict_is_renamed_in_small_and_large(house) -> None:
    accept = Accept(house.premises, FINE)
    forged = b"x-waxseal-VERDICT: mx.house.example; content=ham\r\n" + NOTE
    await accept.finish(house.session(), house.transaction("ann@house.example"), await house.incoming(forged))
    large = forged + b"padding line\r\n" * 100_000
    await accept.finish(house.session(), house.transaction("ann@house.example"), await house.incoming(large))
    for kept in await house.contents(house.ann):
        header = email.message_from_bytes(kept)
        assert len(header.get_all("X-Waxseal-Verdict")) == 1
        assert header["Subject"] == "hello"
        assert b"X-Foreign-Verdict: mx.house.example" in kept


async def test_a_verdict_in_the_body_is_left_alone(house) -> None:
    quoted = NOTE + b"X-Waxseal-Verdict: quoted in the text\r\n"
    accept = Accept(house.premises, FINE)
    await accept.finish(house.session(), house.transaction("ann@house.example"), await house.incoming(quoted))
    (kept,) = await house.contents(house.ann)
    assert kept.endswith(quoted)


_TRIGGER = "CREATE TRIGGER full BEFORE INSERT ON leaf BEGIN SELECT RAISE(ABORT, 'no room'); END"


async def test_when_the_leaf_cannot_be_written_nothing_is(house) -> None:
    """Message and leaf are one transaction: an error at the last step takes the delivery along."""

    def break_log(tx: Writing) -> None:
        tx._cursor.execute(_TRIGGER)

    await house.premises.database.write(break_log)
    accept = Accept(house.premises, FINE)
    with pytest.raises(Exception, match="no room"):
        await accept.finish(house.session(), house.transaction("ann@house.example"), await house.incoming(NOTE))
    assert await house.contents(house.ann) == []
