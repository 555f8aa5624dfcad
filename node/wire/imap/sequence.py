"""Sequence sets: kept as ranges, never expanded, so that `1:4294967295` costs nothing (RFC 3501 §9 sequence-set)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from node.wire.imap.lexer import MAX_NUMBER, Cursor, ParseError

STAR = 0
"""Stands for "*", the highest number in use."""

_SET = re.compile(rb"[0-9*][0-9*:,]*")
_RANGE = re.compile(rb"(\d{1,10}|\*)(?::(\d{1,10}|\*))?\Z")


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Ranges as the client wrote them: pairs of numbers, each 1 to 2**32-1 or `STAR`, in any order."""

    ranges: tuple[tuple[int, int], ...]

    def resolve(self, highest: int) -> list[tuple[int, int]]:
        """Sorted, merged, inclusive ranges with "*" replaced by `highest`.

        `7:*` on a mailbox whose highest number is 5 is `5:7`: the last message always matches (RFC 3501 §6.4.8).
        With nothing in the mailbox (`highest` 0) the result is empty.
        """
        if not highest:
            return []
        pairs = ((first or highest, last or highest) for first, last in self.ranges)
        merged: list[tuple[int, int]] = []
        for first, last in sorted((min(pair), max(pair)) for pair in pairs):
            if merged and first <= merged[-1][1] + 1:
                merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
            else:
                merged.append((first, last))
        return merged

    def render(self) -> bytes:
        """The set as it goes on the wire."""
        return b",".join(_render_range(first, last) for first, last in self.ranges)


def read_set(cursor: Cursor) -> SequenceSet:
    """Read a sequence set; its length is bounded by the command's."""
    return SequenceSet(tuple(map(_read_range, cursor.match(_SET, "a sequence set")[0].split(b","))))


def _read_range(text: bytes) -> tuple[int, int]:
    match = _RANGE.match(text)
    if not match:
        raise ParseError("bad sequence set")
    first = _read_number(match[1])
    return first, first if match[2] is None else _read_number(match[2])


def _read_number(text: bytes) -> int:
    if text == b"*":
        return STAR
    value = int(text)
    if not 0 < value <= MAX_NUMBER:
        raise ParseError("sequence numbers are 1 to 4294967295")
    return value


def _render_range(first: int, last: int) -> bytes:
    one, two = (b"*" if number == STAR else b"%d" % number for number in (first, last))
    return one if one == two else one + b":" + two


def compact(numbers: Iterable[int]) -> bytes:
    """Numbers as a sequence set in the given order, neighbours joined: 1,2,3,7 becomes `1:3,7`.

    The order is kept because COPYUID pairs its two sets up by position (RFC 4315 §3).
    """
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return b",".join(_render_range(first, last) for first, last in ranges)
