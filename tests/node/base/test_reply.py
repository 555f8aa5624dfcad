"""Replies go out as RFC 5321 §4.2 wants them, whatever text they carry."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from node.base.reply import MAX_LINE, Reply


def test_one_line() -> None:
    assert Reply(250, "2.1.0", "Fine").render() == b"250 2.1.0 Fine\r\n"


def test_several_lines() -> None:
    assert Reply(250, "", "mx\nSIZE 5\nHELP").render() == b"250-mx\r\n250-SIZE 5\r\n250 HELP\r\n"


@given(st.integers(200, 599), st.sampled_from(["", "5.1.1"]), st.text(max_size=2000))
def test_no_text_breaks_out_of_its_line(code: int, enhanced: str, text: str) -> None:
    """A sender's text quoted in a reply must never start a reply of its own."""
    lines = Reply(code, enhanced, text).render().split(b"\r\n")
    assert lines.pop() == b""
    for line in lines:
        assert line.startswith(str(code).encode())
        assert b"\r" not in line
        assert b"\n" not in line
    assert [line[3:4] for line in lines] == [b"-"] * (len(lines) - 1) + [b" "]
    if text.isascii():
        assert all(len(line) + 2 <= MAX_LINE for line in lines)
