"""Mail to aliases, tags, groups and full mailboxes; and who may send as whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from node.auth.gate import Gate
from node.base.address import parse_address
from node.base.reply import Reply
from node.checks.panel import Panel
from node.flow.accept import INSIDERS_ONLY, OVER_QUOTA, RECIPIENT_FINE, Accept
from node.flow.deliver import RecipientGone
from node.flow.submit import NOT_YOUR_ADDRESS, NOT_YOUR_FROM, Submit
from node.store import accounts, domains, mailboxes
from node.store.directory import aliases, delegates, groups, quotas
from node.store.directory.quotas import Amount
from node.store.domains import Domain
from node.store.transaction import Writing

pytestmark = pytest.mark.anyio
LETTER = b"From: nora@example.org\r\nTo: all\r\nSubject: x\r\n\r\nHello.\r\n"
Work = Callable[[Writing], object]


def at(text: str) -> Any:
    return parse_address(f"{text}@house.example")


@pytest.fixture
async def village(house: Any) -> Any:
    """info is Ann's, team is Ann and Bob, inner is inside, all holds both; lists is a mailbox of Ann's."""

    def work(tx: Writing) -> None:
        domains.put(tx, Domain("house.example", tag_folders=True))
        aliases.add(tx, at("info"), house.ann.id, may_send=True)
        aliases.add(tx, at("mute"), house.ann.id, may_send=False)
        for name, inside, members in (
            ("team", False, ["ann", "bob"]),
            ("inner", True, ["bob"]),
            ("all", False, ["team", "info", "bob"]),
        ):
            groups.add(tx, at(name), "", inside=inside)
            for member in members:
                groups.put_member(tx, f"{name}@house.example", at(member), may_send=member == "ann")
        mailboxes.create(tx, house.ann.id, "Lists/Debian")

    await house.premises.database.write(work)
    return house


async def send(village: Any, *recipients: str) -> list[Reply]:
    """Offer a letter on port 25; the replies to its recipients, and the last one to its content."""
    accept = Accept(village.premises, Panel(()))
    session, transaction = village.session(), village.transaction()
    replies = []
    for text in recipients:
        address = at(text)
        replies.append(await accept.recipient(session, transaction, address))
        if replies[-1].is_positive:
            transaction.recipients.append(address)
    if transaction.recipients:
        incoming = await village.incoming(LETTER)
        replies.append(await accept.finish(session, transaction, incoming))
        await incoming.aclose()
    return replies


async def got(village: Any, ann: str = "INBOX") -> tuple[int, int]:
    return len(await village.contents(village.ann, ann)), len(await village.contents(village.bob))


@pytest.mark.parametrize(
    ("recipients", "wanted"),
    [
        (["info"], (1, 0)),
        (["INFO+x"], (1, 0)),
        (["team"], (1, 1)),
        (["all"], (1, 1)),
        (["all", "team", "ann", "info", "bob+x"], (1, 1)),
    ],
)
async def test_everybody_gets_it_once(village: Any, recipients: list[str], wanted: tuple[int, int]) -> None:
    assert (await send(village, *recipients))[-1].code == 250
    assert await got(village) == wanted
    assert await village.log_size() == 1


@pytest.mark.parametrize(
    ("recipient", "folder"),
    [
        ("ann+lists/debian", "Lists/Debian"),
        ("info+LISTS/DEBIAN", "Lists/Debian"),
        ("ann+lists", "INBOX"),  # a level that holds no messages
        ("ann+none", "INBOX"),
        ("ann+sent", "INBOX"),  # never among what Ann has sent
        ("ann+lists/debian/", "INBOX"),
    ],
)
async def test_a_tag_names_a_mailbox_or_nothing(village: Any, recipient: str, folder: str) -> None:
    assert (await send(village, recipient))[-1].code == 250
    assert await got(village, folder) == (1, 0)


async def test_from_outside_nobody_writes_to_an_inner_group(village: Any) -> None:
    assert await send(village, "inner") == [INSIDERS_ONLY]
    submit = Submit(village.premises, Gate(village.premises.database), lambda: None)
    session = village.session()
    session.account = village.ann
    assert await submit.recipient(session, village.transaction(), at("inner")) == RECIPIENT_FINE

    def other_tenant(tx: Writing) -> Any:
        domains.add(tx, "other.example")
        domains.put(tx, Domain("other.example", tenant="other"))
        return accounts.add(tx, parse_address("zoe@other.example"))

    session.account = await village.premises.database.write(other_tenant)
    assert await submit.recipient(session, village.transaction(), at("inner")) == INSIDERS_ONLY


async def test_a_full_mailbox_is_told_at_rcpt_and_nobody_else_suffers(village: Any) -> None:
    limit = Amount(len(LETTER) - 1, 0)
    await village.premises.database.write(lambda tx: quotas.put(tx, "person", "ann@house.example", limit))
    assert [reply.code for reply in await send(village, "ann", "bob")] == [250, 250, 250]
    assert await send(village, "ann", "info", "ann+x") == [OVER_QUOTA] * 3
    assert OVER_QUOTA.is_temporary
    replies = await send(village, "ann", "bob")
    assert [reply.code for reply in replies] == [452, 250, 250]
    assert await got(village) == (1, 2)
    assert (await send(village, "team"))[-1].code == 250
    assert await got(village) == (2, 3), "one full mailbox keeps a group's mail from nobody"
    submit = Submit(village.premises, Gate(village.premises.database), lambda: None)
    session = village.session()
    session.account = village.bob
    assert await submit.recipient(session, village.transaction(), at("ann")) == OVER_QUOTA


async def test_the_announced_size_counts(village: Any) -> None:
    await village.premises.database.write(lambda tx: quotas.put(tx, "each", "house.example", Amount(1000, 0)))
    accept, session, transaction = Accept(village.premises, Panel(())), village.session(), village.transaction()
    transaction.declared_size = 1000
    assert await accept.recipient(session, transaction, at("ann")) == RECIPIENT_FINE
    transaction.declared_size = 1001
    assert await accept.recipient(session, transaction, at("ann")) == OVER_QUOTA


async def test_a_group_that_empties_meanwhile_keeps_the_mail_with_its_sender(village: Any) -> None:
    accept, session, transaction = Accept(village.premises, Panel(())), village.session(), village.transaction()
    transaction.recipients = [at("team")]
    assert await accept.recipient(session, transaction, at("team")) == RECIPIENT_FINE
    await village.premises.database.write(lambda tx: groups.remove(tx, "team@house.example"))
    incoming = await village.incoming(LETTER)
    with pytest.raises(RecipientGone):
        await accept.finish(session, transaction, incoming)
    await incoming.aclose()
    assert await village.log_size() == 0


@pytest.mark.parametrize(
    ("who", "sender", "author", "wanted"),
    [
        ("ann", "ann", "ann", 250),
        ("ann", "info", "info+x", 250),
        ("ann", "ann+x", "team", 250),
        ("ann", "office", "office", 250),
        ("ann", "mute", "ann", NOT_YOUR_ADDRESS.code),
        ("ann", "ann", "mute", NOT_YOUR_FROM.code),
        ("ann", "ann", "ann@house.example, bob", NOT_YOUR_FROM.code),
        ("bob", "team", "bob", NOT_YOUR_ADDRESS.code),
        ("bob", "bob", "office", NOT_YOUR_FROM.code),
        ("bob", "info", "info", NOT_YOUR_ADDRESS.code),
    ],
)
async def test_sending_as_somebody(village: Any, who: str, sender: str, author: str, wanted: int) -> None:
    def work(tx: Writing) -> None:
        office = accounts.add(tx, at("office"))
        delegates.put(tx, office.id, village.ann.id, may_send=True)
        delegates.put(tx, office.id, village.bob.id, may_send=False)

    await village.premises.database.write(work)
    submit = Submit(village.premises, Gate(village.premises.database), lambda: None)
    session = village.session()
    session.account = village.ann if who == "ann" else village.bob
    transaction = village.transaction("bob@house.example", sender=f"{sender}@house.example")
    reply = await submit.sender(session, transaction)
    if reply.is_positive:
        incoming = await village.incoming(LETTER.replace(b"nora@example.org", f"{author}@house.example".encode()))
        reply = await submit.finish(session, transaction, incoming)
        await incoming.aclose()
    assert reply.code == wanted
