"""ENVELOPE and BODYSTRUCTURE, octet for octet: cases/NN-what.eml (line ends become CRLF) beside NN-what.expect."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mail.bodystructure import body, bodystructure
from node.mail.envelope import addresses, envelope
from node.mail.imap_string import nstring, string
from node.mail.part import parse
from node.mail.summary import summarize

CASES = sorted(Path(__file__).parent.joinpath("cases").glob("*.eml"))

TOKEN = re.compile(rb' |\(|\)|NIL|[0-9]+|"(?:[^"\\\r\n\x80-\xff]|\\["\\])*"')
LITERAL = re.compile(rb"\{(\d+)\}\r\n")


def tree(data: bytes) -> list[object]:
    """Read IMAP data strictly; fails on anything the grammar of RFC 3501 §9 does not allow."""
    stack: list[list[object]] = [[]]
    at = 0
    while at < len(data):
        literal = LITERAL.match(data, at)
        if literal:
            end = literal.end() + int(literal[1])
            assert end <= len(data)
            stack[-1].append(data[literal.end() : end])
            at = end
            continue
        token = TOKEN.match(data, at)
        assert token, data[at : at + 40]
        at = token.end()
        if token[0] == b"(":
            stack.append([])
        elif token[0] == b")":
            done = stack.pop()
            stack[-1].append(done)
        elif token[0] != b" ":
            stack[-1].append(token[0])
    assert len(stack) == 1
    return stack[0]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_case(case: Path) -> None:
    message = case.read_bytes().replace(b"\n", b"\r\n")
    expected = case.with_suffix(".expect").read_bytes().removesuffix(b"\n")
    summary = summarize(message)
    assert summary.envelope + b"\n" + summary.bodystructure == expected


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_bare_line_feeds_change_only_sizes(case: Path) -> None:
    """The same structure for a message whose line ends lost their CR; octet counts aside."""
    message = case.read_bytes()
    unix, dos = summarize(message), summarize(message.replace(b"\n", b"\r\n"))
    assert unix.envelope == dos.envelope
    assert re.sub(rb" \d+", b" n", unix.bodystructure) == re.sub(rb" \d+", b" n", dos.bodystructure)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_body_is_bodystructure_without_extension_data(case: Path) -> None:
    part = parse(case.read_bytes())
    short, long = tree(body(part)), tree(bodystructure(part))

    def matches(left: object, right: object) -> bool:
        if isinstance(left, list) and isinstance(right, list):
            return len(left) <= len(right) and all(map(matches, left, right))
        return left == right

    assert matches(short, long)


@given(st.lists(st.sampled_from([b"From", b"To", b"Subject", b"Date", b"Cc", b"Message-ID"])), st.data())
def test_any_header_gives_ten_items(names: list[bytes], data: st.DataObject) -> None:
    values = [data.draw(st.binary(max_size=60)) for _ in names]
    message = b"".join(b"%b: %b\r\n" % pair for pair in zip(names, values, strict=True))
    (items,) = tree(envelope(parse(message)))
    assert isinstance(items, list)
    assert len(items) == 10
    for entry in [entry for field in items[2:8] if isinstance(field, list) for entry in field]:
        assert isinstance(entry, list)
        assert len(entry) == 4
        assert entry[3] != b"NIL" or entry[0] == b"NIL"


@given(st.binary(max_size=200))
def test_any_address_field_is_read(value: bytes) -> None:
    for entry in addresses(value):
        assert entry


@given(st.text(alphabet=' \t"\\<>()@,;:[].=?axé', max_size=40))
def test_any_arrangement_of_address_marks_is_read(value: str) -> None:
    addresses(value.encode())


@given(st.binary(max_size=100))
def test_strings_are_valid_and_say_the_same(value: bytes) -> None:
    (item,) = tree(string(value))
    assert isinstance(item, bytes)
    if item.startswith(b'"') and string(value) == item:
        item = re.sub(rb"\\(.)", rb"\1", item[1:-1])
    assert item == value.replace(b"\0", b"")


def test_nil_is_not_the_empty_string() -> None:
    assert (nstring(None), nstring(b""), nstring(b"NIL")) == (b"NIL", b'""', b'"NIL"')
