"""What a check says and what the panel concludes: plain values, with reasons from one closed list."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from ai.classes import Classes
from ai.view import View
from node.base.reply import Reply
from node.mailauth.result import MethodResult

THREAT = "threat"  # name of the check whose label is a number (docs/threats.md)
_UNQUOTABLE = re.compile(r'[^ -~]|["\\]')


class Reason(StrEnum):
    """Why something was decided. The same word serves log, metric and header."""

    FINE = "fine"
    SPAM_JUNK = "spam-junk"
    SPAM_REFUSED = "spam-refused"
    UNSCORED_OFF = "unscored-off"
    UNSCORED_MISSING = "unscored-missing"
    UNSCORED_SLOW = "unscored-slow"
    UNSCORED_FAILED = "unscored-failed"
    UNSCORED_BUSY = "unscored-busy"
    LEARNED = "learned"
    TRUSTED = "trusted-reply"
    SECOND_OPINION = "second-opinion"
    THREAT = "threat"
    THREAT_JUNK = "threat-junk"
    THREAT_HELD = "threat-held"
    THREAT_REFUSED = "threat-refused"
    VIRUS = "virus-found"
    VIRUS_DOUBTFUL = "virus-doubtful"
    CHECK_UNREACHABLE = "check-unreachable"
    CHECK_SLOW = "check-slow"
    CHECK_GARBLED = "check-garbled"
    CHECK_RESTING = "check-resting"
    CHECK_BUSY = "check-busy"
    CHECK_TOO_LARGE = "check-too-large"
    CHECK_SPENT = "check-spent"
    CHECK_SKIPPED = "check-skipped"
    CHECK_FAILED = "check-failed"
    LOOP = "mail-loop"
    NOT_LOCAL = "not-local"
    UNKNOWN_RECIPIENT = "unknown-recipient"
    INSIDERS_ONLY = "insiders-only"
    OVER_QUOTA = "over-quota"
    NOT_YOUR_ADDRESS = "not-your-address"
    SENDING_RESTRICTED = "sending-restricted"
    TOO_DEEP = "headers-too-large"


@dataclass(frozen=True, slots=True)
class Opinion:
    """One check's view of one message.

    Attributes:
        reason: from the closed list.
        label: what the message is called in the header ("ham", "spam", "unscored", ...), or "" when the check has none.
        score: 0 (fine) to 1 (spam), or None.
        details: short phrases a person understands, for the header.
        folder: the SPECIAL-USE name of the mailbox it belongs in, or "" for no wish.
        reply: a refusal, or None to let it pass.
        check: the check's name in the header; "content" is the node's own classifier.
        threat: 0 (harmless) to 1 (known malware), apart from spam; None when the check does not say.
        hold: keep it back for an admin; `folder` is where it goes while the node cannot do that.
        margin: log-odds of spam, as the model and the node's head see it; None without a model's answer.
        hashes: the message's features, for people's heads.
        results: of message authentication, for `Authentication-Results`.
        view, classes: what was read of the message and the model's classes, for reviews: it is parsed once.
    """

    reason: Reason
    label: str = ""
    score: float | None = None
    details: tuple[str, ...] = ()
    folder: str = ""
    reply: Reply | None = None
    check: str = "content"
    threat: float | None = None
    hold: bool = False
    margin: float | None = None
    hashes: tuple[int, ...] = field(default=(), repr=False)
    view: View | None = field(default=None, repr=False)
    classes: Classes | None = None
    results: tuple[MethodResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The panel's conclusion: the first refusal wins, then a wish to hold, then the first folder; all are kept."""

    opinions: tuple[Opinion, ...]

    @property
    def reply(self) -> Reply | None:
        """The refusal to send, or None when the message is accepted."""
        return next((opinion.reply for opinion in self.opinions if opinion.reply), None)

    @property
    def folder(self) -> str:
        """SPECIAL-USE name of the destination ("\\Junk"), or "" for the inbox."""
        return next((opinion.folder for opinion in self.opinions if opinion.folder), "")

    @property
    def hold(self) -> bool:
        """True when the message is to be kept back for an admin."""
        return self.reply is None and any(opinion.hold for opinion in self.opinions)

    @property
    def reason(self) -> Reason:
        """The reason of whichever opinion decided; where none did, the first that says more than "fine"."""
        by_weight: tuple[Callable[[Opinion], bool], ...] = (
            lambda opinion: opinion.reply is not None,
            lambda opinion: opinion.hold,
            lambda opinion: bool(opinion.folder),
            lambda opinion: opinion.reason is not Reason.FINE,
        )
        found = (opinion.reason for decides in by_weight for opinion in self.opinions if decides(opinion))
        return next(found, Reason.FINE)

    @property
    def results(self) -> tuple[MethodResult, ...]:
        """What message authentication found; empty where nobody looked."""
        return tuple(result for opinion in self.opinions for result in opinion.results)

    def header(self, host: str) -> str:
        """The value of `X-Waxseal-Verdict`, in the manner of Authentication-Results (RFC 8601 §2.2)."""
        parts = [host]
        for opinion in self.opinions:
            if not opinion.label:
                continue
            if opinion.check == THREAT:
                why = "; ".join(opinion.details) or "no reason"
                parts.append(f"{THREAT}={opinion.label} ({_comment(why)})")
                continue
            score = "" if opinion.score is None else f" score={opinion.score:.4f}"
            why = "; ".join(opinion.details) or str(opinion.reason)
            parts.append(f'{opinion.check}={opinion.label}{score} reason={opinion.reason} why="{_quotable(why)}"')
        return "; ".join(parts)


def _quotable(text: str) -> str:
    """Printable ASCII without quotes or backslashes, at most 200 characters: nothing a sender can break out of."""
    return _UNQUOTABLE.sub("_", text[:200])


def _comment(text: str) -> str:
    """The same for a comment, which parentheses would end."""
    return _quotable(text).translate({ord("("): "_", ord(")"): "_"})
