"""Mail first: whatever the model does, the message gets an opinion in time and is never lost for it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ai.classifier import Score
from node.base.config import Classifier as ClassifierSettings
from node.checks.classifier import ContentClassifier
from node.checks.opinion import Reason
from node.checks.panel import Subject

pytestmark = pytest.mark.anyio
SUBJECT = Subject(b"Subject: hello\r\n\r\nhello\r\n", 26, "a@example.org", ("b@example.org",), "192.0.2.1")


@dataclass
class Fixed:
    """A model that always says the same."""

    probability: float

    def score(self, message: bytes) -> Score:
        return Score("spam" if self.probability > 0.5 else "ham", self.probability, ("text",), 0.1)


class Broken:
    """A model with a bug."""

    def score(self, message: bytes) -> Score:
        raise ZeroDivisionError


@dataclass
class Stuck:
    """A model that hangs until the test lets it go."""

    release: threading.Event = field(default_factory=threading.Event)

    def score(self, message: bytes) -> Score:
        self.release.wait(30)
        return Score("ham", 0.0, (), 0.1)


@pytest.mark.parametrize(
    ("probability", "reason", "folder", "is_refused"),
    [
        (0.1, Reason.FINE, "", False),
        (0.8, Reason.SPAM_JUNK, "\\Junk", False),
        (0.99, Reason.SPAM_REFUSED, "", True),
    ],
)
async def test_two_thresholds(probability: float, reason: Reason, folder: str, is_refused: bool) -> None:
    check = ContentClassifier(ClassifierSettings(junk_at=0.7, refuse_at=0.95))
    check.use(Fixed(probability), 0.5)
    opinion = await check.content(SUBJECT)
    assert (opinion.reason, opinion.folder, opinion.reply is not None) == (reason, folder, is_refused)
    assert opinion.score == probability


async def test_refusing_is_off_by_default() -> None:
    check = ContentClassifier(ClassifierSettings())
    check.use(Fixed(1.0), 0.9)
    opinion = await check.content(SUBJECT)
    assert opinion.reply is None
    assert opinion.folder == "\\Junk"


async def test_a_model_that_raises_leaves_mail_unscored() -> None:
    check = ContentClassifier(ClassifierSettings())
    check.use(Broken(), 0.5)
    opinion = await check.content(SUBJECT)
    assert (opinion.label, opinion.reason, opinion.reply, opinion.folder) == (
        "unscored",
        Reason.UNSCORED_FAILED,
        None,
        "",
    )


async def test_a_model_that_hangs_leaves_mail_unscored_at_the_deadline() -> None:
    stuck = Stuck()
    check = ContentClassifier(ClassifierSettings(deadline_seconds=0.02, workers=1))
    check.use(stuck, 0.5)
    try:
        first, second = await check.content(SUBJECT), await check.content(SUBJECT)
    finally:
        stuck.release.set()
    assert first.reason == second.reason == Reason.UNSCORED_SLOW


@pytest.mark.parametrize("broken", [False, True])
async def test_a_missing_or_damaged_model_leaves_mail_unscored(tmp_path: Path, broken: bool) -> None:
    check = ContentClassifier(ClassifierSettings())
    await check.load(tmp_path if broken else None)
    assert (await check.content(SUBJECT)).reason == Reason.UNSCORED_MISSING
    assert check.problem


async def test_switched_off() -> None:
    check = ContentClassifier(ClassifierSettings(enabled=False))
    await check.load(None)
    assert (await check.content(SUBJECT)).reason == Reason.UNSCORED_OFF
