"""IMAP's dates and times (RFC 3501 §9 date, date-time)."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

from node.wire.imap.lexer import Cursor, ParseError

MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_NUMBER_OF = {name.upper(): number for number, name in enumerate(MONTHS, 1)}
_DATE = re.compile(rb'("?)(\d{1,2})-([A-Za-z]{3})-(\d{4})\1')
_DATE_TIME = re.compile(rb'"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)"')
_EPOCH_DAY = date(1970, 1, 1).toordinal()


def read_date(cursor: Cursor) -> date:
    """A day as SEARCH takes it, in quotes or without: `1-Feb-1994`."""
    match = cursor.match(_DATE, "a date")
    return _day(match[4], match[3], match[2])


def read_date_time(cursor: Cursor) -> int:
    """APPEND's moment as unix seconds: `"17-Jul-1996 02:44:25 -0700"`."""
    match = cursor.match(_DATE_TIME, "a date and time")
    day = _day(match[3], match[2], match[1])
    minutes = int(match[8]) * 60 + int(match[9])
    zone = timezone(timedelta(minutes=-minutes if match[7] == b"-" else minutes)) if minutes < 1440 else None
    try:
        if zone is None:
            raise ParseError("time zone out of range")
        second = min(int(match[6]), 59)  # a leap second has no unix time of its own
        moment = datetime(day.year, day.month, day.day, int(match[4]), int(match[5]), second, tzinfo=zone)
        return int(moment.timestamp())
    except (ValueError, OverflowError):
        raise ParseError("no such date and time") from None


def _day(year: bytes, month: bytes, day: bytes) -> date:
    try:
        return date(int(year), _NUMBER_OF[month.upper()], int(day))
    except (ValueError, KeyError):
        raise ParseError("no such date") from None


def format_date_time(seconds: int) -> bytes:
    """Unix seconds as INTERNALDATE shows them, in UTC, with the quotes."""
    day, rest = divmod(seconds, 86400)
    hour, rest = divmod(rest, 3600)
    return b'"%b %02d:%02d:%02d +0000"' % (_format_day(day), hour, *divmod(rest, 60))


@lru_cache(maxsize=1024)
def _format_day(day: int) -> bytes:
    when = _date(day)
    return b"%2d-%b-%04d" % (when.day, MONTHS[when.month - 1], when.year)


def day_of(seconds: int) -> date:
    """The UTC day of unix seconds, as SEARCH compares INTERNALDATE "disregarding time and timezone"."""
    return _date(seconds // 86400)


def _date(day: int) -> date:
    """Days since 1970 as a date. A zone can move a client's moment just out of the years that a date can name."""
    return date.fromordinal(min(max(day + _EPOCH_DAY, 1), date.max.toordinal()))
