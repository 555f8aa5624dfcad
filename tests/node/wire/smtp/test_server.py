"""The server's engine: order of commands, parameters, extensions, and the invariant that any bytes are survived."""

from __future__ import annotations

import base64
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.base.address import Address
from node.base.errors import LocalProtocolError, RemoteProtocolError
from node.base.reply import Reply
from node.wire.smtp import replies
from node.wire.smtp.events import (
    NEED_DATA,
    Challenge,
    Content,
    Credentials,
    Data,
    EndOfChunk,
    EndOfContent,
    Event,
    Hello,
    Mail,
    Noop,
    Quit,
    Rcpt,
    Refused,
    Reset,
    StartTls,
    Vrfy,
)
from node.wire.smtp.server import NEXT, ServerConnection, State

OK = Reply(250, "2.0.0", "OK")
GO_ON = Reply(354, "", "Go on")
NO = Reply(550, "5.7.1", "No")
ANN = Address("ann", "waxseal.test")


def engine(**options: bool) -> ServerConnection:
    connection = ServerConnection("mx.waxseal.test", max_size=1000, max_line=200, **options)
    connection.send(Reply(220, "", "hello"))
    return connection


def answer(event: Event) -> Reply:
    """What a friendly session says."""
    match event:
        case Refused(reply) | Challenge(reply):
            return reply
        case EndOfContent(_, fault) | EndOfChunk(_, fault):
            return fault or OK
        case Data():
            return GO_ON
        case Quit():
            return Reply(221, "2.0.0", "Bye")
        case Credentials():
            return Reply(235, "2.7.0", "Welcome")
        case StartTls():
            return Reply(220, "2.0.0", "Go ahead")
    return OK


def drive(connection: ServerConnection, *pieces: bytes) -> list[Event]:
    """Feed the pieces, answer everything kindly, join neighbouring content; a fatal breach ends the list."""
    events: list[Event] = []
    try:
        for piece in pieces:
            connection.receive(piece)
            while (event := connection.next_event()) is not NEED_DATA:
                if isinstance(event, Content) and events and isinstance(events[-1], Content):
                    events[-1] = Content(events[-1].data + event.data)
                else:
                    events.append(event)
                if not isinstance(event, Content):
                    connection.send(answer(event))
    except RemoteProtocolError as error:
        events.append(Refused(Reply(int(error.reply[:3]), "", error.reply.decode())))
    return events


def refusal(connection: ServerConnection, *pieces: bytes) -> Reply:
    last = drive(connection, *pieces)[-1]
    assert isinstance(last, Refused), last
    return last.reply


ENVELOPE = b"EHLO a.example\r\nMAIL FROM:<b@a.example>\r\nRCPT TO:<ann@waxseal.test>\r\n"


def test_a_pipelined_message() -> None:
    connection = engine()
    assert drive(connection, ENVELOPE + b"DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n") == [
        Hello("a.example", extended=True),
        Mail(Address("b", "a.example")),
        Rcpt(ANN),
        Data(),
        Content(b"Subject: x\r\n\r\n.dot\r\n"),
        EndOfContent(20),
        Quit(),
    ]
    assert connection.state is State.CLOSED


def test_two_messages_and_a_reset_between() -> None:
    envelope = b"MAIL FROM:<>\r\nRCPT TO:<ann@waxseal.test>\r\n"
    mail = envelope + b"RSET\r\n" + envelope + b"DATA\r\n.\r\n"
    events = drive(engine(), b"EHLO a\r\n" + mail * 2)
    assert not [event for event in events if isinstance(event, Refused)]
    assert events.count(EndOfContent(0)) == 2
    assert Mail(None) in events


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        (b"MAIL FROM:<a@b.example>\r\n", 503),
        (b"STARTTLS\r\n", 454),
        (b"EHLO a\r\nRCPT TO:<a@b.example>\r\n", 503),
        (b"EHLO a\r\nDATA\r\n", 503),
        (b"EHLO a\r\nMAIL FROM:<>\r\nMAIL FROM:<>\r\n", 503),
        (b"EHLO a\r\nMAIL FROM:<>\r\nDATA\r\n", 503),
        (b"EHLO a\r\nAUTH PLAIN\r\n", 502),
        (b"EHLO\r\n", 501),
        (b"EHLO a b\r\n", 501),
        (b"HELO a\r\nMAIL FROM:<a@b.example> SIZE=10\r\n", 555),
        (b"EHLO a\r\nMAIL FROM:a@b.example\r\n", 501),
        (b"EHLO a\r\nMAIL FROM:<a@b.example\r\n", 501),
        (b"EHLO a\r\nMAIL TO:<a@b.example>\r\n", 501),
        (b"EHLO a\r\nMAIL FROM:<a@b..example>\r\n", 553),
        (b"EHLO a\r\nMAIL FROM:<a@b.example>SIZE=3\r\n", 501),
        (b"EHLO a\r\nMAIL FROM:<" + b"a" * 65 + b"@b.example>\r\n", 553),
        (b"EHLO a\r\nMAIL FROM:<a@" + b"b." * 130 + b"example>\r\n", 553),
        (b"EHLO a\r\nMAIL FROM:<> SIZE=1001\r\n", 552),
        (b"EHLO a\r\nMAIL FROM:<> SIZE=x\r\n", 501),
        (b"EHLO a\r\nMAIL FROM:<> SIZE\r\n", 501),
        (b"EHLO a\r\nMAIL FROM:<> SIZE=1 SIZE=2\r\n", 501),
        (b"EHLO a\r\nMAIL FROM:<> BODY=BINARYMIME\r\n", 501),
        (b"EHLO a\r\nMAIL FROM:<> AUTH=<>\r\n", 555),
        (b"EHLO a\r\nMAIL FROM:<> RET=FULL\r\n", 555),
        (b"EHLO a\r\nMAIL FROM:<> SMTPUTF8=1\r\n", 555),
        ("EHLO a\r\nMAIL FROM:<ü@b.example>\r\n".encode(), 553),
        (b"EHLO a\r\nMAIL FROM:<\xff@b.example> SMTPUTF8\r\n", 500),
        (b"EHLO a\r\nMAIL FROM:<a\0@b.example>\r\n", 500),
        (b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<>\r\n", 501),
        (b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example> NOTIFY=NEVER\r\n", 555),
        (b"NONSENSE\r\n", 500),
        (b"\r\n", 500),
        (b"EXPN list\r\n", 502),
        (b"DATA now\r\n", 501),
        (b"VRFY\r\n", 501),
        (b"NOOP " + b"x" * 3000 + b"\r\n", 500),
    ],
)
def test_refuses(commands: bytes, code: int) -> None:
    connection = engine()
    assert refusal(connection, commands).code == code
    assert drive(connection, b"NOOP\r\n") == [Noop()]


@pytest.mark.parametrize(
    "commands",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\n",
        b"EHLO a\n",
        b"EHLO\ra\r\n",
        b"EHLO a\r\r\n",
        b"x" * 20_000,
        b"BDAT\r\n",
        b"BDAT x LAST\r\n",
        b"BDAT 1099511627776 LAST\r\n",
        b"BDAT 5 NOW\r\n",
    ],
)
def test_fatal_breaches(commands: bytes) -> None:
    connection = engine()
    connection.receive(commands)
    with pytest.raises(RemoteProtocolError) as caught:
        connection.next_event()
    assert caught.value.reply.endswith(b"\r\n")


def test_parameters_and_odd_paths() -> None:
    connection = engine()
    assert drive(connection, "ehlo A\r\nmail from: <ü@b.example>  size=1000 BODY=8bitmime SMTPUTF8 \r\n".encode())[
        -1
    ] == Mail(Address("ü", "b.example"), 1000, "8BITMIME", smtputf8=True)
    assert drive(connection, b"RCPT TO:<@x.example,@y.example:ann@waxseal.test>\r\n") == [Rcpt(ANN)]
    assert drive(connection, b"RCPT TO:<postmaster>\r\n") == [Rcpt(Address("postmaster", "mx.waxseal.test"))]
    assert drive(connection, b'RCPT TO:<"a>b \\" c"@waxseal.test>\r\n') == [Rcpt(Address('a>b " c', "waxseal.test"))]
    assert drive(connection, b"VRFY ann\r\nNOOP x\r\nRSET\r\n") == [Vrfy("ann"), Noop(), Reset()]


def test_data_after_refused_recipients_says_so() -> None:
    connection = engine()
    drive(connection, b"EHLO a\r\nMAIL FROM:<>\r\n")
    connection.receive(b"RCPT TO:<x@waxseal.test>\r\nDATA\r\n")
    assert connection.next_event() == Rcpt(Address("x", "waxseal.test"))
    connection.send(NO)
    assert connection.next_event() == Refused(replies.NO_RECIPIENTS)


def test_a_new_hello_forgets_the_transaction() -> None:
    connection = engine()
    drive(connection, ENVELOPE + b"EHLO again\r\n")
    assert connection.state is State.READY


# Content


def test_oversized_content_is_read_to_its_end() -> None:
    connection = engine()
    body = b"x" * 98 + b"\r\n"
    events = drive(connection, ENVELOPE + b"DATA\r\n", *[body] * 30, b".\r\nNOOP\r\n")
    assert events[-2:] == [EndOfContent(3000, replies.TOO_BIG), Noop()]
    assert sum(len(event.data) for event in events if isinstance(event, Content)) <= 1000


def test_overlong_text_lines_are_refused_at_the_end() -> None:
    events = drive(engine(), ENVELOPE + b"DATA\r\n", b"x" * 201 + b"\r\n.\r\nNOOP\r\n")
    assert events[-2:] == [EndOfContent(203, replies.TEXT_LINE_TOO_LONG), Noop()]


@pytest.mark.parametrize("fake_end", [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\n.\r"])
def test_smuggling_gives_one_refused_message_and_no_second(fake_end: bytes) -> None:
    smuggled = b"MAIL FROM:<ceo@bank.example>\r\nRCPT TO:<ann@waxseal.test>\r\nDATA\r\nSubject: forged\r\n"
    events = drive(engine(), ENVELOPE + b"DATA\r\n", b"first" + fake_end + smuggled + b".\r\nNOOP\r\n")
    assert [type(event) for event in events].count(Mail) == 1
    ends = [event for event in events if isinstance(event, EndOfContent)]
    assert [end.fault for end in ends] == [replies.BARE_IN_CONTENT]
    assert events[-1] == Noop()


def test_chunks() -> None:
    connection = engine()
    events = drive(connection, ENVELOPE + b"BDAT 7\r\nab\r\n.\r\nBDAT 5 LAST\r\nc\r\n\r\nNOOP\r\n")
    assert events[3:] == [
        Content(b"ab\r\n.\r\n"),
        EndOfChunk(7),
        Content(b"c\r\n\r\n"),
        EndOfContent(12),
        Noop(),
    ]
    assert connection.state is State.READY


def test_chunks_break_the_same_rules() -> None:
    events = drive(engine(), ENVELOPE + b"BDAT 3\r\na\nbBDAT 0 LAST\r\nNOOP\r\n")
    assert events[-3:] == [EndOfChunk(3, replies.BARE_IN_CONTENT), EndOfContent(3, replies.BARE_IN_CONTENT), Noop()]
    events = drive(engine(), ENVELOPE + b"BDAT 1200 LAST\r\n" + b"x\r\n" * 400 + b"NOOP\r\n")
    assert events[-2:] == [EndOfContent(1200, replies.TOO_BIG), Noop()]


def test_the_octets_of_a_refused_chunk_are_no_commands() -> None:
    events = drive(engine(), b"EHLO a\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n")
    assert events[1:] == [Refused(replies.BAD_SEQUENCE), Noop()]


def test_between_chunks_nothing_else_may_come_but_rset() -> None:
    connection = engine()
    drive(connection, ENVELOPE + b"BDAT 1\r\nx")
    assert refusal(connection, b"DATA\r\n").code == 503
    assert refusal(connection, b"RCPT TO:<a@b.example>\r\n").code == 503
    assert drive(connection, b"RSET\r\nMAIL FROM:<>\r\n") == [Reset(), Mail(None)]


# STARTTLS and AUTH


def test_starttls_forgets_what_was_said() -> None:
    connection = engine(starttls=True)
    assert "STARTTLS" in connection.hello_reply(Hello("a", extended=True)).text.split("\n")
    drive(connection, b"EHLO a\r\nSTARTTLS\r\n")
    connection.tls_started()
    assert connection.state is State.START
    assert refusal(connection, b"MAIL FROM:<>\r\n").code == 503
    assert "STARTTLS" not in connection.hello_reply(Hello("a", extended=True)).text
    assert refusal(connection, b"EHLO a\r\nSTARTTLS\r\n") == replies.TLS_ACTIVE


@pytest.mark.parametrize("behind", [b"E", b"EHLO injected\r\n", b"\x16\x03\x01"])
def test_bytes_behind_starttls_are_fatal(behind: bytes) -> None:
    connection = engine(starttls=True)
    drive(connection, b"EHLO a\r\n")
    connection.receive(b"STARTTLS\r\n" + behind)
    with pytest.raises(RemoteProtocolError) as caught:
        connection.next_event()
    assert caught.value.reply.startswith(b"554 5.5.1")


def b64(text: str) -> bytes:
    return base64.b64encode(text.encode())


def test_auth_is_offered_and_allowed_under_tls_only() -> None:
    plain = engine(auth=True, starttls=True)
    assert "AUTH" not in plain.hello_reply(Hello("a", extended=True)).text
    assert refusal(plain, b"EHLO a\r\nAUTH PLAIN " + b64("\0u\0p") + b"\r\n") == replies.AUTH_NEEDS_TLS
    assert refusal(plain, b"MAIL FROM:<>\r\n") == replies.TLS_FIRST
    secure = engine(auth=True, tls=True)
    assert "AUTH PLAIN LOGIN" in secure.hello_reply(Hello("a", extended=True)).text.split("\n")
    assert refusal(secure, b"EHLO a\r\nMAIL FROM:<>\r\n") == replies.AUTH_FIRST


@pytest.mark.parametrize(
    "lines",
    [
        b"AUTH PLAIN " + b64("\0ann\0pässword") + b"\r\n",
        b"auth plain\r\n" + b64("ann\0ann\0pässword") + b"\r\n",
        b"AUTH LOGIN\r\n" + b64("ann") + b"\r\n" + b64("pässword") + b"\r\n",
        b"AUTH LOGIN " + b64("ann") + b"\r\n" + b64("pässword") + b"\r\n",
    ],
)
def test_auth_gives_credentials(lines: bytes) -> None:
    connection = engine(auth=True, tls=True)
    event = drive(connection, b"EHLO a\r\n" + lines)[-1]
    assert isinstance(event, Credentials)
    assert (event.username, event.password) == ("ann", "pässword")
    assert "pässword" not in repr(event)
    assert connection.authenticated
    assert drive(connection, b"MAIL FROM:<> AUTH=<>\r\n") == [Mail(None)]
    assert refusal(connection, b"RSET\r\nAUTH PLAIN\r\n") == replies.AUTH_DONE


def test_auth_plain_for_somebody_else() -> None:
    connection = engine(auth=True, tls=True)
    drive(connection, b"EHLO client.example\r\n")
    found = drive(connection, b"AUTH PLAIN " + b64("office\0ann\0p") + b"\r\n")
    assert found == [Credentials("PLAIN", "ann", "p", "office")]


@pytest.mark.parametrize(
    ("lines", "reply"),
    [
        (b"AUTH PLAIN\r\n*\r\n", replies.AUTH_CANCELLED),
        (b"AUTH LOGIN\r\n" + b64("ann") + b"\r\n*\r\n", replies.AUTH_CANCELLED),
        (b"AUTH PLAIN !!!\r\n", replies.AUTH_BAD_RESPONSE),
        (b"AUTH PLAIN\r\nQUIT\r\n", replies.AUTH_BAD_RESPONSE),
        (b"AUTH PLAIN AAAA\r\n", replies.AUTH_BAD_RESPONSE),
        (b"AUTH PLAIN =\r\n", replies.AUTH_BAD_RESPONSE),
        (b"AUTH PLAIN " + base64.b64encode(b"\0\xff\0p") + b"\r\n", replies.AUTH_BAD_RESPONSE),
        (b"AUTH PLAIN " + b64("\0ann\0") + b"\r\n", replies.AUTH_BAD_RESPONSE),
        (b"AUTH LOGIN\r\n" + b64("an\0n") + b"\r\n", replies.AUTH_BAD_RESPONSE),
        (b"AUTH LOGIN\r\n" + b"A" * 13_000 + b"\r\n", replies.LINE_TOO_LONG),
        (b"AUTH CRAM-MD5\r\n", replies.AUTH_MECHANISM),
        (b"AUTH\r\n", replies.BAD_ARGUMENTS),
        (b"AUTH PLAIN a b\r\n", replies.BAD_ARGUMENTS),
    ],
)
def test_bad_auth(lines: bytes, reply: Reply) -> None:
    connection = engine(auth=True, tls=True)
    assert refusal(connection, b"EHLO a\r\n" + lines) == reply
    assert not connection.authenticated
    assert drive(connection, b"NOOP\r\n") == [Noop()]


def test_refused_credentials_let_nobody_in() -> None:
    connection = engine(auth=True, tls=True)
    connection.receive(b"EHLO a\r\nAUTH PLAIN " + b64("\0u\0p") + b"\r\nMAIL FROM:<>\r\n")
    drive(connection)
    connection.next_event()
    connection.send(OK)
    connection.next_event()
    connection.send(Reply(535, "5.7.8", "No"))
    assert connection.next_event() == Refused(replies.AUTH_FIRST)


# Our own duties


def test_replies_are_asked_for_one_by_one() -> None:
    connection = engine()
    with pytest.raises(LocalProtocolError):
        connection.send(OK)
    connection.receive(b"NOOP\r\nNOOP\r\n")
    connection.next_event()
    with pytest.raises(LocalProtocolError):
        connection.next_event()
    with pytest.raises(LocalProtocolError):
        connection.tls_started()


def test_after_quit_421_or_a_refusing_greeting_nothing_is_heard() -> None:
    for reply in (Reply(421, "4.3.2", "Bye"), Reply(221, "2.0.0", "Bye")):
        connection = engine()
        connection.receive(b"QUIT\r\nNOOP\r\n")
        connection.next_event()
        connection.send(reply)
        assert connection.next_event() is NEED_DATA
    connection = ServerConnection("mx", max_size=1)
    connection.receive(b"EHLO early\r\n")
    assert connection.next_event() is NEED_DATA
    connection.send(Reply(554, "5.7.1", "No"))
    assert connection.next_event() is NEED_DATA


def test_every_state_but_the_last_has_a_way_on() -> None:
    assert {state for state, _ in NEXT} == set(State) - {State.GREETING, State.TLS, State.CLOSED}


# The invariant

WORDS = st.sampled_from(
    [
        b"EHLO a\r\n",
        b"HELO a\r\n",
        b"MAIL FROM:<>\r\n",
        b"MAIL FROM:<a@b.example> SIZE=3\r\n",
        b"RCPT TO:<ann@waxseal.test>\r\n",
        b"DATA\r\n",
        b"x\r\n",
        b"..\r\n",
        b".\r\n",
        b"\r\n.\r\n",
        b"BDAT 5\r\n",
        b"BDAT 3 LAST\r\n",
        b"BDAT 0 LAST\r\n",
        b"abc",
        b"RSET\r\n",
        b"AUTH PLAIN\r\n",
        b"AUTH LOGIN\r\n",
        b"AHUAcA==\r\n",
        b"*\r\n",
        b"QUIT\r\n",
        b"NOOP\r\n",
        b"STARTTLS\r\n",
        b"\n",
        b"\r",
        b"y" * 300,
    ]
)


@given(
    st.lists(WORDS | st.binary(max_size=20), max_size=30).map(b"".join),
    st.lists(st.integers(0, 2000), max_size=10),
    st.booleans(),
)
def test_any_bytes_cut_anyhow_give_the_same_events(data: bytes, cuts: list[int], submission: bool) -> None:
    def run(places: list[int]) -> tuple[list[Event], State]:
        connection = engine(auth=submission, tls=submission)
        pieces = [data[begin:end] for begin, end in pairwise(places)]
        return without_lost_content(drive(connection, *pieces)), connection.state

    size = len(data)
    whole = run([0, size])
    assert run([0, *sorted(cut % (size + 1) for cut in cuts), size]) == whole
    assert run(list(range(size + 1))) == whole


def without_lost_content(events: list[Event]) -> list[Event]:
    """Content that is refused, or whose end never came, may have been shown in part; all else must be the same."""
    kept: list[Event] = []
    content: list[Event] = []
    for event in events:
        match event:
            case Content():
                content.append(event)
            case EndOfContent(_, None) | EndOfChunk(_, None):
                kept += [*content, event]
                content = []
            case _:
                kept.append(event)
                content = []
    return kept
