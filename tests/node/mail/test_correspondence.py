"""Who wrote a message, what it is called, what it answers: from any bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mail.correspondence import MAX_ANSWERED, Correspondence, correspondence


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (
            b"From: Nora <Nora@Far.example>\r\nMessage-ID: <1@far.example>\r\nIn-Reply-To: <3@x>\r\n"
            b"References: <1@x>\r\n <2@x>\r\n\t<3@x>\r\n\r\nFrom: body@far.example\r\n",
            Correspondence("nora@far.example", b"<1@far.example>", (b"<3@x>", b"<2@x>", b"<1@x>")),
        ),
        (b"from: a@b.example, c@d.example\n\n", Correspondence("a@b.example")),
        (b"From: Crew: a@b.example;\r\n", Correspondence("a@b.example")),
        (b"From: undisclosed:;\r\n", Correspondence()),
        (b"From: Ann\r\nMessage-ID: 17\r\n", Correspondence()),
        (
            b"Message-ID: <a b@x> <c@x> (remark)\r\nFrom: a@b.example\r\nFrom: z@b.example\r\n\r\n",
            Correspondence("a@b.example", b"<c@x>"),
        ),
        (b"From: =?utf-8?q?J=C3=B6rg?= <j@b.example>\r\n\r\n", Correspondence("j@b.example")),
        ("From: Jörg <jörg@bücher.example>\r\n\r\n".encode(), Correspondence("jörg@xn--bcher-kva.example")),
        (b"", Correspondence()),
    ],
)
def test_what_ties_a_message_to_others(head: bytes, expected: Correspondence) -> None:
    assert correspondence(head) == expected


def test_a_long_thread_is_cut_to_its_newest_messages() -> None:
    ids = [b"<%d@x>" % number for number in range(400)]
    found = correspondence(b"References: " + b"\r\n ".join(ids) + b"\r\n\r\n")
    assert found.answers == tuple(reversed(ids))[:MAX_ANSWERED]


@given(st.binary(max_size=400))
def test_any_bytes_have_an_answer(data: bytes) -> None:
    for prefix in (b"", b"From: ", b"References: <"):
        found = correspondence(prefix + data)
        assert len(found.answers) <= MAX_ANSWERED
