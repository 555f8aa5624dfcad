"""Mail from our own people: nobody sends as somebody else; what leaves the house is spooled in the same commit."""

from __future__ import annotations

import email

import pytest

from node.anchor.leaf import Direction
from node.auth.gate import Gate
from node.base.address import parse_address
from node.flow.submit import Submit
from node.store import spool

pytestmark = pytest.mark.anyio


def _message(sender: str = "ann@house.example", extra: str = "") -> bytes:
    return f"From: {sender}\r\nTo: x@y.example\r\nSubject: hi\r\n{extra}\r\nHi.\r\n".encode()


@pytest.fixture
def woken() -> list[int]:
    return []


@pytest.fixture
async def submit(house, woken) -> Submit:
    return Submit(house.premises, Gate(house.premises.database), lambda: woken.append(1))


def _session(house, account=None):
    session = house.session()
    session.account = account
    return session


async def test_log_in_first(house, submit) -> None:
    reply = await submit.sender(_session(house), house.transaction(sender="ann@house.example"))
    assert (reply.code, reply.enhanced) == (530, "5.7.0")
    incoming = await house.incoming(_message())
    assert (await submit.finish(_session(house), house.transaction(), incoming)).code == 530


@pytest.mark.parametrize(
    ("sender", "code"), [("ann@house.example", 250), ("ANN@house.example", 250), ("bob@house.example", 550), ("", 550)]
)
async def test_only_ones_own_reverse_path(house, submit, sender: str, code: int) -> None:
    reply = await submit.sender(_session(house, house.ann), house.transaction(sender=sender))
    assert reply.code == code


@pytest.mark.parametrize(
    "sender",
    [
        "bob@house.example",
        "ann@house.example, bob@house.example",
        "Group: ann@house.example;",
        "",
        "ann@house.example\r\nFrom: bob@house.example",
        '"ann@house.example" <bob@house.example>',
    ],
)
async def test_only_ones_own_from(house, submit, sender: str) -> None:
    transaction = house.transaction("bob@house.example", sender="ann@house.example")
    reply = await submit.finish(_session(house, house.ann), transaction, await house.incoming(_message(sender)))
    assert (reply.code, reply.enhanced) == (550, "5.7.1")
    assert await house.contents(house.bob) == []


@pytest.mark.parametrize(
    "forwarded",
    [
        "-------- Forwarded Message --------\r\nFrom: Nora <nora@example.org>\r\nDate: Mon\r\n\r\nHi.\r\n",
        "--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: nora@example.org\r\nDate: Mon\r\n\r\nHi.\r\n--b--\r\n",
    ],
)
async def test_what_is_forwarded_may_be_from_anybody(house, submit, forwarded: str) -> None:
    content = _message() + forwarded.encode()
    transaction = house.transaction("bob@house.example", sender="ann@house.example")
    reply = await submit.finish(_session(house, house.ann), transaction, await house.incoming(content))
    assert reply.code == 250
    (kept,) = await house.contents(house.bob)
    assert "Date" in email.message_from_bytes(kept), "a Date in the body is none of the message's"


@pytest.mark.parametrize(
    ("header", "code"), [(b"Subject: hi\r\n\r\n", 550), (b"From: ann@house.example\r\nX: " + b"x" * 300_000, 550)]
)
async def test_the_header_alone_says_whose_it_is(house, submit, header: bytes, code: int) -> None:
    content = header + b"\r\nFrom: ann@house.example\r\n\r\nHi.\r\n"
    transaction = house.transaction("bob@house.example", sender="ann@house.example")
    reply = await submit.finish(_session(house, house.ann), transaction, await house.incoming(content))
    assert reply.code == code
    assert await house.contents(house.bob) == []


async def test_here_and_elsewhere_in_one_commit(house, submit, woken) -> None:
    transaction = house.transaction("bob@house.example", "zoe@far.example", sender="ann@house.example")
    reply = await submit.finish(
        _session(house, house.ann), transaction, await house.incoming(_message("Ann <Ann@House.example>"))
    )
    assert reply.code == 250
    (kept,) = await house.contents(house.bob)
    entries = await house.premises.database.read(lambda tx: spool.due(tx, 1 << 40))
    assert [(entry.sender, entry.recipient) for entry in entries] == [("ann@house.example", "zoe@far.example")]
    assert await house.premises.blobs.read(entries[0].blob_id) == kept
    assert woken == [1]
    leaf = await house.premises.database.read(house.premises.log.size)
    assert leaf == 1


async def test_missing_fields_are_added_and_present_ones_kept(house, submit) -> None:
    session, transaction = (
        _session(house, house.ann),
        house.transaction("bob@house.example", sender="ann@house.example"),
    )
    await submit.finish(session, transaction, await house.incoming(_message()))
    given = "Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <own@id>\r\n"
    await submit.finish(session, transaction, await house.incoming(_message(extra=given)))
    bare, complete = [email.message_from_bytes(kept) for kept in await house.contents(house.bob)]
    assert bare["Date"]
    assert bare["Message-ID"].endswith("@mx.house.example>")
    assert complete.get_all("Date") == ["Thu, 1 Jan 2026 00:00:00 +0000"]
    assert complete.get_all("Message-ID") == ["<own@id>"]


async def test_an_unknown_address_of_ours_is_told_at_once(house, submit) -> None:
    session, transaction = _session(house, house.ann), house.transaction()

    async def answer(text: str) -> int:
        return (await submit.recipient(session, transaction, parse_address(text))).code

    assert await answer("nobody@house.example") == 550
    assert await answer("zoe@far.example") == 250


async def test_a_wrong_password_gets_no_account(house, submit) -> None:
    reply = await submit.authenticate(_session(house), "ann@house.example", "wrong")
    assert (reply.code, reply.enhanced) == (535, "5.7.8")


def test_directions_are_told_apart() -> None:
    assert Direction.RECEIVED.code != Direction.SUBMITTED.code
