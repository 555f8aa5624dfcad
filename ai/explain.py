"""Which parts of a message moved its verdict: measured by leaving each out and by showing each alone.

Bounded in passes and time; a verdict itself takes one or two passes, an explanation up to sixty.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from ai.classifier import Classifier, Reading, Score
from ai.hashing import hash_of_mark, hashes
from ai.marks import MARKS, marks
from ai.reasons import SPEAKING, in_words
from ai.view import View

MOST_SENTENCES = 24  # looked at; of a longer text the first two thirds and the last third
MOST_SHOWN = 3  # sentences of a score
SECONDS = 1.5  # after which no further pass is begun
LEAST = 0.1  # log-odds; less is noise
_LONGEST = 240  # characters of a sentence
_SHORTEST = 12
_BETWEEN = re.compile("(?<=[.!?\u2026\u061f\u06d4\u0964])\\s+|(?<=[\u3002\uff01\uff1f])")


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one part did.

    Attributes:
        kind: "sentence", "subject", "sender", "links", "files" or "feature".
        text: the part itself; of a feature its words from the closed list.
        margin: how far it moved the log-odds of spam; negative: towards ham.
    """

    kind: str
    text: str
    margin: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict and what made it, strongest first whichever way it pulled."""

    score: Score
    contributions: tuple[Contribution, ...]


def explain(classifier: Classifier, message: bytes) -> Explanation:
    """Judge a raw message and measure what its parts did. Raises EngineError as `Classifier.judge` does."""
    began = time.perf_counter()
    reading = classifier.read(message)
    score = classifier.judge(reading)
    whole = _margin(classifier, reading.view)
    found: list[Contribution] = []
    for piece in _measured(classifier, reading, whole):
        found.append(piece)
        if time.perf_counter() - began > SECONDS:
            break
    found = sorted((piece for piece in found if abs(piece.margin) >= LEAST), key=lambda piece: -abs(piece.margin))
    direction = 1 if score.label == "spam" else -1
    sentences = [piece.text for piece in found if piece.kind == "sentence" and piece.margin * direction > 0]
    took = round((time.perf_counter() - began) * 1000, 2)
    reasons = _by_weight(score.reasons, found)
    return Explanation(
        replace(score, sentences=tuple(sentences[:MOST_SHOWN]), reasons=reasons, milliseconds=took), tuple(found)
    )


def sentences(text: str) -> list[str]:
    """The sentences of a text, in order: none very short or long, at most MOST_SENTENCES."""
    found: list[str] = []
    for sentence in _BETWEEN.split(text):
        for piece in _cut(sentence.strip()):
            if found and len(found[-1]) < _SHORTEST:
                found[-1] = f"{found[-1]} {piece}"
            else:
                found.append(piece)
    if len(found) <= MOST_SENTENCES:
        return found
    last = MOST_SENTENCES // 3
    return found[: MOST_SENTENCES - last] + found[-last:]


def _cut(sentence: str) -> Iterator[str]:
    while len(sentence) > _LONGEST:
        at = sentence.rfind(" ", _LONGEST // 2, _LONGEST)
        at = at if at > 0 else _LONGEST
        yield sentence[:at]
        sentence = sentence[at:].lstrip()
    if sentence:
        yield sentence


def _measured(classifier: Classifier, reading: Reading, whole: float) -> Iterator[Contribution]:
    """The head's fields and features by leaving them out; sentences also alone, against no text at all."""
    view = reading.view
    for mark in marks(view):
        if mark in SPEAKING:
            yield Contribution(
                "feature", in_words(mark, view), round(whole - _without_mark(classifier, reading, mark), 3)
            )
    for kind, text, others in _fields(view):
        if text:
            yield Contribution(kind, text[:_LONGEST], round(whole - _margin(classifier, others), 3))
    empty = _margin(classifier, replace(view, text=""))
    for sentence in sentences(view.text):
        rest = " ".join(view.text.replace(sentence, " ", 1).split())
        without = whole - _margin(classifier, replace(view, text=rest))
        alone = _margin(classifier, replace(view, text=sentence)) - empty
        yield Contribution("sentence", sentence, round((without + alone) / 2, 3))


def _fields(view: View) -> Iterator[tuple[str, str, View]]:
    """(kind, what it shows, the view without it) of each field of the head."""
    yield "subject", view.subject, replace(view, subject="")
    yield "sender", view.from_name, replace(view, from_name="")
    yield "links", " ".join(view.links), replace(view, links=())
    yield "files", " ".join(view.attachments), replace(view, attachments=())


def _margin(classifier: Classifier, view: View) -> float:
    """Log-odds of spam, the transformer asked whatever the linear model thinks."""
    return classifier.together(classifier.margins(view, hashes(view), always=True))[0]


def _without_mark(classifier: Classifier, reading: Reading, mark: str) -> float:
    features = tuple(number for number in reading.hashes if number != hash_of_mark(mark))
    margins = classifier.margins(reading.view, features, always=True, without=(MARKS.index(mark),))
    return classifier.together(margins)[0]


def _by_weight(reasons: tuple[str, ...], found: list[Contribution]) -> tuple[str, ...]:
    """What was said of the text first, then the features by what they did."""
    weights = {piece.text: piece.margin for piece in found if piece.kind == "feature"}
    features = set(map(str, SPEAKING.values()))
    texts = [reason for reason in reasons if reason.partition(" (")[0] not in features]
    others = [reason for reason in reasons if reason not in texts]
    return (*texts, *sorted(others, key=lambda reason: -weights.get(reason, 0.0)))
