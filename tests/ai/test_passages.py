"""The passage that looks worst: found wherever it stands, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ai.classifier import Classifier
from ai.hashing import BUCKETS, located_words, numbers_of
from ai.passages import WORDS, worst_passage

CALM = "we walked home by the river and talked about the garden " * 30
BAD = "wire the inheritance now " * 12
_TABLE = np.zeros(BUCKETS)
_TABLE[numbers_of(["inheritance", "wire"])[0]] = 1.0


def weigh(features: Sequence[int]) -> NDArray[np.float64]:
    return _TABLE[list(features)]


@pytest.mark.parametrize(
    ("text", "inside"),
    [(CALM + BAD + CALM, True), (BAD + CALM, False), (CALM + BAD, False), (CALM[:2000] + BAD + CALM, True)],
)
def test_the_worst_passage_is_found(text: str, inside: bool) -> None:
    found = worst_passage(text, weigh)
    assert found is not None
    assert found.text.count("inheritance") >= 9
    assert found.is_inside is inside


def test_a_short_text_has_no_passages() -> None:
    assert worst_passage(BAD, weigh) is None
    assert worst_passage("", weigh) is None


def test_a_text_without_spaces_has_passages_of_characters() -> None:
    found = worst_passage("天気がいいので散歩に行きました" * 60, weigh)
    assert found is not None
    assert 0 < len(found.text) <= 3 * WORDS


@given(st.text(max_size=3000))
def test_any_text_is_read_in_bounds(text: str) -> None:
    words, starts = located_words(text)
    assert len(words) == len(starts)
    assert starts == sorted(starts)
    found = worst_passage(text, weigh)
    assert (found is None) == (len(words) <= 2 * WORDS)


def test_the_transformer_reads_it(classifier: Classifier) -> None:
    view = classifier.read(b"From: Ann <ann@firm.example>\r\nSubject: x\r\n\r\n" + (CALM * 2).encode()).view
    plain = classifier.reader.windows(view)
    assert classifier.reader.windows(view, BAD)[:-1] == plain
    assert len(plain) == 2


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load()
