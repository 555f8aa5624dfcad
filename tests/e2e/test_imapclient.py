"""IMAPClient, the library that many programs build on, and a whole node."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from imapclient import IMAPClient

WAIT = 60
FOLDER = "Scratch"
NOTICE = 5.0  # seconds until an IDLE notice is a failure; docs/clients.md has what it takes


def mail(subject: str, body: str) -> bytes:
    head = f"From: Nora <nora@example.org>\r\nTo: alice@waxseal.test\r\nSubject: {subject}\r\n"
    return f"{head}Message-ID: <{len(subject)}.{len(body)}@example.org>\r\n\r\n{body}\r\n".encode()


MESSAGES = (  # subject, body, flags, day of January 2026 on which it arrived
    ("Invoice for March", "Please pay within thirty days.", [], 1),
    ("Tuesday", "The invoice is in the post.", [b"\\Seen"], 10),
    ("=?utf-8?q?Gr=C3=BC=C3=9Fe_aus_K=C3=B6ln?=", "Schöne Tage am Rhein", [b"\\Flagged"], 20),
    ("Minutes", "Nothing of note", [b"\\Flagged", b"\\Seen", b"$Work"], 30),
)


@pytest.fixture(scope="module")
def session(node: Any) -> Iterator[IMAPClient]:
    with connect(node) as client:
        yield client


def connect(node: Any) -> IMAPClient:
    client = IMAPClient("localhost", port=node.ports["imaps"], ssl_context=node.tls(), timeout=WAIT)
    client.login(node.person()["address"], node.person()["app_password"])
    return client


@pytest.fixture
def client(session: IMAPClient) -> Iterator[IMAPClient]:
    """A session in a folder with MESSAGES, UIDs 1 to 4."""
    session.create_folder(FOLDER)
    for subject, body, flags, day in MESSAGES:
        session.append(FOLDER, mail(subject, body), flags, datetime(2026, 1, day, 12, tzinfo=UTC))
    session.select_folder(FOLDER)
    yield session
    session.unselect_folder()
    for _flags, _delimiter, name in session.list_folders():
        if name.startswith(FOLDER):
            session.delete_folder(name)


def test_what_the_server_says_of_itself(session: IMAPClient) -> None:
    expected = "IMAP4REV1 IDLE NAMESPACE UIDPLUS UNSELECT MOVE SPECIAL-USE ESEARCH ENABLE ID LITERAL+ SASL-IR"
    assert set(expected.encode().split()) <= set(session.capabilities())
    assert session.namespace().personal == (("", "/"),)
    assert b"Waxseal" in session.id_({"name": "tests"})[0]


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (b"\\Sent", "Sent"),
        (b"\\Drafts", "Drafts"),
        (b"\\Junk", "Junk"),
        (b"\\Trash", "Trash"),
        (b"\\Archive", "Archive"),
    ],
)
def test_special_folders(session: IMAPClient, use: bytes, name: str) -> None:
    assert session.find_special_folder(use) == name
    assert name in [found for _flags, _delimiter, found in session.list_sub_folders()]


@pytest.mark.parametrize(
    ("criteria", "charset", "expected"),
    [
        ("ALL", None, [1, 2, 3, 4]),
        (["SUBJECT", "invoice"], None, [1]),
        (["TEXT", "INVOICE"], None, [1, 2]),
        (["BODY", "invoice"], None, [2]),
        (["FROM", "nora"], None, [1, 2, 3, 4]),
        (["HEADER", "To", "alice"], None, [1, 2, 3, 4]),
        (["SINCE", date(2026, 1, 20)], None, [3, 4]),
        (["BEFORE", date(2026, 1, 10)], None, [1]),
        (["ON", date(2026, 1, 10)], None, [2]),
        ("FLAGGED", None, [3, 4]),
        (["NOT", "FLAGGED"], None, [1, 2]),
        (["FLAGGED", "UNSEEN"], None, [3]),
        (["OR", "FLAGGED", ["SUBJECT", "Tuesday"]], None, [2, 3, 4]),
        (["NOT", ["OR", "FLAGGED", "SEEN"]], None, [1]),
        (["KEYWORD", "$Work"], None, [4]),
        (["UNKEYWORD", "$Work"], None, [1, 2, 3]),
        (["UID", "2:3"], None, [2, 3]),
        (["UID", "3:*"], None, [3, 4]),
        (["UID", "90:*"], None, [4]),
        (["LARGER", 1000], None, []),
        (["SMALLER", 100_000], None, [1, 2, 3, 4]),
        (["SUBJECT", "Köln"], "UTF-8", [3]),
        (["TEXT", "schöne"], "UTF-8", [3]),
    ],
)
def test_search(client: IMAPClient, criteria: Any, charset: str | None, expected: list[int]) -> None:
    assert sorted(client.search(criteria, charset)) == expected


def test_fetch(client: IMAPClient) -> None:
    items = ["ENVELOPE", "BODYSTRUCTURE", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "BODY.PEEK[]", "BODY.PEEK[TEXT]<0.5>"]
    found = client.fetch([3], items)[3]
    whole = mail(*MESSAGES[2][:2])
    assert found[b"BODY[]"] == whole
    assert found[b"RFC822.SIZE"] == len(whole)
    assert found[b"BODY[TEXT]<0>"] == whole.partition(b"\r\n\r\n")[2][:5]
    assert found[b"ENVELOPE"].subject == MESSAGES[2][0].encode()
    assert found[b"ENVELOPE"].from_[0].mailbox == b"nora"
    assert [word.lower() for word in found[b"BODYSTRUCTURE"][:2]] == [b"text", b"plain"]
    assert found[b"FLAGS"] == (b"\\Flagged",)
    assert found[b"INTERNALDATE"].astimezone(UTC) == datetime(2026, 1, 20, 12, tzinfo=UTC)


def test_append_keeps_flags_and_date(client: IMAPClient) -> None:
    when = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    said = client.append(FOLDER, mail("old", "old"), [b"\\Answered", b"$Label1"], when)
    assert said.startswith(b"[APPENDUID ")
    found = client.fetch([5], ["FLAGS", "INTERNALDATE"])[5]
    assert set(found[b"FLAGS"]) == {b"\\Answered", b"$Label1"}
    assert found[b"INTERNALDATE"].astimezone(UTC) == when  # without a zone, IMAPClient's dates are local


def test_append_does_not_wait_for_a_delayed_acknowledgement(client: IMAPClient) -> None:
    # The library sends the message and the CRLF behind it in two segments; Linux would delay the first one's ACK by
    # 40 ms and Nagle's algorithm hold the second one back until then.
    took = []
    for _ in range(10):
        began = time.monotonic()
        client.append(FOLDER, mail("quick", "quick"))
        took.append(time.monotonic() - began)
    assert min(took) < 0.03


def test_the_selected_folder_can_be_deleted(session: IMAPClient) -> None:
    session.create_folder(FOLDER)
    session.select_folder(FOLDER)
    session.delete_folder(FOLDER)
    session.noop()
    assert not session.folder_exists(FOLDER)


def test_flags(client: IMAPClient) -> None:
    assert client.add_flags([1, 2], [b"\\Answered"])[1] == (b"\\Answered",)
    assert set(client.remove_flags([4], [b"\\Flagged"])[4]) == {b"\\Seen", b"$Work"}
    assert client.set_flags([4], [b"$Other"])[4] == (b"$Other",)
    assert client.search("ANSWERED") == [1, 2]


def test_copy_and_move(client: IMAPClient) -> None:
    client.create_folder(f"{FOLDER}/Größe & Maß")
    client.copy([1, 3], f"{FOLDER}/Größe & Maß")
    client.move([2], f"{FOLDER}/Größe & Maß")
    assert client.search() == [1, 3, 4]
    status = client.folder_status(f"{FOLDER}/Größe & Maß", ["MESSAGES", "UIDNEXT", "UNSEEN"])
    assert status == {b"MESSAGES": 3, b"UIDNEXT": 4, b"UNSEEN": 2}
    client.rename_folder(f"{FOLDER}/Größe & Maß", f"{FOLDER}/Größen")
    assert client.folder_exists(f"{FOLDER}/Größen")


def test_expunge(client: IMAPClient) -> None:
    client.delete_messages([1, 2, 3])
    client.expunge([2])
    assert client.search() == [1, 3, 4]
    client.expunge()
    assert client.search() == [4]


def test_idle_tells_of_mail_that_another_connection_delivers(node: Any, session: IMAPClient) -> None:
    session.select_folder("INBOX")
    session.idle()
    with node.smtp() as sender:
        sender.sendmail("nora@example.org", [node.person()["address"]], mail("Tuesday", "See you on Tuesday."))
    began = time.monotonic()
    said = session.idle_check(timeout=NOTICE)
    assert time.monotonic() - began < NOTICE
    session.idle_done()
    assert (1, b"EXISTS") in said
    session.delete_messages([1])
    session.expunge()
    session.unselect_folder()


def test_idle_tells_of_what_another_client_does(node: Any, client: IMAPClient) -> None:
    client.idle()
    with connect(node) as other:
        other.select_folder(FOLDER)
        other.add_flags([2], [b"\\Flagged"])
        flagged = _said(client, 1)
        other.delete_messages([1])
        other.expunge()
        gone = _said(client, 2)
    client.idle_done()
    assert flagged[0][:2] == (2, b"FETCH")
    assert gone[-1] == (1, b"EXPUNGE")


def _said(client: IMAPClient, count: int) -> list[Any]:
    """At least so many notices."""
    said: list[Any] = []
    deadline = time.monotonic() + NOTICE
    while len(said) < count and time.monotonic() < deadline:
        said += client.idle_check(timeout=NOTICE)
    return said


def test_a_name_that_is_none_is_refused_and_the_session_goes_on(node: Any) -> None:
    with node.imap() as client:
        for name in (b'"&broken"', b'"\xc3\x9cbersicht"'):
            for verb in ("CREATE", "SELECT", "SUBSCRIBE"):
                kind, words = client.xatom(verb, name)
                assert (kind, words[0][:8]) == ("NO", b"[CANNOT]")
        assert client.noop()[0] == "OK"
