"""ClamAV's finding: known malware in the message or in what it carries."""

from __future__ import annotations

import re

from node.base.config_opinions import ClamAv as ClamAvSettings
from node.base.config_opinions import Policy
from node.base.log import get_log
from node.base.reply import Reply
from node.checks.guard import NotAsked
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Subject
from node.net.clamd import ClamdClient
from node.wire.clamd import Clean, Failed, Found, OverLimit

log = get_log(__name__)

# Rules of thumb and programs one may want, against signatures of known malware.
_DOUBTFUL = ("Heuristics.", "PUA.")
DOUBTFUL_THREAT = 0.5
_UNSPEAKABLE = re.compile(r"[^A-Za-z0-9._:/-]")


class ClamAv:
    """Asks clamd (see `node.checks.guard.Asks`)."""

    name = "clamav"

    def __init__(self, settings: ClamAvSettings, client: ClamdClient) -> None:
        self._settings = settings
        self._client = client

    async def ask(self, subject: Subject) -> Opinion:
        """What it found, and what is to become of the message by the operator's policy."""
        if subject.readable > self._settings.max_kib << 10:
            raise NotAsked(Reason.CHECK_TOO_LARGE)
        match await self._client.scan(subject.pieces()):
            case Clean():
                return Opinion(Reason.FINE, "clean", check=self.name, threat=0.0)
            case Found(name):
                return self._found(_UNSPEAKABLE.sub("_", name)[:100])
            case OverLimit():
                raise NotAsked(Reason.CHECK_TOO_LARGE)
            case Failed(words):  # this message, not clamd: five odd files must not keep it from the sixth
                log.info("check.failed", check=self.name, reason=str(Reason.CHECK_FAILED), problem=words[:300])
                return Opinion(Reason.CHECK_FAILED, "unscored", check=self.name)

    def _found(self, name: str) -> Opinion:
        if name.startswith(_DOUBTFUL):
            return self._by(self._settings.doubtful, Reason.VIRUS_DOUBTFUL, "doubtful", name, DOUBTFUL_THREAT)
        return self._by(self._settings.infected, Reason.VIRUS, "infected", name, 1.0)

    def _by(self, policy: Policy, reason: Reason, label: str, name: str, threat: float) -> Opinion:
        return Opinion(
            reason,
            label,
            details=(name,),
            folder="\\Junk" if policy in {"junk", "hold"} else "",
            reply=Reply(550, "5.7.1", f"This message carries malware: {name}") if policy == "refuse" else None,
            check=self.name,
            threat=threat,
            hold=policy == "hold",
        )
