"""Writes modern mail of our own, ham and spam on the same skeletons.

Public corpora teach that HTML, recent years and every language but English mean spam. These samples unteach it: each
language has the same kinds of ham and spam, the same layouts, footers, tracking links and encodings, so that only the
words and the deceit can tell them apart. The texts are in ``phrases/``; firms and people are invented, well-known
brands are named as their real mail and its imitations name them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import cache

from ai.data.compose import compose
from ai.data.corpus import Sample
from ai.data.disguise import disguise, lengthen
from ai.data.layout import render
from ai.data.scenarios import Scenario, languages, scenarios

ENGLISH = 0.5  # share of English mail
_DISGUISED = 0.22  # of spam
_LENGTHENED = 0.25  # of ham: long mail must not be what spam with a cover is
_CATEGORIES = (("malware", "malware_lure"), ("phishing", "phish"), ("scam", "scam"), ("spam", "bulk"))


def samples(count: int, *, seed: int, held_out: bool = False, plain: bool = False) -> Iterator[Sample]:
    """Yield ``count`` messages, half of them spam, half of them English; the same seed gives the same bytes.

    ``held_out`` uses only scenarios that the other setting never uses, for validation. ``plain``: no disguises.
    """
    chance = random.Random(seed)  # noqa: S311 - variety, not secrecy
    others = [language for language in languages() if language != "en"]
    for number in range(count):
        language = "en" if not others or chance.random() < ENGLISH else chance.choice(others)
        ham, spam = divided(language, held_out)
        if not ham or not spam:  # a language with few scenarios may have none to hold out
            ham, spam = divided("en", held_out)
        scenario = chance.choice(spam if number % 2 else ham)
        letter = compose(chance, scenario)
        telling = ""
        if scenario.is_spam and not plain and chance.random() < _DISGUISED:
            telling = disguise(chance, letter, ham)
        elif not scenario.is_spam and chance.random() < _LENGTHENED:
            lengthen(chance, letter, ham)
        split = "synthetic_val" if held_out else "synthetic"
        yield Sample(
            f"syn-{seed}-{number}",
            "synthetic",
            split,
            scenario.is_spam,
            category(scenario),
            render(chance, letter),
            scenario.labels,
            telling,
        )


@cache
def divided(language: str, held_out: bool) -> tuple[tuple[Scenario, ...], tuple[Scenario, ...]]:
    """(ham, spam) scenarios of a language, those for training or those held out."""
    chosen = [scenario for scenario in scenarios(language) if scenario.is_held_out == held_out]
    return tuple(one for one in chosen if not one.is_spam), tuple(one for one in chosen if one.is_spam)


def category(scenario: Scenario) -> str:
    """The corpus's word for a scenario's labels."""
    return next((name for label, name in _CATEGORIES if label in scenario.labels), "ham")
