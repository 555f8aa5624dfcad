"""Results of message authentication: plain values, in the words of RFC 8601."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Result(StrEnum):
    """What a method found (RFC 8601 §2.7); not every method uses each of them."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 - a result, no secret
    FAIL = "fail"
    SOFTFAIL = "softfail"
    POLICY = "policy"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method's result, as `Authentication-Results` shows it (RFC 8601 §2.2).

    Attributes:
        method: "spf", "dkim", "dmarc", "arc", "iprev", ...
        result: what it found.
        properties: pairs of "ptype.property" ("smtp.mailfrom") and value, in order; values may be hostile text.
        comment: a phrase for people, "" for none; may quote hostile text.
        reason: the `reason=` phrase, "" for none.
    """

    method: str
    result: Result
    properties: tuple[tuple[str, str], ...] = ()
    comment: str = ""
    reason: str = ""
