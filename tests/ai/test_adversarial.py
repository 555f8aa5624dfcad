"""Spam in disguise: what a person still reads as spam must not become ham for the model.

Written cases (rephrased as a language model would, an image instead of text) and mechanical tricks on the base cases,
in six languages. The tricks are the test's own code: training mail is disguised by other code (`ai.data.disguise`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from ai.bury import bury
from ai.classifier import Classifier
from ai.fold import skeleton
from ai.view import text_view

from .letters import letter, tables

CASES = tables("adversarial", "case")
BASES = [(language, row) for language, rows in CASES.items() for row in rows if row["trick"] == "base"]
TWINS = str.maketrans(
    "aceiopxyABCEHKMOPTX",
    "\u0430\u0441\u0435\u0456\u043e\u0440\u0445\u0443\u0410\u0412\u0421\u0415\u041d\u041a\u041c\u041e\u0420\u0422\u0425",
)
BACK = str.maketrans({twin: chr(letter) for letter, twin in TWINS.items()})
LEET = str.maketrans("aeioAEIO", "43104310")
# What the shipped model reaches, rounded down; raise each with every better model. All should be 0.9.
KEPT = {"homoglyph": 0.9, "zero-width": 0.9, "leet": 0.9, "typos": 0.7}  # share of recall kept in a disguise
PLAIN, KEPT_IN_HAM, REPHRASED, IMAGE = 0.6, 0.7, 0.3, 0.3


def _words(text: str, seed: int, share: float, change: Callable[[str], str]) -> str:
    """Change a share of the words; links stay, or they would lead nowhere."""
    chance = random.Random(seed)
    words = [change(word) if "://" not in word and chance.random() < share else word for word in text.split(" ")]
    return " ".join(words)


def _homoglyphs(word: str) -> str:
    """Some letters of a word from the other script."""
    table = TWINS if word.isascii() else BACK
    return "".join(letter.translate(table) if at % 2 else letter for at, letter in enumerate(word))


def _typo(word: str) -> str:
    return word[0] + word[2] + word[1] + word[3:] if len(word) > 4 else word


TRICKS: dict[str, Callable[[str], str]] = {
    "homoglyph": lambda text: _words(text, 1, 0.5, _homoglyphs),
    "zero-width": lambda text: _words(text, 2, 0.7, "\u200b".join),
    "leet": lambda text: _words(text, 3, 0.35, lambda word: word.translate(LEET)),
    "typos": lambda text: _words(text, 4, 0.3, _typo),
}


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load()


@cache
def caught_bases() -> list[tuple[str, dict[str, Any]]]:
    model = Classifier.load()
    return [(language, row) for language, row in BASES if model.score(letter(row)).label == "spam"]


def _ham() -> list[str]:
    """Ordinary words, for the beginning and the end: the benign set's own."""
    rows = [row for rows in tables("benign", "message").values() for row in rows]
    return [word for row in rows for word in row["text"].split()]


def test_the_set_is_whole() -> None:
    assert len(CASES) == 6
    for language, rows in CASES.items():
        tricks = [row["trick"] for row in rows]
        assert (tricks.count("base"), tricks.count("rephrased"), tricks.count("image")) == (3, 2, 1), language


def test_most_of_the_plain_spam_is_caught() -> None:
    caught = [(language, row["subject"]) for language, row in caught_bases()]
    missed = [(language, row["subject"]) for language, row in BASES if (language, row["subject"]) not in caught]
    assert len(caught) >= PLAIN * len(BASES), missed


@pytest.mark.parametrize("trick", TRICKS)
def test_a_disguise_does_not_hide_spam(classifier: Classifier, trick: str) -> None:
    """Of what is caught undisguised, nine tenths are caught in most disguises, too."""
    missed = []
    for language, row in caught_bases():
        disguised = {**row, "text": TRICKS[trick](row["text"]), "subject": TRICKS[trick](row["subject"])}
        score = classifier.score(letter(disguised))
        if score.label != "spam":
            missed.append((language, row["subject"], round(score.probability, 3)))
    assert len(missed) <= (1 - KEPT[trick]) * len(caught_bases()), missed


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_ham_around_it_does_not_hide_spam(classifier: Classifier, after: bool) -> None:
    missed = []
    words = _ham()
    for seed, (language, row) in enumerate(caught_bases()):
        buried = bury(letter(row), words, seed, after=after)
        assert buried
        score = classifier.score(buried)
        if score.label != "spam":
            missed.append((language, row["subject"], round(score.probability, 3)))
    assert len(missed) <= (1 - KEPT_IN_HAM) * len(caught_bases()), missed


@pytest.mark.parametrize(("trick", "share"), [("rephrased", REPHRASED), ("image", IMAGE)])
def test_spam_in_other_words_or_none_is_caught(classifier: Classifier, trick: str, share: float) -> None:
    rows = [(language, row) for language, rows in CASES.items() for row in rows if row["trick"] == trick]
    scores = {(language, row["subject"]): classifier.score(letter(row)) for language, row in rows}
    missed = [(*key, round(score.probability, 3)) for key, score in scores.items() if score.label != "spam"]
    assert len(missed) <= (1 - share) * len(rows), missed


# --- what the view makes of the tricks: exact, whatever model there is


@pytest.mark.parametrize("language", [name for name in CASES if name != "ru"])
@pytest.mark.parametrize("trick", ["homoglyph", "zero-width"])
def test_folding_undoes_what_the_eye_does_not_see(language: str, trick: str) -> None:
    row = next(row for row in CASES[language] if row["trick"] == "base")
    plain = text_view(letter(row))
    disguised = text_view(letter({**row, "text": TRICKS[trick](row["text"])}))
    assert skeleton(disguised.text) == skeleton(plain.text)
    assert disguised.disguises.any
    assert not plain.disguises.any
