"""Header fields: found where they stand, read without a crash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.mail.headers import Field, decoded, fields, get, header_end, unfolded
from node.mail.parameters import decoded_param, parse_type, parse_value, without_comments

HEADER = b"From x Mon Jan 1\r\nSubject : a\r\n b\r\nno field\r\nX-1:\r\nsubject: second\r\n\r\nBody: no\r\n"


def test_fields_stand_where_they_say() -> None:
    end = header_end(HEADER, 0, len(HEADER))
    found = fields(HEADER, 0, end)
    assert [(each.name, each.value) for each in found] == [
        (b"Subject", b" a\r\n b"),
        (b"X-1", b""),
        (b"subject", b" second"),
    ]
    assert HEADER[found[0].start : found[0].end] == b"Subject : a\r\n b\r\n"
    assert found[1] == Field(b"X-1", b"", HEADER.index(b"X-1"), HEADER.index(b"subject"))


def test_get_takes_the_first_in_any_case() -> None:
    assert get(HEADER, 0, len(HEADER), b"SUBJECT") == b"a b"
    assert get(HEADER, 0, len(HEADER), b"Cc") is None


@pytest.mark.parametrize(
    ("data", "end"),
    [
        (b"", 0),
        (b"\n", 1),
        (b"\r\n", 2),
        (b"A: b", 4),
        (b"A: b\n\nx", 6),
        (b"A: b\r\n\r\nx", 8),
        (b"A: b\r\n\nx", 7),
        (b"a\n \n\nb", 5),
    ],
)
def test_where_the_body_begins(data: bytes, end: int) -> None:
    assert header_end(data, 0, len(data)) == end


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b" plain ", "plain"),
        (b"=?utf-8?q?J=C3=BCrgen_M?=", "Jürgen M"),
        (b"=?UTF-8?B?w6TDtsO8?= =?utf-8?b?w58=?=", "äöüß"),
        (b"=?utf-8?q?=C3?=\r\n =?utf-8?q?=A4?=", "ä"),
        (b"=?iso-8859-1*de?q?=E4?= und =?koi8-r?b?0NLJ18XU?=", "ä und привет"),
        (b"a =?utf-8?q?b?=c", "a bc"),
        (b"=?utf-8?x?no?=", "=?utf-8?x?no?="),
        (b"=?utf-8?b?A?=", "=?utf-8?b?A?="),
        (b"=?no-such?q?=E4?=", "ä"),
        (b"=?utf-8?q?broken", "=?utf-8?q?broken"),
        ("grüße".encode(), "grüße"),
        ("grüße".encode("latin-1"), "grüße"),
        (b"=?utf-8?q?a\0b?=", "a\0b"),
    ],
)
def test_values_become_readable(value: bytes, text: str) -> None:
    assert decoded(value) == text


@given(st.binary(max_size=200))
def test_any_bytes_are_a_header(data: bytes) -> None:
    for field in fields(data, 0, len(data)):
        assert data[field.start : field.end].startswith(field.name)
        assert field.value in data[field.start : field.end]
    header_end(data, 0, len(data))
    unfolded(data)
    decoded(data)


@given(st.text(alphabet="=?utf-8qbQB* \tAé_\n", max_size=60))
def test_anything_like_an_encoded_word_is_read(value: str) -> None:
    decoded(value.encode())


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (b"attachment; filename=a.txt", "a.txt"),
        (b'attachment; filename="a\\"b.txt"', 'a"b.txt'),
        (b"attachment; filename*=utf-8'en'%e2%82%ac.txt", "€.txt"),
        (b"attachment; filename*0*=utf-8''%e2%82; filename*1*=%ac; filename*2=.txt; filename=old", "€.txt"),
        (b"attachment; filename*1=b; filename*0=a; filename*3=d", "ab"),
        (b"attachment; filename==?utf-8?q?=C3=A4?=.txt", "ä.txt"),
        (b"attachment; filename*=%41", "A"),
        (b"attachment", None),
    ],
)
def test_file_names_are_put_together(value: bytes, name: str | None) -> None:
    assert decoded_param(parse_value(value)[1], b"filename") == name


@given(st.text(alphabet="/;=*\"\\() \t'%0a1é", max_size=50))
def test_any_content_type_is_read(value: str) -> None:
    _, params = parse_type(b"a/b" + value.encode())
    decoded_param(params, b"a")
    parse_type(value.encode())
    without_comments(value.encode())
