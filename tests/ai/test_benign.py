"""Two hundred honest messages in many languages, none of which may land in Junk.

They are seen by no training and by no choice of thresholds. A model that calls one of them spam is not released; the
test is not weakened for it.
"""

from __future__ import annotations

import pytest

from ai.classifier import Classifier

from .letters import letter, tables

MAIL = tables("benign", "message")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load()


def test_the_set_is_large_and_in_many_languages() -> None:
    assert sum(map(len, MAIL.values())) >= 200
    assert len(MAIL) >= 20
    texts = [row["text"] for rows in MAIL.values() for row in rows]
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("language", MAIL)
def test_no_benign_mail_is_above_the_threshold(classifier: Classifier, language: str) -> None:
    scores = {row["subject"]: classifier.score(letter(row)) for row in MAIL[language]}
    above = {subject: score.probability for subject, score in scores.items() if score.label == "spam"}
    assert not above
