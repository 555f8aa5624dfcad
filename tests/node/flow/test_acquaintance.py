"""Delivering and submitting remember who wrote to whom, in the same transaction."""

from __future__ import annotations

import pytest

from node.auth.gate import Gate
from node.base.config_threat import Threat as ThreatSettings
from node.checks.context import Surroundings
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Panel
from node.checks.threat import ThreatReview
from node.flow.accept import Accept
from node.flow.deliver import RecipientGone
from node.flow.submit import Submit
from node.store import contacts, sent_ids
from node.store.contacts import Contact, digest
from tests.node.flow.test_accept import FINE, Says

pytestmark = pytest.mark.anyio
NOTE = b"From: Nora <Nora@Far.example>\r\nSubject: hello\r\n\r\nHello.\r\n"
JUNK = Panel((Says(Opinion(Reason.SPAM_JUNK, "spam", 0.99, folder="\\Junk")),))


async def known(house, account, address: str) -> tuple[int, int, int] | None:
    found: Contact | None = await house.premises.database.read(lambda tx: contacts.get(tx, account.id, digest(address)))
    return None if found is None else found[:3]


async def submit(house, content: bytes, *recipients: str) -> None:
    session = house.session()
    session.account = house.ann
    reception = Submit(house.premises, Gate(house.premises.database), lambda: None)
    transaction = house.transaction(*recipients, sender="ann@house.example")
    reply = await reception.finish(session, transaction, await house.incoming(content))
    assert reply.code == 250


async def test_who_writes_is_known_to_everybody_who_gets_it(house) -> None:
    transaction = house.transaction("ann@house.example", "bob@house.example", sender="bounces@lists.example")
    await Accept(house.premises, FINE).finish(house.session(), transaction, await house.incoming(NOTE))
    assert await known(house, house.ann, "nora@far.example") == (0, 1, 0)
    assert await known(house, house.bob, "nora@far.example") == (0, 1, 0)
    assert await known(house, house.ann, "bounces@lists.example") is None, "people know authors, not envelopes"


async def test_what_went_to_junk_is_counted_apart(house) -> None:
    await Accept(house.premises, JUNK).finish(
        house.session(), house.transaction("ann@house.example"), await house.incoming(NOTE)
    )
    assert await known(house, house.ann, "nora@far.example") == (0, 0, 1)


async def test_an_answer_to_what_was_sent_from_here_is_not_put_into_junk(house) -> None:
    """Unless the content is as good as surely spam, or the message dangerous."""
    await submit(house, b"From: ann@house.example\r\nMessage-ID: <mine@house.example>\r\n\r\nhi\r\n", "zoe@far.example")
    answer = b"From: zoe@far.example\r\nIn-Reply-To: %s\r\nSubject: Re: hi\r\n\r\nBuy it, it is cheap.\r\n"
    program = b"Content-Disposition: attachment; filename=order.exe\r\n"
    cases = (
        (answer % b"<mine@house.example>", 0.9, "INBOX"),
        (answer % b"<other@house.example>", 0.9, "Junk"),
        (answer % b"<mine@house.example>", 0.999, "Junk"),
        (program + answer % b"<mine@house.example>", 0.9, "Junk"),
    )
    settings = ThreatSettings(executable="junk")
    threat = ThreatReview(settings, Surroundings(["mx.house.example"]), house.premises.database)
    for number, (content, score, folder) in enumerate(cases):
        spam = Says(Opinion(Reason.SPAM_JUNK, "spam", score, folder="\\Junk", margin=3.0))
        to = house.transaction("ann@house.example", sender="zoe@far.example")
        marked = b"X-Number: %d\r\n" % number + content
        await Accept(house.premises, Panel((spam,), (threat,))).finish(
            house.session(), to, await house.incoming(marked)
        )
        found = [name for name in ("INBOX", "Junk") if marked[:13] in b"".join(await house.contents(house.ann, name))]
        assert found == [folder], number


async def test_bounces_and_mail_that_is_not_kept_make_nobody_known(house) -> None:
    bounce = house.transaction("ann@house.example", sender="")
    await Accept(house.premises, FINE).finish(house.session(), bounce, await house.incoming(NOTE))
    gone = house.transaction("ann@house.example", "gone@house.example")
    with pytest.raises(RecipientGone):
        await Accept(house.premises, FINE).finish(house.session(), gone, await house.incoming(NOTE))
    assert await known(house, house.ann, "nora@far.example") is None


@pytest.mark.parametrize("id", [b"Message-ID: <mine@house.example>\r\n", b""])
async def test_what_was_sent_is_known_again_when_it_is_answered(house, id: bytes) -> None:
    await submit(house, b"From: ann@house.example\r\n" + id + b"\r\nhi\r\n", "Zoe@far.example", "bob@house.example")
    assert await known(house, house.ann, "zoe@far.example") == (1, 0, 0)
    assert await known(house, house.ann, "bob@house.example") == (1, 0, 0)
    assert await known(house, house.bob, "ann@house.example") == (0, 1, 0)
    (kept,) = await house.contents(house.bob)
    given = kept.lower().split(b"message-id: ")[1].split(b"\r\n")[0]
    line = kept[kept.lower().find(given) :][: len(given)]

    def answered(account: int) -> bool:
        return house.premises.database.read(lambda tx: sent_ids.answered(tx, [account], [sent_ids.digest(line)]))

    assert await answered(house.ann.id)
    assert not await answered(house.bob.id)
