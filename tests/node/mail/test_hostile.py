"""Input made to cost time: the answer comes, and soon."""

from __future__ import annotations

import time

import pytest

from node.mail.headers import decoded, fields
from node.mail.part import MAX_PARTS, parse
from node.mail.summary import summarize
from node.mail.text import plain

MEGABYTE = 1 << 20
BUDGET = 3.0  # seconds of CPU for one or a few MiB; quadratic behaviour takes minutes


def multipart(part: bytes, count: int) -> bytes:
    return b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + (b"--b\r\n" + part) * count


def deep(payload: bytes) -> bytes:
    heads = b"".join(b"Content-Type: multipart/mixed; boundary=%d\r\n\r\n--%d\r\n" % (n, n) for n in range(99))
    return heads + b"\r\n" + payload


HOSTILE = {
    "one header of blanks": b"Subject:" + b" " * MEGABYTE,
    "one header of folds": b"Subject:" + b"\r\n " * (MEGABYTE // 3),
    "many tiny fields": b"a:\n" * (MEGABYTE // 3),
    "many address fields": b"To:a\n" * (MEGABYTE // 5),
    "address marks": b"From: " + b"<@:,;" * (MEGABYTE // 5),
    "open comments": b"From: " + b"(" * MEGABYTE,
    "open quotes": b"From: " + b'"\\' * (MEGABYTE // 2),
    "half encoded words": b"From: " + b"=?a?q?" * (MEGABYTE // 6),
    "semicolons": b"Content-Type: a/b" + b"; " * (MEGABYTE // 2),
    "parameters": b"Content-Type: a/b" + b";a*0=b" * (MEGABYTE // 6),
    "parameter without value": b"Content-Type: a/b;" + b"a" * MEGABYTE + b" ",
    "comments in a type": b"Content-Type: a/b" + b"()" * (MEGABYTE // 2),
    "no end of header": b"x" * MEGABYTE,
    "line feeds": b"\n" * MEGABYTE,
    "almost delimiters": multipart(b"--bb\r\n" * 100, 2000),
    "delimiters with blanks": multipart(b"--b" + b" " * 1000 + b"x\r\n", 1000),
    "messages with addresses": multipart(b"Content-Type: message/rfc822\r\n\r\nTo: " + b"a," * 200 + b"\r\n\r\n", 5000),
    "parts with parameters": multipart(b"Content-Type: text/plain" + b";a=b" * 250 + b"\r\n\r\n", 2000),
    "all parts": multipart(b"\r\n\r\n", 2 * MAX_PARTS),
    "a hundred levels around much": deep(b"-" * (4 * MEGABYTE)),
    "a hundred levels around almost delimiters": deep(b"\r\n--" * MEGABYTE),
    "messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 100 + b"\n" * (4 * MEGABYTE),
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_messages_take_bounded_time(message: bytes) -> None:
    before = time.thread_time()
    summary = summarize(message)
    plain(message, parse(message))
    assert time.thread_time() - before < BUDGET
    assert len(summary.bodystructure) <= 4 * len(message) + 100_000


@pytest.mark.parametrize("piece", [b"=?", b"=?a?q?b?=", b"=?utf-8?b?", b" ", b"\r\n ", b"\xff"])
def test_hostile_values_take_bounded_time(piece: bytes) -> None:
    before = time.thread_time()
    decoded(piece * (MEGABYTE // len(piece)))
    fields(piece * (MEGABYTE // len(piece)), 0, MEGABYTE)
    assert time.thread_time() - before < BUDGET
