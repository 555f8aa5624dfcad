"""The structure of a message: spans that nest, bounds that hold, and sense made of nonsense."""

from __future__ import annotations

import mmap
import tempfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mail.part import MAX_DEPTH, MAX_PARTS, Part, parse
from node.mail.summary import summarize

LINES = st.lists(
    st.sampled_from(
        [
            b"Content-Type: multipart/mixed; boundary=a",
            b'Content-Type: multipart/digest; boundary="b b"',
            b"Content-Type: multipart/alternative; boundary=a--",
            b"Content-Type: multipart/mixed",
            b"Content-Type: message/rfc822",
            b"Content-Type: text/html; charset*0*=utf-8''x; charset*1=y",
            b"Content-Type: text",
            b'content-type : application/pdf; name="a\\"b"; (comment',
            b"Content-Transfer-Encoding: base64",
            b"Content-Disposition: attachment; filename=\xff\x00",
            b"Content-Language: en,, de",
            b"From: A <a@b>, g: c@d, e;, <@r,@s:t@u>",
            b'To: "unclosed <x@y',
            b"Subject: =?utf-8?q?x?=",
            b" folded",
            b"--a",
            b"--a--",
            b"--a----",
            b"--b b",
            b"--b b-- \t",
            b"--ab",
            b"text",
            b"",
            b"\x00\xff",
            b"\r",
        ]
    ),
    max_size=60,
)


def check_spans(part: Part, data: bytes) -> None:
    """Every span lies within its parent's body, in order; header and body join to the whole part."""
    assert 0 <= part.header_start <= part.body_start <= part.body_end <= len(data)
    whole = data[part.header_start : part.body_start] + data[part.body_start : part.body_end]
    assert whole == data[part.header_start : part.body_end]
    at = part.body_start
    for child in part.children:
        assert at <= child.header_start <= child.body_end <= part.body_end
        at = child.body_end
        check_spans(child, data)
    if part.message is not None:
        assert (part.message.header_start, part.message.body_end) == (part.body_start, part.body_end)
        check_spans(part.message, data)
    assert bool(part.children) == (part.content_type[0] == "multipart")
    assert (part.message is not None) == (part.content_type == ("message", "rfc822"))


@given(st.binary(max_size=400))
def test_any_bytes_parse(data: bytes) -> None:
    check_spans(parse(data), data)
    summarize(data)


@given(LINES, st.sampled_from([b"\r\n", b"\n"]))
def test_any_arrangement_of_lines_parses(lines: list[bytes], end: bytes) -> None:
    data = end.join(lines)
    check_spans(parse(data), data)
    summarize(data)


@given(LINES)
def test_a_mapped_file_reads_like_bytes(lines: list[bytes]) -> None:
    data = b"\r\n".join(lines) + b"\n"
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            assert summarize(mapped) == summarize(data)


def nested(depth: int, inner: bytes = b"\r\nend") -> bytes:
    for level in range(depth):
        inner = b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n%b\r\n--b%d--\r\n" % (
            level,
            level,
            inner,
            level,
        )
    return inner


def test_nested_1000_deep_stops_at_the_bound() -> None:
    data = nested(1000)
    part = parse(data)
    check_spans(part, data)
    parts = list(part.walk())
    assert len(parts) == MAX_DEPTH + 1
    assert parts[-1].content_type == ("application", "octet-stream")
    summarize(data)


def test_messages_nested_1000_deep_stop_at_the_bound() -> None:
    data = b"Content-Type: message/rfc822\r\n\r\n" * 1000
    assert len(list(parse(data).walk())) == MAX_DEPTH + 1
    summarize(data)


@pytest.mark.parametrize("count", [MAX_PARTS - 1, MAX_PARTS, 3 * MAX_PARTS])
def test_parts_are_counted(count: int) -> None:
    data = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * count + b"--b--\r\n"
    part = parse(data)
    check_spans(part, data)
    assert len(part.children) == min(count, MAX_PARTS - 1)
    summarize(data)
