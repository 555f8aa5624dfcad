"""The transformer's opinion, while SMTP waits: bounded in time, and "unscored" rather than an error.

Fail open (mail first): a model that is missing, slow, busy or broken never costs a message; it is accepted and marked.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol

import trio

from ai.classes import CLASSES
from ai.classifier import Classifier, Look, Margins, Reading, Score
from ai.reasons import Reason as Words
from ai.view import View
from node.base import metrics
from node.base.config import Classifier as ClassifierSettings
from node.base.log import get_log
from node.base.reply import Reply
from node.checks.campaigns import Campaigns
from node.checks.learned import Learned, log_odds, probability, told
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Subject

log = get_log(__name__)
REFUSED = Reply(550, "5.7.1", "This message looks like spam and is not wanted here")
SAME, NEAR = "same", "near"  # stages of a verdict that a campaign's earlier copy gave
PROBABLE = 0.5  # from which a message is counted to a class
SHOWN = 4  # reasons in the header
LONGEST = 200  # characters of them together


class Judge(Protocol):
    """What the check needs of a model (`ai.classifier.Classifier`): thread-safe and blocking."""

    @property
    def junk(self) -> float: ...

    def read(self, message: bytes) -> Reading: ...

    def margins(self, view: View, features: Sequence[int], *, look: Look | None = None) -> Margins: ...

    def cheap(self, view: View, features: Sequence[int]) -> Look: ...

    def verdict(self, reading: Reading, margins: Margins, began: float | None = None) -> Score: ...


class ContentClassifier:
    """Scores each message with a model that may still be loading, may be absent, and may break.

    Args:
        settings: thresholds, deadline, number of messages scored at a time and waiting for it.
        learned: what people taught; None: nothing corrects the model.
    """

    def __init__(self, settings: ClassifierSettings, learned: Learned | None = None) -> None:
        self._settings = settings
        self._limiter = trio.CapacityLimiter(settings.workers)
        self._judge: Judge | None = None
        self._learned = learned
        self._junk_at = settings.junk_at
        self._campaigns = Campaigns(secrets.token_bytes(32))
        self.problem = "" if settings.enabled else "switched off in the settings"
        metrics.verdicts_waiting.set_function(lambda: self._limiter.statistics().tasks_waiting)

    @property
    def junk_at(self) -> float | None:
        """The threshold for Junk: the settings' own, else the model's; None before there is a model."""
        return self._junk_at

    def use(self, judge: Judge) -> None:
        """Judge with this model from now on; the settings' own threshold has precedence over the model's."""
        if self._settings.junk_at is None:
            self._junk_at = judge.junk
        self._campaigns = Campaigns(secrets.token_bytes(32))  # what another model said counts no more
        self._judge = judge

    async def load(self, directory: Path | None) -> None:
        """Load the model in a thread. A failure is logged and mail goes unscored; it is never raised."""
        if not self._settings.enabled:
            return
        if directory is None:
            self.problem = "no model found; set classifier.model or reinstall with the models/ folder"
            log.warning("classifier.missing", problem=self.problem)
            return
        checkpoint = self._settings.checkpoint if self._settings.engine == "torch" else None
        try:
            self.use(await trio.to_thread.run_sync(partial(Classifier.load, directory, checkpoint=checkpoint)))
        except Exception as error:  # noqa: BLE001  whatever the model files do to us, mail flows
            self.problem = f"the model in {checkpoint or directory} cannot be used: {error}"
            log.warning("classifier.broken", problem=self.problem)

    def excess(self, content: bytes) -> float:
        """Blocking: the model's own margin over the threshold for Junk, in log-odds; 0 without a model."""
        judge = self._judge
        if judge is None or self._junk_at is None:
            return 0.0
        reading = judge.read(content)
        score = judge.verdict(reading, judge.margins(reading.view, reading.hashes))
        return score.margin - log_odds(self._junk_at)

    async def content(self, subject: Subject) -> Opinion:
        """Score the message, or say why it has no score."""
        judge = self._judge
        if judge is None:
            return _unscored(Reason.UNSCORED_MISSING if self._settings.enabled else Reason.UNSCORED_OFF)
        if self._is_busy():
            return _unscored(Reason.UNSCORED_BUSY)
        try:
            with trio.move_on_after(self._settings.deadline_seconds), metrics.verdict_seconds.time():
                reading, score = await self._in_thread(judge, subject.content)
                return replace(self._opinion(score), view=reading.view, classes=score.classes)
        except Exception:  # a model's bug must not cost mail
            log.exception("classifier.failed")
            return _unscored(Reason.UNSCORED_FAILED)
        return _unscored(Reason.UNSCORED_SLOW)

    def _is_busy(self) -> bool:
        """No turn is free, and the line is full."""
        used = self._limiter.statistics()
        return used.borrowed_tokens >= used.total_tokens and used.tasks_waiting >= self._settings.waiting

    async def _in_thread(self, judge: Judge, content: bytes) -> tuple[Reading, Score]:
        # A thread past its deadline is left to finish; it holds its token, so no more than `workers` ever run.
        work = partial(self._scored, judge, content)
        return await trio.to_thread.run_sync(work, limiter=self._limiter, abandon_on_cancel=True)

    def _scored(self, judge: Judge, content: bytes) -> tuple[Reading, Score]:
        """In a thread: read once, look whether the same was judged before, else judge and remember."""
        reading = judge.read(content)
        key = self._campaigns.digest(reading.view)
        if known := self._campaigns.same(key):
            return reading, replace(judge.verdict(reading, known), stage=SAME)
        look = judge.cheap(reading.view, reading.hashes)
        borrowed = self._campaigns.near(reading, look.margin)
        if borrowed and self._is_junk(score := judge.verdict(reading, borrowed)):
            return reading, replace(score, stage=NEAR, reasons=(str(Words.CAMPAIGN), *score.reasons))
        margins = judge.margins(reading.view, reading.hashes, look=look)
        score = judge.verdict(reading, margins)
        self._campaigns.remember(key, reading, margins, is_spam=self._is_junk(score))
        return reading, score

    def _is_junk(self, score: Score) -> bool:
        return score.probability >= (1.0 if self._junk_at is None else self._junk_at)

    def _opinion(self, score: Score) -> Opinion:
        opinion = self._corrected(score)
        metrics.verdicts.labels(opinion.label).inc()
        metrics.verdict_stages.labels(score.stage).inc()
        for name in CLASSES:
            if getattr(score.classes, name) >= PROBABLE:
                metrics.verdict_classes.labels(name).inc()
        return opinion

    def _corrected(self, score: Score) -> Opinion:
        """The opinion with what people taught the node; told where that turned the verdict round."""
        correction = self._learned.correction(score.hashes) if self._learned else 0.0
        margin = score.margin + correction
        if not correction:
            return replace(self._decided(score), margin=margin, hashes=score.hashes)
        opinion = self._decided(replace(score, probability=round(probability(margin), 6)))
        if (opinion.label == "spam") != self._is_junk(score):
            metrics.learned.labels("node", "caught" if opinion.label == "spam" else "freed").inc()
            opinion = replace(opinion, details=(told(correction), *opinion.details))
        return replace(opinion, margin=margin, hashes=score.hashes)

    def _decided(self, score: Score) -> Opinion:
        refuse_at, words = self._settings.refuse_at, in_header(score.reasons)
        if refuse_at is not None and score.probability >= refuse_at and score.stage != NEAR:
            return Opinion(Reason.SPAM_REFUSED, "spam", score.probability, words, reply=REFUSED)
        if self._is_junk(score):
            return Opinion(Reason.SPAM_JUNK, "spam", score.probability, words, folder="\\Junk")
        return Opinion(Reason.FINE, "ham", score.probability, words)


def in_header(reasons: tuple[str, ...]) -> tuple[str, ...]:
    """The strongest reasons that fit into the header whole; where nothing speaks against a message, that in words."""
    shown: list[str] = []
    for reason in reasons[:SHOWN]:
        if len("; ".join((*shown, reason))) > LONGEST:
            break
        shown.append(reason)
    return tuple(shown) or (str(Words.ORDINARY),)


def _unscored(reason: Reason) -> Opinion:
    metrics.verdicts.labels("unscored").inc()
    return Opinion(reason, "unscored")
