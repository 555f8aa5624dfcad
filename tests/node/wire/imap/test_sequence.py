from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.wire.imap.lexer import MAX_NUMBER, Cursor, ParseError
from node.wire.imap.sequence import SequenceSet, compact, read_set

NUMBERS = st.integers(0, 50) | st.integers(0, MAX_NUMBER)
SETS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8).map(tuple).map(SequenceSet)


def members(sequence: SequenceSet, highest: int) -> set[int]:
    return {n for first, last in sequence.resolve(highest) for n in range(first, min(last, 60) + 1)}


@given(SETS)
def test_round_trip(sequence: SequenceSet) -> None:
    again = read_set(Cursor(sequence.render()))
    assert again.resolve(40) == sequence.resolve(40)


@given(SETS, st.integers(1, 60))
def test_resolved_ranges_are_sorted_apart_and_the_same_members(sequence: SequenceSet, highest: int) -> None:
    ranges = sequence.resolve(highest)
    assert all(first <= last for first, last in ranges)
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(ranges))
    wanted = set()
    for pair in sequence.ranges:
        low, high = sorted(number or highest for number in pair)
        wanted |= {n for n in range(60 + 1) if low <= n <= high}
    assert members(sequence, highest) == wanted


def test_star_is_the_last_even_below_the_first() -> None:
    assert read_set(Cursor(b"7:*")).resolve(5) == [(5, 7)]
    assert read_set(Cursor(b"1:*")).resolve(0) == []


def test_a_huge_range_costs_nothing() -> None:
    assert read_set(Cursor(b"1:4294967295")).resolve(9) == [(1, MAX_NUMBER)]


@pytest.mark.parametrize("text", [b"", b"0", b"1:0", b"1:2:3", b",1", b"1,", b"4294967296", b":", b"a", b"**"])
def test_refused(text: bytes) -> None:
    with pytest.raises(ParseError):
        read_set(Cursor(text))


def test_compact() -> None:
    assert compact([]) == b""
    assert compact([1, 2, 3, 7, 9, 10]) == b"1:3,7,9:10"
    assert compact([5, 4, 3]) == b"5,4,3"  # order is kept for COPYUID


@given(st.lists(st.integers(1, 100), unique=True, min_size=1))
def test_compact_round_trip(numbers: list[int]) -> None:
    ranges = read_set(Cursor(compact(numbers))).ranges
    assert [n for first, last in ranges for n in range(first, last + 1)] == numbers
