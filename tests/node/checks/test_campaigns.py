"""The memory of campaigns: bounded in number and time, same means same, and near means near."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ai.classifier import Margins, Reading
from ai.hashing import hashes
from ai.view import text_view
from node.checks.campaigns import ALIKE, LEAST_FEATURES, Campaigns

WORDS = ["lamp", "river", "stone", "cloud", "green", "paper", "seven", "quiet"]
WORDS += ["morning", "bread", "glass", "winter", "letter", "garden", "train", "silver"]
TEXT = " ".join(f"{one} {two}" for one in WORDS[:8] for two in WORDS[8:])
SAID = Margins((9.0, 0.0, 0.0, 0.0, 0.0), 2.0)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def reading(text: str = TEXT, sender: str = "x@sender.example") -> Reading:
    view = text_view(f"From: {sender}\nSubject: hello there\n\n{text}".encode())
    return Reading(view, hashes(view))


def memory(clock: Clock | None = None, most: int = 100) -> Campaigns:
    return Campaigns(b"s" * 32, most=most, seconds=60, clock=clock or Clock())


def keep(campaigns: Campaigns, one: Reading, *, is_spam: bool = True) -> bytes:
    key = campaigns.digest(one.view)
    campaigns.remember(key, one, SAID, is_spam=is_spam)
    return key


def test_the_same_is_remembered_for_a_while() -> None:
    clock = Clock()
    campaigns = memory(clock)
    key = keep(campaigns, reading())
    assert campaigns.same(key) == SAID
    assert campaigns.near(reading(TEXT + " lantern"), 1.0) == Margins(SAID.transformer, 1.0)
    clock.now += 61
    assert campaigns.same(key) is None
    assert campaigns.near(reading(TEXT + " lantern"), 1.0) is None


def test_the_number_is_bounded_and_the_oldest_go() -> None:
    campaigns = memory(most=5)
    keys = [keep(campaigns, reading(f"{TEXT} {chr(97 + number) * 9}")) for number in range(12)]
    assert [campaigns.same(key) is not None for key in keys] == [False] * 7 + [True] * 5
    assert (len(campaigns._same), len(campaigns._spam)) == (5, 5)
    assert len(campaigns._bands) <= 5 * 6


def test_ham_has_no_neighbours() -> None:
    campaigns = memory()
    keep(campaigns, reading(), is_spam=False)
    assert campaigns.near(reading(TEXT + " lantern"), 1.0) is None


@pytest.mark.parametrize(
    ("other", "linear", "is_near"),
    [
        (reading(TEXT + " lantern"), 1.0, True),
        (reading(TEXT + " lantern"), 0.0, False),  # the linear model sees nothing bad in it
        (reading(TEXT + " lantern", "x@elsewhere.example"), 1.0, False),  # neither sender nor links in common
        (reading(" ".join(sorted(TEXT.split()))), 1.0, False),  # the same words in another order
        (reading("lamp river"), 1.0, False),  # too short to be told apart
    ],
)
def test_what_counts_as_near(other: Reading, linear: float, is_near: bool) -> None:
    campaigns = memory()
    keep(campaigns, reading())
    assert (campaigns.near(other, linear) is not None) is is_near


def test_the_same_links_stand_for_the_same_sender() -> None:
    campaigns = memory()
    keep(campaigns, reading(TEXT + " http://evil.example/a"))
    assert campaigns.near(reading(TEXT + " http://evil.example/b1", "x@elsewhere.example"), 1.0)
    assert not campaigns.near(reading(TEXT + " http://other.example/b1", "x@elsewhere.example"), 1.0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 63), max_size=20), st.lists(st.sampled_from(WORDS), max_size=15))
def test_near_is_never_less_alike_than_it_says(dropped: list[int], added: list[str]) -> None:
    """However the sketch chooses its candidates, the comparison behind it is exact."""
    words = [word for at, word in enumerate(TEXT.split()) if at not in dropped] + added
    campaigns, first, other = memory(), reading(), reading(" ".join(words))
    keep(campaigns, first)
    shared = len(set(first.hashes) & set(other.hashes)) / len(set(first.hashes) | set(other.hashes))
    near = campaigns.near(other, 1.0)
    assert near is None or (shared >= ALIKE and len(other.hashes) >= LEAST_FEATURES)
    if shared > 0.98:
        assert near


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.text(max_size=60))
def test_equal_digests_mean_equal_features(one: str, other: str) -> None:
    campaigns = memory()
    first, second = reading(f"{TEXT} {one}"), reading(f"{TEXT} {other}")
    if campaigns.digest(first.view) == campaigns.digest(second.view):
        assert first.hashes == second.hashes


def test_the_digest_tells_fields_apart() -> None:
    """What moves from one field to its neighbour is another message."""
    campaigns = memory()
    raws = [
        b"From: a@b.example\nSubject: one two\n\nthree",
        b"From: a@b.example\nSubject: one\n\ntwo three",
        b"From: one <a@b.example>\nSubject: two\n\nthree",
        b"From: a@b.example\nSubject: one two\n\nthree http://x.example",
        b"From: a@b.example\nSubject: one two\nContent-Type: text/html\n\n<form>three</form>",
    ]
    assert len({campaigns.digest(text_view(raw)) for raw in raws}) == len(raws)
