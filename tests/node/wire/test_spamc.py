"""spamd's answers, as SpamAssassin 4.0.1 gives them and as nobody should; cut anywhere, they mean the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.base.errors import LocalProtocolError, RemoteProtocolError
from node.wire.spamc import MAX_BODY, MAX_HEAD, Answer, Command, Judgement, SpamcConnection

# What spamd 4.0.1 of Debian 12 sent, octet for octet.
CHECK = b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1007.1 / 5.0\r\n\r\n"
SYMBOLS = b"SPAMD/1.1 0 EX_OK\r\nContent-length: 22\r\nSpam: False ; -0.1 / 5.0\r\n\r\nMISSING_MID,RCVD_EXTRA"
PONG = b"SPAMD/1.5 0 PONG\r\n"
REFUSED = b"SPAMD/1.0 76 Bad header line: (Content-Length mismatch: Expected 5 bytes, got 2 bytes)\r\n"


def read(command: Command, *pieces: bytes) -> Answer | None:
    """Feed the pieces, then the end of the stream; the first answer."""
    engine = SpamcConnection(command)
    for piece in (*filter(None, pieces), b""):
        engine.receive(piece)
        if answer := engine.next_answer():
            return answer
    return None


def test_real_answers() -> None:
    assert read(Command.CHECK, CHECK) == Answer(0, "EX_OK", Judgement(True, 1007.1, 5.0))
    answer = read(Command.SYMBOLS, SYMBOLS)
    assert answer
    assert answer.judgement == Judgement(False, -0.1, 5.0)
    assert answer.symbols == ("MISSING_MID", "RCVD_EXTRA")
    assert read(Command.PING, PONG) == Answer(0, "PONG")
    refused = read(Command.CHECK, REFUSED)
    assert refused
    assert (refused.code, refused.judgement) == (76, None)


def test_the_answer_comes_without_waiting_for_the_end_where_its_length_is_known() -> None:
    engine = SpamcConnection(Command.SYMBOLS)
    engine.receive(SYMBOLS[:-1])
    assert engine.next_answer() is None
    engine.receive(SYMBOLS[-1:])
    assert engine.next_answer() is not None
    engine = SpamcConnection(Command.CHECK)
    engine.receive(CHECK)
    assert engine.next_answer() is None, "no length: the end of the stream is the end of the answer"


@given(st.sampled_from([(Command.CHECK, CHECK), (Command.SYMBOLS, SYMBOLS), (Command.PING, PONG)]), st.data())
def test_cuts_do_not_matter(case: tuple[Command, bytes], data: st.DataObject) -> None:
    command, whole = case
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert read(command, *pieces) == read(command, whole)


_LINES = st.lists(
    st.one_of(
        st.sampled_from([b"SPAMD/1.1 0 EX_OK", b"Spam: True ; 6 / 5", b"Content-length: 3", b"", b"abc", b"Spam: x"]),
        st.binary(max_size=30),
    ),
    max_size=6,
).map(b"\r\n".join)


@given(st.sampled_from(list(Command)), st.one_of(_LINES, st.binary(max_size=300)), st.integers(0, 300))
def test_any_bytes_give_an_answer_or_an_error_however_they_are_cut(command: Command, whole: bytes, cut: int) -> None:
    def outcome(*pieces: bytes) -> object:
        try:
            return read(command, *pieces)
        except RemoteProtocolError:
            return "error"

    once = outcome(whole)
    assert once is not None, "after the end of the stream there is nothing to wait for"
    assert outcome(whole[:cut], whole[cut:]) == once
    assert outcome(*(whole[at : at + 1] for at in range(len(whole)))) == once


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK",
        b"SPAMD/1.1 0 EX_OK\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; nan / 5.0\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1e9 / 5.0\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: Maybe ; 1.0 / 5.0\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9 / 5\r\nSpam: False ; 1 / 5\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9 / 5\r\nContent-length: -1\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9 / 5\r\nContent-length: 999999999\r\n\r\n",
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9 / 5\r\nContent-length: 50\r\n\r\ncut off",
        b"SPAMD/1.1 0 EX_OK\r\n" + b"x: y\r\n" * MAX_HEAD,
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9 / 5\r\n\r\n" + b"x" * (MAX_BODY + 1),
        b"x" * (MAX_HEAD + 1),
    ],
)
def test_nonsense_is_an_error(answer: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        read(Command.SYMBOLS, answer)


@given(st.binary(max_size=500))
def test_symbols_are_names_and_nothing_else(body: bytes) -> None:
    names = Answer(0, "EX_OK", Judgement(True, 9, 5), body + b',GTUBE,x; y="z",BAYES_99').symbols
    assert all(re.fullmatch(r"[A-Za-z0-9_]+", name) for name in names)
    assert names[-1] == "BAYES_99"


def test_requests() -> None:
    assert SpamcConnection(Command.SYMBOLS).request(7, "ann@example.org") == (
        b"SYMBOLS SPAMC/1.5\r\nContent-length: 7\r\nUser: ann@example.org\r\n\r\n"
    )
    assert SpamcConnection(Command.PING).request() == b"PING SPAMC/1.5\r\n\r\n"
    with pytest.raises(LocalProtocolError):
        SpamcConnection(Command.CHECK).request(7, "ann\r\nSet: local")
