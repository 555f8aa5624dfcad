"""Why somebody was not let in: a value with a reason from a closed list."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import identity.refusal


class Reason(StrEnum):
    """What the door itself can object to; the same word serves reply, log and metric."""

    BAD_CREDENTIALS = "bad-credentials"
    WRONG_SCOPE = "wrong-scope"
    TOO_MANY_FAILURES = "too-many-failures"
    BUSY = "busy"
    USED_NONCE = "used-nonce"
    UNBOUND_WALLET = "unbound-wallet"
    GATE_CLOSED = "gate-closed"
    GATE_UNKNOWN = "gate-unknown"
    UNBOUND_DID = "unbound-did"
    NOT_PROVED = "not-proved"
    CHAIN_AWAY = "chain-away"
    BLOCKED_NETWORK = "blocked-network"
    HAS_MAILBOX = "has-mailbox"
    UNKNOWN_PASSKEY = "unknown-passkey"
    COPIED_PASSKEY = "copied-passkey"
    LOGIN_AGAIN = "login-again"
    LAST_WAY_IN = "last-way-in"
    TOO_MANY = "too-many"
    TAKEN = "taken"
    UNUSABLE = "unusable"
    PROVIDER_AWAY = "provider-away"
    UNBOUND_SUBJECT = "unbound-subject"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not let in.

    Attributes:
        reason: for programs. It never tells an unknown person from a wrong password.
        temporary: true when the same credentials may work later (answer 454 4.7.0, or NO [UNAVAILABLE]).
        words: for people.
        retry_after: seconds until another attempt makes sense; 0 when not `temporary`.
    """

    reason: Reason | identity.refusal.Reason
    temporary: bool
    words: str
    retry_after: float = 0
