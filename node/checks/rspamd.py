"""rspamd's opinion."""

from __future__ import annotations

from node.base.config_opinions import Rspamd as RspamdSettings
from node.checks.guard import NotAsked
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Subject
from node.checks.points import Points, by_weight
from node.net.rspamd import Envelope, Report, RspamdClient

# Where rspamd would mark or refuse. Its wishes to greylist or to come back later are not followed: they are not about
# what the message is.
_SPAM_ACTIONS = frozenset({"add header", "rewrite subject", "reject", "discard", "quarantine"})


class Rspamd:
    """Asks rspamd (see `node.checks.guard.Asks`)."""

    name = "rspamd"

    def __init__(self, settings: RspamdSettings, client: RspamdClient, host: str) -> None:
        self._settings = settings
        self._client = client
        self._host = host

    async def ask(self, subject: Subject) -> Opinion:
        """Its opinion by our thresholds."""
        if subject.readable > self._settings.max_kib << 10:
            raise NotAsked(Reason.CHECK_TOO_LARGE)
        envelope = Envelope(subject.peer, subject.helo, subject.sender, subject.recipients, self._host)
        return self._opinion(await self._client.check(subject.pieces(), subject.readable, envelope))

    def _opinion(self, report: Report) -> Opinion:
        is_spam = report.action in _SPAM_ACTIONS
        if report.is_skipped and not is_spam:
            return Opinion(Reason.CHECK_SKIPPED, "unscored", check=self.name)
        rules = by_weight((symbol.name, symbol.score) for symbol in report.symbols.values())
        points = Points(self.name, report.score, report.required_score, is_spam, rules)
        return points.opinion(self._settings.junk_at, self._settings.refuse_at)
