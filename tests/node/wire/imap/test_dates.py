from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.wire.imap.dates import day_of, format_date_time, read_date, read_date_time
from node.wire.imap.lexer import Cursor, ParseError


@given(st.integers(-(10**10), 10**11))
def test_round_trip(seconds: int) -> None:
    assert read_date_time(Cursor(format_date_time(seconds))) == seconds


def test_known_moment() -> None:
    moment = int(datetime(1996, 7, 7, 9, 44, 25, tzinfo=UTC).timestamp())
    assert read_date_time(Cursor(b'" 7-Jul-1996 02:44:25 -0700"')) == moment
    assert format_date_time(moment) == b'" 7-Jul-1996 09:44:25 +0000"'
    assert day_of(moment) == date(1996, 7, 7)


@pytest.mark.parametrize(
    "text",
    [b'"31-Feb-1996 02:44:25 +0000"', b'"17-Jul-1996 24:00:00 +0000"', b'"17-Jul-1996 02:44:25 +9999"',
     b'"17-Jul-0000 02:44:25 +0000"', b"17-Jul-1996", b'""'],
)  # fmt: skip
def test_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        read_date_time(Cursor(text))


def test_a_leap_second_is_taken() -> None:
    assert read_date_time(Cursor(b'"30-Jun-2015 23:59:60 +0000"')) == read_date_time(
        Cursor(b'"30-Jun-2015 23:59:59 +0000"')
    )


@pytest.mark.parametrize(
    ("text", "day"),
    [(b'"31-Dec-9999 23:59:59 -2359"', date(9999, 12, 31)), (b'" 1-Jan-0001 00:00:00 +2359"', date(1, 1, 1))],
)
def test_a_zone_that_leads_out_of_the_calendar(text: bytes, day: date) -> None:
    moment = read_date_time(Cursor(text))
    assert day_of(moment) == day
    assert format_date_time(moment)


def test_days() -> None:
    assert read_date(Cursor(b"1-feb-1994")) == date(1994, 2, 1)
    with pytest.raises(ParseError):
        read_date(Cursor(b'"1-Feb-1994'))
