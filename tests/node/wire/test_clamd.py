"""clamd's replies, as ClamAV 1.4.3 gives them and as nobody should; cut anywhere, they mean the same."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.base.errors import LocalProtocolError, RemoteProtocolError
from node.wire.clamd import MAX_REPLY, ClamdConnection, Clean, Failed, Found, OverLimit, scan_result


def read(*pieces: bytes) -> str | None:
    engine = ClamdConnection()
    for piece in (*filter(None, pieces), b""):
        engine.receive(piece)
        if (reply := engine.next_reply()) is not None:
            return reply
    return None


def test_real_replies() -> None:
    assert read(b"PONG\0") == "PONG"
    assert scan_result(read(b"stream: OK\0") or "") == Clean()
    assert scan_result("stream: Eicar-Test.UNOFFICIAL FOUND") == Found("Eicar-Test.UNOFFICIAL")
    assert scan_result("stream: Heuristics.Phishing.Email.SpoofedDomain FOUND") == Found(
        "Heuristics.Phishing.Email.SpoofedDomain"
    )
    assert scan_result("INSTREAM size limit exceeded. ERROR") == OverLimit()
    assert scan_result("Can't allocate memory ERROR") == Failed("Can't allocate memory ERROR")


@given(st.binary(max_size=200), st.integers(0, 200))
def test_any_bytes_give_a_reply_or_an_error_however_they_are_cut(whole: bytes, cut: int) -> None:
    def outcome(*pieces: bytes) -> object:
        try:
            return read(*pieces)
        except RemoteProtocolError:
            return "error"

    once = outcome(whole)
    assert once is not None, "after the end of the stream there is nothing to wait for"
    assert outcome(whole[:cut], whole[cut:]) == once
    assert outcome(*(whole[at : at + 1] for at in range(len(whole)))) == once


@given(st.text(max_size=100))
def test_any_reply_has_a_meaning_or_is_an_error(reply: str) -> None:
    try:
        result = scan_result(reply)
    except RemoteProtocolError:
        return
    assert isinstance(result, Failed | OverLimit) == reply.endswith("ERROR")


@pytest.mark.parametrize(
    "reply",
    [b"", b"stream: OK", b"\0", b"stream: OK\r\n\x01\0", b"x" * (MAX_REPLY + 1), b"x" * (MAX_REPLY + 1) + b"\0"],
)
def test_broken_replies(reply: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read(reply)


@pytest.mark.parametrize("reply", ["", "OK", "stream: ", "stream:  FOUND", "UNKNOWN COMMAND", "stream: OKAY"])
def test_replies_that_say_nothing(reply: str) -> None:
    with pytest.raises(RemoteProtocolError):
        scan_result(reply)


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_a_stream_is_what_its_chunks_are(pieces: list[bytes]) -> None:
    engine = ClamdConnection()
    sent = b"".join(map(engine.chunk, pieces)) + engine.end()
    content = b""
    while True:
        (length,) = struct.unpack(">I", sent[:4])
        content, sent = content + sent[4 : 4 + length], sent[4 + length :]
        if not length:
            break
    assert (content, sent) == (b"".join(pieces), b"")


def test_commands_are_one_word() -> None:
    assert ClamdConnection().command("INSTREAM") == b"zINSTREAM\0"
    with pytest.raises(LocalProtocolError):
        ClamdConnection().command("SCAN /etc")
