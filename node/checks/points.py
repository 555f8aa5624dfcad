"""Points of rspamd and SpamAssassin as an opinion: who sets the threshold, what the header shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from node.base.reply import Reply
from node.checks.opinion import Opinion, Reason

SHOWN_RULES = 6
REFUSED = Reply(550, "5.7.1", "This message looks like spam and is not wanted here")


@dataclass(frozen=True, slots=True)
class Points:
    """What a daemon counted.

    Attributes:
        check: its name in the header.
        score, required: its points, and those from which the daemon itself calls it spam (or would reject).
        is_spam: the daemon's own conclusion.
        rules: names of the rules that hit, the weightiest first where that is known.
    """

    check: str
    score: float
    required: float
    is_spam: bool
    rules: tuple[str, ...]

    def opinion(self, junk_at: float | None, refuse_at: float | None) -> Opinion:
        """The opinion, by the operator's thresholds in points; None: the daemon's own for Junk, never for refusing.

        Its score is the share of the points required, cut to 0 to 1.
        """
        share = self.score / self.required if self.required > 0 else float(self.is_spam)
        score = min(1.0, max(0.0, share))
        details = (f"{self.score:.1f} of {self.required:.1f} points", *self.rules[:SHOWN_RULES])
        if refuse_at is not None and self.score >= refuse_at:
            return Opinion(Reason.SPAM_REFUSED, "spam", score, details, reply=REFUSED, check=self.check)
        if self.is_spam if junk_at is None else self.score >= junk_at:
            return Opinion(Reason.SPAM_JUNK, "spam", score, details, folder="\\Junk", check=self.check)
        return Opinion(Reason.FINE, "ham", score, details, check=self.check)


def by_weight(rules: Iterable[tuple[str, float]]) -> tuple[str, ...]:
    """Names of rules, those first that count most either way; those without points are left out."""
    return tuple(name for name, points in sorted(rules, key=lambda rule: -abs(rule[1])) if points)
