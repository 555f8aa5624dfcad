"""The client's engine: what it says, what it believes, and that any content arrives at our own server as it was."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.base.address import Address
from node.base.errors import LocalProtocolError, RemoteProtocolError
from node.base.reply import Reply
from node.wire.smtp.client import Answer, ClientConnection, Phase, Verb, to_crlf
from node.wire.smtp.events import NEED_DATA, Content, Data, EndOfContent, Hello
from node.wire.smtp.server import ServerConnection

ANN = Address("ann", "waxseal.test")
EHLO = b"250-mx greets you\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n"


def greeted(extensions: bytes = EHLO) -> ClientConnection:
    connection = ClientConnection()
    connection.receive(b"220 mx ESMTP\r\n")
    assert connection.next_answer() == Answer(Verb.GREETING, Reply(220, "", "mx ESMTP"))
    assert connection.hello("me.example") == b"EHLO me.example\r\n"
    connection.receive(extensions)
    connection.next_answer()
    return connection


def test_a_pipelined_envelope() -> None:
    connection = greeted()
    assert connection.can_pipeline
    assert connection.extensions["SIZE"] == "1000"
    out = connection.mail(None, size=5, body="8BITMIME") + connection.rcpt(ANN) + connection.data()
    assert out == b"MAIL FROM:<> SIZE=5 BODY=8BITMIME\r\nRCPT TO:<ann@waxseal.test>\r\nDATA\r\n"
    assert connection.awaited == 3
    connection.receive(b"250 2.1.0 OK\r\n550-5.1.1 No such\r\n550 5.1.1 person\r\n354 go\r\n")
    assert connection.next_answer() == Answer(Verb.MAIL, Reply(250, "2.1.0", "OK"))
    assert connection.next_answer() == Answer(Verb.RCPT, Reply(550, "5.1.1", "No such\nperson"))
    with pytest.raises(LocalProtocolError):
        connection.content(b"too early")
    assert connection.next_answer() == Answer(Verb.DATA, Reply(354, "", "go"))
    assert (
        connection.content(b".a\r\n.") + connection.content(b".\r\nb") + connection.end() == b"..a\r\n...\r\nb\r\n.\r\n"
    )
    connection.receive(b"250 OK\r\n")
    assert connection.next_answer() == Answer(Verb.CONTENT, Reply(250, "", "OK"))
    assert connection.next_answer() is NEED_DATA
    assert connection.quit() == b"QUIT\r\n"


def test_parameters_go_only_where_they_are_known() -> None:
    connection = greeted(b"250 mx\r\n")
    assert connection.mail(ANN, size=5, body="8BITMIME") == b"MAIL FROM:<ann@waxseal.test>\r\n"
    connection = greeted(b"250 mx\r\n")
    with pytest.raises(LocalProtocolError):
        connection.mail(Address("ü", "b.example"))
    assert greeted().mail(Address("ü", "b.example")).endswith(b" SMTPUTF8\r\n")


def test_answers_smuggled_behind_starttls_are_refused() -> None:
    connection = greeted()
    connection.start_tls()
    connection.receive(b"220 go\r\n250 injected\r\n")
    with pytest.raises(RemoteProtocolError):
        connection.next_answer()
    connection = greeted()
    connection.start_tls()
    connection.receive(b"220 go\r\n")
    connection.next_answer()
    connection.tls_started()
    assert not connection.extensions
    assert connection.phase is Phase.CONNECTED


@pytest.mark.parametrize(
    "reply",
    [
        b"nonsense\r\n",
        b"220\n",
        b"250-a\r\n251 b\r\n",
        b"99 x\r\n",
        b"650 x\r\n",
        b"250-x\r\n" * 201,
        b"250 " + b"x" * 5000 + b"\r\n",
        b"250\tx\r\n",
    ],
)
def test_bad_replies(reply: bytes) -> None:
    connection = ClientConnection()
    connection.receive(reply)
    with pytest.raises(RemoteProtocolError):
        connection.next_answer()


def test_a_code_alone_is_a_reply_and_an_unasked_one_only_as_421() -> None:
    connection = ClientConnection()
    connection.receive(b"220\r\n")
    assert connection.next_answer() == Answer(Verb.GREETING, Reply(220, "", ""))
    connection.receive(b"421 4.4.2 timeout\r\n")
    assert connection.next_answer() == Answer(Verb.NOTHING, Reply(421, "4.4.2", "timeout"))
    assert connection.phase is Phase.CLOSED
    connection.receive(b"250 2.0.0 what?\r\n")
    with pytest.raises(RemoteProtocolError):
        connection.next_answer()


def test_never_says_what_it_should_not() -> None:
    with pytest.raises(LocalProtocolError):
        greeted().rcpt(ANN)
    connection = greeted()
    connection.mail(None)
    with pytest.raises(LocalProtocolError):
        connection.rcpt(Address("ann\r\nDATA", "waxseal.test"))
    with pytest.raises(LocalProtocolError):
        greeted().auth_plain("a\0b", "c")
    assert greeted().auth_plain("u", "p") == b"AUTH PLAIN AHUAcA==\r\n"


@pytest.mark.parametrize("content", [b"a\nb", b"a\rb", b"\n.\n", b"a\r"])
def test_bare_line_ends_are_not_passed_on(content: bytes) -> None:
    client, _ = in_content()
    with pytest.raises(LocalProtocolError):
        client.content(content) + client.end()
    client, _ = in_content()
    client.content(to_crlf(content))
    client.end()


def in_content() -> tuple[ClientConnection, ServerConnection]:
    """Both engines, wired, with DATA agreed."""
    client = ClientConnection()
    server = ServerConnection("mx.waxseal.test", max_size=1 << 20)
    client.receive(server.send(Reply(220, "", "hi")))
    client.next_answer()
    for say in (lambda: client.hello("me"), lambda: client.mail(None), lambda: client.rcpt(ANN), client.data):
        server.receive(say())
        event = server.next_event()
        match event:
            case Hello():
                reply = server.hello_reply(event)
            case Data():
                reply = Reply(354, "", "go")
            case _:
                reply = Reply(250, "", "ok")
        client.receive(server.send(reply))
        assert isinstance(client.next_answer(), Answer)
    assert client.phase is Phase.CONTENT
    return client, server


LINES = st.lists(
    st.sampled_from([b".", b"..", b"\r\n", b"\r\n.", b"x", b".\r\n"]) | st.binary(max_size=30).map(to_crlf)
)


@given(
    LINES.map(b"".join).map(to_crlf),
    st.lists(st.integers(0, 300), max_size=6),
    st.lists(st.integers(0, 300), max_size=6),
)
def test_any_content_arrives_as_it_was(content: bytes, cuts: list[int], wire_cuts: list[int]) -> None:
    client, server = in_content()
    wire = b"".join(client.content(piece) for piece in pieces(content, cuts)) + client.end()
    received = b""
    ended = False
    for piece in pieces(wire, wire_cuts):
        server.receive(piece)
        while not ended and (event := server.next_event()) is not NEED_DATA:
            if isinstance(event, EndOfContent):
                assert event.fault is None
                ended = True
            elif isinstance(event, Content):
                received += event.data
    assert ended
    assert received == content or received == content + b"\r\n"
    assert received.endswith(b"\r\n") or not content


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[begin:end] for begin, end in pairwise(places)]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=5))
def test_whatever_a_server_says_gives_answers_or_a_protocol_error(data: bytes, cuts: list[int]) -> None:
    connection = ClientConnection()
    try:
        for piece in pieces(data, cuts):
            connection.receive(piece)
            while connection.next_answer() is not NEED_DATA:
                pass
    except RemoteProtocolError:
        pass
