"""Where lines and messages end. The smuggling cases are those of CVE-2023-51764 and its family."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.base.errors import RemoteProtocolError
from node.wire.smtp import replies
from node.wire.smtp.framing import HARD_LINE, ContentRules, DotReader, take_line

SCRAPS = st.lists(st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"\r\n.\r\n", b"x", b"..", b"ab"])).map(
    b"".join
)


def read(data: bytes, cuts: list[int]) -> tuple[bytes, bytes | None]:
    """Feed `data` cut at the given places: the content and what follows its end."""
    reader = DotReader()
    content = b""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begin, end in pairwise(places):
        piece, rest = reader.feed(data[begin:end])
        content += piece
        if rest is not None:
            return content, rest + data[end:]
    return content, None


@pytest.mark.parametrize(
    ("sent", "content"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b"..a\r\n...\r\n.\r\n", b".a\r\n..\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),  # a client that does not stuff: RFC 5321 §4.5.2 takes the dot all the same
        (b"a.\r\nb\r\n.\r\n", b"a.\r\nb\r\n"),
    ],
)
def test_unstuffs(sent: bytes, content: bytes) -> None:
    assert read(sent + b"QUIT\r\n", []) == (content, b"QUIT\r\n")


@pytest.mark.parametrize(
    "fake_end",
    [
        b"\n.\n",
        b"\r.\r",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r\n.\r",
        b"\r.\r\n",
        b"\n.\r",
        b"\r\r\n.\n",
        b"\r\n\0.\r\n",
        b"\r\n.\0\r\n",
    ],
)
def test_only_crlf_dot_crlf_ends_a_message(fake_end: bytes) -> None:
    smuggled = b"first" + fake_end + b"MAIL FROM:<forged@example.org>\r\n"
    content, rest = read(smuggled + b".\r\nQUIT\r\n", [])
    assert rest == b"QUIT\r\n"
    assert b"MAIL FROM" in content
    rules = ContentRules(10_000, 1000)
    rules.watch(content)
    if b"\0" not in fake_end:
        assert rules.end() == replies.BARE_IN_CONTENT


@given(SCRAPS | st.binary(), st.lists(st.integers(0, 400), max_size=8))
def test_the_cutting_of_bytes_does_not_matter(data: bytes, cuts: list[int]) -> None:
    data += b"\r\n.\r\nrest"
    assert read(data, cuts) == read(data, [])
    assert read(data, list(range(len(data)))) == read(data, [])


@given(SCRAPS | st.binary(), st.lists(st.integers(0, 400), max_size=8), st.integers(1, 40))
def test_the_rules_see_the_same_however_cut(data: bytes, cuts: list[int], max_line: int) -> None:
    whole, pieces = ContentRules(60, max_line), ContentRules(60, max_line)
    whole.watch(data)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for begin, end in pairwise(places):
        pieces.watch(data[begin:end])
    assert pieces.end() == whole.end()
    stripped = data.replace(b"\r\n", b"")
    assert (whole.end() == replies.BARE_IN_CONTENT) == (b"\r" in stripped or b"\n" in stripped)
    if whole.end() is None:
        assert len(data) <= 60
        assert max(map(len, data.split(b"\r\n"))) <= max_line


def test_long_lines_are_seen_across_pieces() -> None:
    for size, fault in ((998, None), (999, replies.TEXT_LINE_TOO_LONG)):
        rules = ContentRules(100_000, 998)
        for piece in (b"ok\r\n" * 500, b"x" * (size - 10), b"x" * 10, b"\r", b"\nok\r\n"):
            rules.watch(piece)
        assert rules.end() == fault


def test_content_that_never_ends_is_cut_off() -> None:
    rules = ContentRules(1000, 1000)
    for _ in range(16):
        rules.watch(b"x" * 65_536)
    with pytest.raises(RemoteProtocolError) as caught:
        rules.watch(b"x" * 65_536)
    assert caught.value.reply == replies.FATAL_ENDLESS.render()


def test_takes_lines() -> None:
    assert take_line(b"NOOP\r\nQUIT\r\n", 0) == (b"NOOP", 6)
    assert take_line(b"NOOP\r\nQUIT\r\n", 6) == (b"QUIT", 12)
    assert take_line(b"\r\n", 0) == (b"", 2)
    assert take_line(b"NOOP\r", 0) is None
    assert take_line(b"", 0) is None


@pytest.mark.parametrize(
    "line", [b"NOOP\n", b"\n", b"NOOP\rQUIT\r\n", b"NOOP\r\r\n", b"x" * HARD_LINE, b"x" * HARD_LINE + b"\r\n"]
)
def test_bare_and_endless_lines_are_fatal(line: bytes) -> None:
    with pytest.raises(RemoteProtocolError) as caught:
        take_line(line, 0)
    assert caught.value.reply.startswith(b"500 5.5.2 ")
