"""What moved a verdict: measured, bounded, and with the right sign."""

from __future__ import annotations

import time
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.classifier import Classifier
from ai.explain import LEAST, MOST_SENTENCES, MOST_SHOWN, explain, sentences
from ai.reasons import Reason

CASES = sorted(Path(__file__).with_name("cases").glob("*.eml"))
BANK = next(path for path in CASES if path.name.startswith("spam-01"))


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load()


def mail(subject: str, text: str, sender: str = "Ann <ann@firm.example>") -> bytes:
    message = EmailMessage()
    message["From"], message["Subject"] = sender, subject
    message.set_content(text)
    return message.as_bytes()


# --- sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("One thing here. And another! And a third?", ["One thing here.", "And another!", "And a third?"]),
        ("See www.shop.example for it. Thank you much.", ["See www.shop.example for it.", "Thank you much."]),
        ("Hi. The meeting is on Tuesday.", ["Hi. The meeting is on Tuesday."]),
        (
            "今日はとても良い天気ですね。会議は明日の十時からです。",
            ["今日はとても良い天気ですね。", "会議は明日の十時からです。"],
        ),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(max_size=3000))
def test_sentences_are_bounded_and_lose_nothing(text: str) -> None:
    found = sentences(" ".join(text.split()))
    assert len(found) <= MOST_SENTENCES
    assert all(0 < len(sentence) <= 260 for sentence in found)
    if len(found) < MOST_SENTENCES:
        assert "".join("".join(found).split()) == "".join(text.split())


def test_of_many_sentences_those_at_both_ends_are_looked_at() -> None:
    found = sentences(" ".join(f"This is sentence number {number}." for number in range(500)))
    assert len(found) == MOST_SENTENCES
    assert found[0].endswith(" 0.")
    assert found[-1].endswith(" 499.")


# --- explanations


def test_the_verdict_is_the_same_with_and_without_an_explanation(classifier: Classifier) -> None:
    for path in CASES[::8]:
        raw = path.read_bytes()
        plain, explained = classifier.score(raw), explain(classifier, raw).score
        assert (plain.probability, plain.label, plain.classes) == (
            explained.probability,
            explained.label,
            explained.classes,
        )
        assert set(plain.reasons) == set(explained.reasons)


def test_a_lure_explains_itself(classifier: Classifier) -> None:
    found = explain(classifier, BANK.read_bytes())
    features = {piece.text for piece in found.contributions if piece.kind == "feature"}
    assert {Reason.LINK, Reason.NUMBER} & features
    assert found.score.sentences
    assert any("card details" in sentence or "restricted" in sentence for sentence in found.score.sentences)


def test_the_deceit_weighs_more_than_the_filler(classifier: Classifier) -> None:
    lure = "Confirm your password and card number within 24 hours or your account will be closed permanently."
    filler = "The library will be closed on Monday because of the public holiday."
    found = explain(
        classifier, mail("Your account is suspended", f"{filler} {lure}", "Support <x@account-check.example>")
    )
    margins = {piece.text: piece.margin for piece in found.contributions if piece.kind == "sentence"}
    assert margins.get(lure, 0.0) > margins.get(filler, 0.0)


def test_contributions_are_sorted_and_no_noise(classifier: Classifier) -> None:
    for path in CASES[::10]:
        found = explain(classifier, path.read_bytes())
        sizes = [abs(piece.margin) for piece in found.contributions]
        assert sizes == sorted(sizes, reverse=True)
        assert min(sizes, default=LEAST) >= LEAST
        assert len(found.score.sentences) <= MOST_SHOWN


def test_sentences_of_a_score_pulled_towards_its_verdict(classifier: Classifier) -> None:
    for path in CASES[::6]:
        found = explain(classifier, path.read_bytes())
        direction = 1 if found.score.label == "spam" else -1
        margins = {piece.text: piece.margin for piece in found.contributions if piece.kind == "sentence"}
        assert all(margins[sentence] * direction > 0 for sentence in found.score.sentences)


def test_it_takes_a_moment_and_no_more(classifier: Classifier) -> None:
    text = " ".join(f"Please confirm item number {number} of your order today." for number in range(400))
    began = time.thread_time()
    explain(classifier, mail("Order", text))
    assert time.thread_time() - began < 3
