"""The transformer's opinion, while SMTP waits: bounded in time, and "unscored" rather than an error.

Fail open (mail first): a model that is missing, slow or broken never costs a message; it is accepted and marked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import trio

from ai.classifier import Classifier, Score
from node.base import metrics
from node.base.config import Classifier as ClassifierSettings
from node.base.log import get_log
from node.base.reply import Reply
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Subject

log = get_log(__name__)
REFUSED = Reply(550, "5.7.1", "This message looks like spam and is not wanted here")


class Scorer(Protocol):
    """What the check needs of a model: a thread-safe, blocking score."""

    def score(self, message: bytes) -> Score: ...


class ContentClassifier:
    """Scores each message with a model that may still be loading, may be absent, and may break.

    Args:
        settings: thresholds, deadline, number of messages scored at a time.
    """

    def __init__(self, settings: ClassifierSettings) -> None:
        self._settings = settings
        self._limiter = trio.CapacityLimiter(settings.workers)
        self._scorer: Scorer | None = None
        self._junk_at = settings.junk_at
        self.problem = "" if settings.enabled else "switched off in the settings"

    @property
    def junk_at(self) -> float | None:
        """The threshold for Junk: the settings' own, else the model's; None before there is a model."""
        return self._junk_at

    def use(self, scorer: Scorer, junk_at: float) -> None:
        """Judge with this model from now on; the settings' own threshold has precedence over the model's."""
        if self._junk_at is None:
            self._junk_at = junk_at
        self._scorer = scorer

    async def load(self, directory: Path | None) -> None:
        """Load the model in a thread. A failure is logged and mail goes unscored; it is never raised."""
        if not self._settings.enabled:
            return
        if directory is None:
            self.problem = "no model found; set classifier.model or reinstall with the models/ folder"
            log.warning("classifier.missing", problem=self.problem)
            return
        try:
            model = await trio.to_thread.run_sync(Classifier.load, directory)
        except Exception as error:  # noqa: BLE001  whatever the model files do to us, mail flows
            self.problem = f"the model in {directory} cannot be used: {error}"
            log.warning("classifier.broken", problem=self.problem)
            return
        self.use(model, model.manifest.junk)

    async def content(self, subject: Subject) -> Opinion:
        """Score the message, or say why it has no score."""
        scorer = self._scorer
        if scorer is None:
            return _unscored(Reason.UNSCORED_MISSING if self._settings.enabled else Reason.UNSCORED_OFF)
        try:
            with trio.move_on_after(self._settings.deadline_seconds), metrics.verdict_seconds.time():
                score = await self._score(scorer, subject.content)
                return self._opinion(score)
        except Exception:  # a model's bug must not cost mail
            log.exception("classifier.failed")
            return _unscored(Reason.UNSCORED_FAILED)
        return _unscored(Reason.UNSCORED_SLOW)

    async def _score(self, scorer: Scorer, content: bytes) -> Score:
        # A thread past its deadline is left to finish; it holds its token, so no more than `workers` ever run.
        return await trio.to_thread.run_sync(scorer.score, content, limiter=self._limiter, abandon_on_cancel=True)

    def _opinion(self, score: Score) -> Opinion:
        junk_at = 1.0 if self._junk_at is None else self._junk_at
        refuse_at = self._settings.refuse_at
        metrics.verdicts.labels(score.label).inc()
        if refuse_at is not None and score.probability >= refuse_at:
            return Opinion(Reason.SPAM_REFUSED, "spam", score.probability, score.reasons, reply=REFUSED)
        if score.probability >= junk_at:
            return Opinion(Reason.SPAM_JUNK, "spam", score.probability, score.reasons, folder="\\Junk")
        return Opinion(Reason.FINE, "ham", score.probability, score.reasons)


def _unscored(reason: Reason) -> Opinion:
    metrics.verdicts.labels("unscored").inc()
    return Opinion(reason, "unscored")
