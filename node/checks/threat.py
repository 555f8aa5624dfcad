"""The threat check: rules over what was read of a message (`ai.threat`) and what the node knows of its sender, and the
operator's policy. It hears the classifier first, so that a message is parsed once and the model's classes count.

Fail open (mail first): without model, store or time there is less to judge by, and mail flows.
"""

from __future__ import annotations

from dataclasses import replace

import trio

from ai.classes import Classes
from ai.parts import MAX_SCAN, File, walk
from ai.threat import NO_THREAT, Threat, assess
from ai.view import View, text_view
from node.base import metrics
from node.base.config_opinions import Policy
from node.base.config_threat import Threat as ThreatSettings
from node.base.errors import WaxsealError
from node.base.log import get_log
from node.base.reply import Reply
from node.checks.context import Surroundings
from node.checks.opinion import THREAT, Opinion, Reason
from node.checks.panel import Subject
from node.store.database import Database, Reading

log = get_log(__name__)
REFUSED = Reply(550, "5.7.1", "This message looks dangerous and is not taken here")
NOT_A_PROGRAM = Reply(550, "5.7.1", "This message carries a program; send it in another way")
AT_ONCE = 2  # messages parsed at a time
SMALL = 16 << 10  # octets that are parsed without a thread of their own
TOLD = 0.05  # a smaller score is not shown
JUNK = "\\Junk"
SURE = 0.995  # probability of spam from which an answer is not trusted either: a list makes Message-IDs public
ANSWERS = "answers a message sent from here"


class ThreatReview:
    """A review of the panel (see `node.checks.panel.Review`).

    Args:
        settings: threshold and policy.
        surroundings: gathers what the node knows.
        database: where it is gathered from.
    """

    def __init__(self, settings: ThreatSettings, surroundings: Surroundings, database: Database) -> None:
        self._settings = settings
        self._surroundings = surroundings
        self._database = database
        self._limiter = trio.CapacityLimiter(AT_ONCE)

    async def review(self, subject: Subject, opinions: tuple[Opinion, ...]) -> tuple[Opinion, ...]:
        """The opinions heard, and our own behind them."""
        threat, is_answer = NO_THREAT, False
        with trio.move_on_after(self._settings.deadline_seconds) as waiting:
            threat, is_answer = await self._judge(subject, opinions)
        if waiting.cancelled_caught:
            metrics.threats.labels("unscored").inc()
            log.warning("threat.slow", size=subject.size)
        ours = opinion_of(threat, self._settings)
        if is_answer and ours.reason is Reason.FINE:
            opinions = tuple(trusted(opinion) for opinion in opinions)
        return (*opinions, ours)

    async def _judge(self, subject: Subject, opinions: tuple[Opinion, ...]) -> tuple[Threat, bool]:
        """The threat, and whether this answers a message that one of the recipients sent."""
        view = next((opinion.view for opinion in opinions if opinion.view), None)
        classes = next((opinion.classes for opinion in opinions if opinion.classes), None)
        if view is None and subject.size > SMALL:
            view = await trio.to_thread.run_sync(
                text_view, subject.content, limiter=self._limiter, abandon_on_cancel=True
            )
        files = None if view is None else await self._files_behind(subject, view)
        try:
            return await self._database.read(lambda tx: self._assessed(tx, subject, view, classes, files))
        except WaxsealError as error:  # what is gathered from the store is help, not need
            log.info("threat.without_context", problem=str(error))
            read = view or text_view(subject.content)
            return assess(read, self._surroundings.known(subject), classes, files), False

    def _assessed(
        self,
        tx: Reading,
        subject: Subject,
        view: View | None,
        classes: Classes | None,
        files: tuple[File, ...] | None,
    ) -> tuple[Threat, bool]:
        """On the reader's thread: reading a small message, gathering and judging share one hop."""
        view = view or text_view(subject.content)
        context = self._surroundings.context(tx, subject, view.from_name)
        return assess(view, context, classes, files), context.reply_to_ours

    async def _files_behind(self, subject: Subject, view: View) -> tuple[File, ...]:
        """Attachments of a large message, of which the view has the beginning only."""
        if subject.source is None or subject.size <= len(subject.content):
            return view.files
        data = bytearray()
        async for piece in subject.pieces():
            data += piece
            if len(data) >= MAX_SCAN:
                break
        found = await trio.to_thread.run_sync(walk, bytes(data), limiter=self._limiter, abandon_on_cancel=True)
        return found.files


def trusted(opinion: Opinion) -> Opinion:
    """What becomes of a wish for Junk when the message answers one that was sent from here: only whoever got that
    message knows its Message-ID, so the wish is dropped unless the content is as good as surely spam."""
    if opinion.reason is not Reason.SPAM_JUNK or opinion.score is None or opinion.score >= SURE:
        return opinion
    return replace(opinion, reason=Reason.TRUSTED, folder="", details=(ANSWERS, *opinion.details))


def opinion_of(threat: Threat, settings: ThreatSettings) -> Opinion:
    """What is to become of a message, by the operator's policy; the stricter one where two apply."""
    policies: list[Policy] = []
    if threat.is_executable:
        policies.append(settings.executable)
    if threat.score >= settings.at:
        policies.append(settings.action)
    if not policies:
        shown = f"{threat.score:.2f}" if threat.score >= TOLD else ""
        return Opinion(Reason.FINE, shown, details=tuple(threat.reasons), check=THREAT, threat=threat.score)
    policy = min(policies, key=STRICTNESS.index)
    metrics.threats.labels(policy).inc()
    refusal = NOT_A_PROGRAM if threat.is_executable else REFUSED
    return Opinion(
        _REASONS[policy],
        f"{threat.score:.2f}",
        details=tuple(threat.reasons),
        folder=JUNK if policy in {"junk", "hold"} else "",
        reply=refusal if policy == "refuse" else None,
        check=THREAT,
        threat=threat.score,
        hold=policy == "hold",
    )


STRICTNESS: tuple[Policy, ...] = ("refuse", "hold", "junk", "tag")
_REASONS: dict[Policy, Reason] = {
    "refuse": Reason.THREAT_REFUSED,
    "hold": Reason.THREAT_HELD,
    "junk": Reason.THREAT_JUNK,
    "tag": Reason.THREAT,
}
