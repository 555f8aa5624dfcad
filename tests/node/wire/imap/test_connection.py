"""The IMAP engine: whatever the peer sends, however it is cut, events or RemoteProtocolError."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from node.base.errors import LocalProtocolError, RemoteProtocolError
from node.wire.imap.append import AppendStart
from node.wire.imap.basic import Idle, Noop
from node.wire.imap.commands import State, Step
from node.wire.imap.connection import Limits, ServerConnection
from node.wire.imap.events import (
    AppendEnd,
    AuthResponse,
    Done,
    LiteralBytes,
    LiteralWanted,
    Malformed,
    NeedData,
    Request,
)
from node.wire.imap.login import Authenticate, Login
from node.wire.imap.mailboxes import Select

SMALL = Limits(command=200, skip=1000)


def drive(pieces: list[bytes], limits: Limits = SMALL, refuse_over: int = 100) -> list[object]:
    """Feed pieces to an engine as a session does; neighbouring message octets are joined."""
    engine = ServerConnection(limits, State.SELECTED)
    seen: list[object] = []
    try:
        for piece in pieces:
            engine.receive(piece)
            while not isinstance(event := engine.next_event(), NeedData):
                if isinstance(event, LiteralBytes) and seen and isinstance(seen[-1], LiteralBytes):
                    event = LiteralBytes(seen.pop().data + event.data)
                seen.append(event)
                match event:
                    case AppendStart(size=size) if size > refuse_over:
                        engine.refuse_literal()
                    case AppendStart():
                        engine.accept_literal()
                    case Request(command=Idle()):
                        engine.await_done()
                    case Request(command=Noop()):
                        engine.await_auth()
    except RemoteProtocolError:
        seen.append("gone")
    return seen


def one(data: bytes, state: State = State.SELECTED) -> object:
    engine = ServerConnection(state=state)
    engine.receive(data)
    return engine.next_event()


FRAGMENTS = st.sampled_from(
    [
        b"a FETCH 1:* (FLAGS)\r\n",
        b"a APPEND x {5}\r\n",
        b"a APPEND x (\\Seen) {5+}\r\n",
        b"a APPEND {1+}\r\nx {3+}\r\n",
        b"a APPEND x {500+}\r\n",
        b"a LOGIN {3}\r\n",
        b"{400+}\r\n",
        b"{99999999999+}\r\n",
        b"hello",
        b"\r\n",
        b"\n",
        b"\r",
        b"a IDLE\r\n",
        b"a NOOP\r\n",
        b"DONE\r\n",
        b"*\r\n",
        b"(" * 30,
        b"a SEARCH (OR SEEN NOT 1:3)\r\n",
        b'a SELECT "in\\"box"\r\n',
        b"x" * 150,
        b"\0",
        b"\xff",
    ]
)
STREAMS = st.lists(FRAGMENTS | st.binary(max_size=20), max_size=12).map(b"".join)


@given(STREAMS, st.data())
@example(b"x" * 300 + b"{3+}\r\nabc\r\na NOOP\r\n", None)
def test_cuts_do_not_matter(stream: bytes, data: st.DataObject | None) -> None:
    whole = drive([stream])
    assert drive([stream[index : index + 1] for index in range(len(stream))]) == whole
    if data is not None:
        cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
        pieces = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert drive(pieces) == whole


@given(st.binary(max_size=400))
def test_any_bytes_give_events_or_the_end(stream: bytes) -> None:
    drive([stream, b"\r\n"])


def test_a_command() -> None:
    assert one(b"a1 select inbox\r\n") == Request(b"a1", Select("INBOX", readonly=False))


def test_literals_are_asked_for_only_when_the_client_waits() -> None:
    engine = ServerConnection()
    engine.receive(b"a LOGIN {3}\r\n")
    assert engine.next_event() == LiteralWanted(3)
    engine.receive(b"ann {6+}\r\nsec\r\nt\r\n")
    assert engine.next_event() == Request(b"a", Login("ann", "sec\r\nt"))


def test_append_streams() -> None:
    events = drive(
        [b'a APPEND x (\\Seen $Junk) "17-Jul-1996 02:44:25 -0700" {5}\r\n', b"he", b"llo", b"\r\nb NOOP\r\n"]
    )
    start = AppendStart(b"a", "x", frozenset({"\\Seen", "$Junk"}), 837596665, 5, waits=True)
    assert events == [start, LiteralBytes(b"hello"), AppendEnd(b"a"), Request(b"b", Noop())]


def test_append_to_a_mailbox_named_by_literal() -> None:
    events = drive([b"a APPEND {3}\r\n", b"a b {2+}\r\nhi\r\n"])
    start = AppendStart(b"a", "a b", frozenset(), None, 2, waits=False)
    assert events == [LiteralWanted(3), start, LiteralBytes(b"hi"), AppendEnd(b"a")]


def test_append_with_more_behind_the_message_is_refused_whole() -> None:
    events = drive([b"a APPEND x {2+}\r\nhi (\\Seen) {3+}\r\nabc\r\nb CHECK\r\n"])
    assert [type(event) for event in events] == [AppendStart, LiteralBytes, Malformed, Request]


def test_an_append_waits_for_the_decision() -> None:
    engine = ServerConnection(state=State.SELECTED)
    engine.receive(b"a APPEND x {3}\r\n")
    assert isinstance(engine.next_event(), AppendStart)
    with pytest.raises(LocalProtocolError):
        engine.next_event()


def test_a_refused_message_is_thrown_away_when_it_comes_anyway() -> None:
    message = b"a LOGOUT\r\n" * 50  # must not be taken for commands
    events = drive([b"a APPEND x {500+}\r\n" + message + b"\r\nb CHECK\r\n"])
    assert [type(event) for event in events] == [AppendStart, Request]
    assert events[-1].tag == b"b"  # type: ignore[attr-defined]


def test_a_malformed_append_does_not_let_its_message_pass_for_commands() -> None:
    events = drive([b"a APPEND x bogus {10+}\r\na LOGOUT\r\n\r\nb CHECK\r\n"])
    assert [(type(event), event.tag) for event in events] == [(Malformed, b"a"), (Request, b"b")]  # type: ignore[attr-defined]


def test_a_refused_message_that_waits_never_comes() -> None:
    events = drive([b"a APPEND x {1099511627776}\r\nb CHECK\r\n"])
    assert [type(event) for event in events] == [AppendStart, Request]


def test_a_message_of_two_to_the_forty_is_not_read() -> None:
    assert drive([b"a APPEND x {1099511627776+}\r\n"])[1:] == ["gone"]


@pytest.mark.parametrize("waits", [b"", b"+"])
def test_a_literal_of_two_to_the_forty_is_not_read(waits: bytes) -> None:
    events = drive([b"a LOGIN {1099511627776" + waits + b"}\r\n"])
    assert events == (["gone"] if waits else [Malformed(b"a", "literal is too long")])


def test_a_truncated_literal_waits() -> None:
    assert drive([b"a LOGIN {10+}\r\nab"]) == []


def test_a_long_line_is_read_to_its_end_and_refused() -> None:
    engine = ServerConnection()
    for _ in range(160):  # a sequence set of 10 MB
        engine.receive(b"a FETCH " + b"1," * 32768)
        assert isinstance(engine.next_event(), NeedData)
        assert len(engine._buffer) < 128 * 1024
    engine.receive(b"1 FLAGS\r\nb NOOP\r\n")
    assert engine.next_event() == Malformed(b"a", "command is too long")
    assert engine.next_event() == Request(b"b", Noop())


def test_a_long_line_without_end_is_given_up() -> None:
    assert drive([b"a " + b"x" * 2000]) == ["gone"]


def test_deep_parentheses() -> None:
    event = one(b"a SEARCH " + b"(" * 30_000 + b"SEEN\r\n")
    assert event == Malformed(b"a", "search is too deep or too long")
    assert one(b"a SEARCH " + b"(" * 100_000 + b"\r\n") == Malformed(b"a", "command is too long")


@pytest.mark.parametrize("stream", [b"a NOOP\n", b"\n", b"a NOOP\r\r\n\n"])
def test_bare_lf_ends_nothing(stream: bytes) -> None:
    assert drive([stream])[-1] == "gone"


@pytest.mark.parametrize(
    "line",
    [b"", b" ", b"a", b"a ", b"a NOOP ", b"a  NOOP", b"+ NOOP", b"a NO\rOP", b"a NOOP x", b"a UID NOOP", b"a \xff",
     b"a LOGIN a", b'a LOGIN "a b', b'a LOGIN "a\\n" b', b"a APPEND x hello", b"a SELECT \xc3\xa4", b"a SELECT &AAA"],
)  # fmt: skip
def test_malformed(line: bytes) -> None:
    event = one(line + b"\r\n", State.SELECTED)
    assert isinstance(event, Malformed)


def test_states() -> None:
    assert isinstance(one(b"a SELECT x\r\n", State.NOT_AUTHENTICATED), Malformed)
    assert isinstance(one(b"a LOGIN x y\r\n", State.SELECTED), Malformed)
    assert isinstance(one(b"a FETCH 1 FLAGS\r\n", State.AUTHENTICATED), Malformed)
    assert isinstance(one(b"a APPEND x {3+}\r\nabc\r\n", State.NOT_AUTHENTICATED), Malformed)
    engine = ServerConnection()
    engine.advance(Step.LOGIN)
    assert engine.state is State.AUTHENTICATED
    with pytest.raises(LocalProtocolError):
        engine.advance(Step.LOGIN)


def test_idle() -> None:
    assert drive([b"a IDLE\r\n", b"done\r\n", b"b CHECK\r\n"])[1] == Done()
    assert drive([b"a IDLE\r\n", b"b NOOP\r\n"])[1] == Malformed(None, "expected DONE")


def test_authenticate() -> None:
    engine = ServerConnection()
    engine.receive(b"a AUTHENTICATE plain\r\n")
    assert engine.next_event() == Request(b"a", Authenticate(b"PLAIN", None))
    for line, event in [(b"AGEAYg==", AuthResponse(b"\0a\0b")), (b"*", AuthResponse(None)), (b"", AuthResponse(b""))]:
        engine.await_auth()
        engine.receive(line + b"\r\n")
        assert engine.next_event() == event
    engine.await_auth()
    engine.receive(b"!!\r\n")
    assert isinstance(engine.next_event(), Malformed)
    engine.receive(b"b AUTHENTICATE PLAIN =\r\n")
    assert engine.next_event() == Request(b"b", Authenticate(b"PLAIN", b""))


def test_bytes_behind_starttls() -> None:
    engine = ServerConnection()
    engine.receive(b"a STARTTLS\r\nb LOGIN x y\r\n")
    engine.next_event()
    with pytest.raises(RemoteProtocolError):
        engine.start_tls()


def test_no_password_in_a_repr() -> None:
    assert "secret" not in repr(one(b"a LOGIN ann secret\r\n", State.NOT_AUTHENTICATED))
    assert "AGEAYg" not in repr(one(b"a AUTHENTICATE PLAIN AGEAYg==\r\n", State.NOT_AUTHENTICATED))
