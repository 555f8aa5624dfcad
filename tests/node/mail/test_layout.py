"""Part numbers as RFC 3501 §6.4.5 counts them, from the packed layout alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mail.layout import Kind, Layout, Span, pack, shifted, unpack
from node.mail.part import Part, parse

# The example of RFC 3501 §6.4.5, line for line in structure.
EXAMPLE = b"""\
Subject: top
Content-Type: multipart/mixed; boundary=top

--top
Content-Type: text/plain

one
--top
Content-Type: application/octet-stream
Content-Transfer-Encoding: BASE64

two
--top
Content-Type: message/rfc822

Subject: three
Content-Type: multipart/mixed; boundary=three

--three
Content-Type: text/plain

three-one
--three
Content-Type: application/octet-stream
Content-Transfer-Encoding: x-own

three-two
--three--
--top
Content-Type: multipart/mixed; boundary=four

--four
Content-Type: image/gif

four-one
--four
Content-Type: message/rfc822

Subject: four-two
Content-Type: multipart/alternative; boundary=fourtwo

--fourtwo
Content-Type: text/plain

four-two-one
--fourtwo
Content-Type: text/richtext

four-two-two
--fourtwo--
--four--
--top
Content-Type: message/rfc822

Subject: five

five
--top--
"""


def layout_of(data: bytes) -> Layout:
    return unpack(pack(parse(data)))


def body(span: Span | None) -> bytes | None:
    return None if span is None else EXAMPLE[span.body_start : span.body_end]


@pytest.mark.parametrize(
    ("section", "content"),
    [
        ((1,), b"one"),
        ((2,), b"two"),
        ((3, 1), b"three-one"),
        ((3, 2), b"three-two"),
        ((4, 1), b"four-one"),
        ((4, 2, 1), b"four-two-one"),
        ((4, 2, 2), b"four-two-two"),
        ((5, 1), b"five"),
        ((1, 1), None),
        ((2, 1), None),
        ((5, 1, 1), None),
        ((5, 2), None),
        ((3, 3), None),
        ((6,), None),
        ((0,), None),
        ((4, 2, 3), None),
    ],
)
def test_numbers_name_the_parts_of_the_standards_example(section: tuple[int, ...], content: bytes | None) -> None:
    assert body(layout_of(EXAMPLE).find(section)) == content


@pytest.mark.parametrize(
    ("section", "subject"),
    [((), b"top"), ((3,), b"three"), ((4, 2), b"four-two"), ((5,), b"five"), ((1,), None), ((4,), None), ((9,), None)],
)
def test_header_and_text_speak_of_the_message_inside(section: tuple[int, ...], subject: bytes | None) -> None:
    span = layout_of(EXAMPLE).message(section)
    found = None if span is None else EXAMPLE[span.header_start : span.body_start].splitlines()[0]
    assert found == (None if subject is None else b"Subject: " + subject)


def test_the_whole_message_is_the_empty_section() -> None:
    span = layout_of(EXAMPLE).find(())
    assert span is not None
    assert (span.header_start, span.body_end, span.kind) == (0, len(EXAMPLE), Kind.MULTIPART)


def test_a_message_of_one_part_has_a_part_1() -> None:
    layout = layout_of(b"Subject: x\r\n\r\nhello\r\n")
    assert layout.find((1,)) == Span(0, 14, 21, "7bit", Kind.LEAF)
    assert layout.find((1, 1)) is None
    assert layout.find((2,)) is None


def test_a_message_that_is_a_message() -> None:
    data = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nhello\r\n"
    layout = layout_of(data)
    outer, inner, text = layout.find((1,)), layout.message((1,)), layout.find((1, 1))
    assert outer is not None
    assert inner is not None
    assert text is not None
    assert outer.kind == Kind.MESSAGE
    assert data[inner.header_start : inner.body_start] == b"Subject: in\r\n\r\n"
    assert data[text.body_start : text.body_end] == b"hello\r\n"


def test_encodings_are_known() -> None:
    layout = layout_of(EXAMPLE)
    assert [span.encoding if (span := layout.find(each)) else None for each in [(1,), (2,), (3, 2)]] == [
        "7bit",
        "base64",
        "",
    ]


@pytest.mark.parametrize("packed", [b"", b"\x01", b"\x03" + bytes(16), b"\x01" + bytes(15), b"junk"])
def test_a_damaged_layout_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError, match="no packed layout"):
        unpack(packed)


def test_offsets_beyond_4_gib_are_kept() -> None:
    part = Part(0, 100, 1 << 33, ("application", "pdf"), (), {})
    assert unpack(pack(part)).find(()) == Span(0, 100, 1 << 33, "7bit", Kind.LEAF)


@given(st.binary(max_size=40).map(lambda noise: b"Received: " + noise.hex().encode() + b"\r\n"))
def test_a_shifted_layout_is_that_of_the_longer_message(field: bytes) -> None:
    assert shifted(pack(parse(EXAMPLE)), len(field)) == pack(parse(field + EXAMPLE))


def test_a_shift_across_4_gib_changes_the_form() -> None:
    inner = Part(100, 120, (1 << 32) - 1, ("text", "plain"), (), {})
    part = Part(0, 100, (1 << 32) - 1, ("message", "rfc822"), (), {}, message=inner)
    layout = unpack(shifted(pack(part), 10))
    assert layout.find(()) == Span(0, 110, (1 << 32) + 9, "7bit", Kind.MESSAGE)
    assert layout.message((1,)) == Span(110, 130, (1 << 32) + 9, "7bit", Kind.LEAF)
