"""Why a proof of identity was not accepted: a value with a reason from a closed list."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Everything that can be wrong with a login or a credential; the same word serves page, log and metric."""

    TOO_LONG = "too-long"
    MALFORMED = "malformed"
    ADDRESS_CHECKSUM = "address-checksum"
    WRONG_DOMAIN = "wrong-domain"
    WRONG_URI = "wrong-uri"
    WRONG_STATEMENT = "wrong-statement"
    WRONG_CHAIN = "wrong-chain"
    WRONG_NONCE = "wrong-nonce"
    ISSUED_IN_FUTURE = "issued-in-future"
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    LIFETIME_TOO_LONG = "lifetime-too-long"
    BAD_SIGNATURE = "bad-signature"
    HIGH_S = "high-s"
    WRONG_SIGNER = "wrong-signer"
    WRONG_AUDIENCE = "wrong-audience"
    WRONG_ISSUER = "wrong-issuer"
    WRONG_HOLDER = "wrong-holder"
    WRONG_KEY = "wrong-key"
    UNKNOWN_ALGORITHM = "unknown-algorithm"
    UNKNOWN_METHOD = "unknown-method"
    UNKNOWN_SUITE = "unknown-suite"
    UNKNOWN_STATUS = "unknown-status"
    UNRESOLVABLE = "unresolvable"
    REVOKED = "revoked"
    NOT_VERIFIED = "not-verified"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The proof does not hold.

    Attributes:
        reason: for programs.
        words: for people: what is wrong, never echoing more than a few characters of what came in.
    """

    reason: Reason
    words: str
