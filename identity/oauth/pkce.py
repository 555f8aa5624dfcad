"""Proof Key for Code Exchange: whoever brings the code must know what was hashed at the start (RFC 7636)."""

from __future__ import annotations

import hashlib
import hmac
import re

from identity.did.multibase import encode_base64url
from identity.oauth.fault import Code, Fault

METHOD = "S256"

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}\Z")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}\Z")  # RFC 7636 §4.1


def check(challenge: str, method: str) -> Fault | None:
    """Whether a challenge is one we take: S256 alone, and never none.

    "plain" would show the verifier to whoever can read the request; and a request without a challenge is how an
    attacker who got hold of a code has it exchanged (the downgrade of RFC 9700 §4.8.2).
    """
    if not challenge:
        return Fault(Code.INVALID_REQUEST, "code_challenge is missing: PKCE is needed (RFC 7636)")
    if method != METHOD:  # an absent method means "plain" (RFC 7636 §4.3)
        return Fault(Code.INVALID_REQUEST, "code_challenge_method has to be S256")
    if not _CHALLENGE.match(challenge):
        return Fault(Code.INVALID_REQUEST, "code_challenge has to be 43 characters of base64url: a SHA-256")
    return None


def challenge_of(verifier: str) -> str:
    """RFC 7636 §4.2, method S256."""
    return encode_base64url(hashlib.sha256(verifier.encode("ascii")).digest())


def matches(verifier: str, challenge: str) -> bool:
    """True when `verifier` is what was hashed; compares in constant time."""
    if not _VERIFIER.match(verifier):
        return False
    return hmac.compare_digest(challenge_of(verifier), challenge)
