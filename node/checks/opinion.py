"""What a check says and what the panel concludes: plain values, with reasons from one closed list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from node.base.reply import Reply

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
    LOOP = "mail-loop"
    NOT_LOCAL = "not-local"
    UNKNOWN_RECIPIENT = "unknown-recipient"
    NOT_YOUR_ADDRESS = "not-your-address"
    TOO_DEEP = "headers-too-large"


@dataclass(frozen=True, slots=True)
class Opinion:
    """One check's view of one message.

    Attributes:
        reason: from the closed list.
        label: what the message is called in the header ("ham", "spam", "unscored"), or "" when the check has none.
        score: 0 (fine) to 1 (spam), or None.
        details: short phrases a person understands, for the header.
        folder: the SPECIAL-USE name of the mailbox it belongs in, or "" for no wish.
        reply: a refusal, or None to let it pass.
    """

    reason: Reason
    label: str = ""
    score: float | None = None
    details: tuple[str, ...] = ()
    folder: str = ""
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The panel's conclusion: the first refusal wins, else the first folder wish; all opinions are kept."""

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
    def reason(self) -> Reason:
        """The reason of whichever opinion decided."""
        decisive = (opinion for opinion in self.opinions if opinion.reply or opinion.folder)
        return next(decisive, self.opinions[-1]).reason if self.opinions else Reason.FINE

    def header(self, host: str) -> str:
        """The value of `X-Waxseal-Verdict`, in the manner of Authentication-Results (RFC 8601 §2.2)."""
        parts = [host]
        for opinion in self.opinions:
            if not opinion.label:
                continue
            score = "" if opinion.score is None else f" score={opinion.score:.4f}"
            why = "; ".join(opinion.details) or str(opinion.reason)
            parts.append(f'content={opinion.label}{score} reason={opinion.reason} why="{_quotable(why)}"')
        return "; ".join(parts)


def _quotable(text: str) -> str:
    """Printable ASCII without quotes or backslashes, at most 200 characters: nothing a sender can break out of."""
    return _UNQUOTABLE.sub("_", text[:200])
