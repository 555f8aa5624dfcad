"""What a client may be allowed, and how that is written (RFC 6749 §3.3)."""

from __future__ import annotations

from identity.oauth.fault import Code, Fault

SCOPES = ("openid", "email", "imap", "smtp", "offline_access")
"""All there are. `imap` and `smtp` are the mailbox; the rest is OpenID Connect's."""
MAX_LENGTH = 512


def read(text: str) -> frozenset[str] | Fault:
    """The scopes in a request. Ones we do not know are left out, as RFC 6749 §3.3 allows, and the answer says so."""
    if len(text) > MAX_LENGTH:
        return Fault(Code.INVALID_SCOPE, f"scope may have {MAX_LENGTH} characters")
    known = frozenset(text.split(" ")) & frozenset(SCOPES)
    if not known - {"offline_access"}:
        return Fault(Code.INVALID_SCOPE, "ask for at least one of: openid email imap smtp")
    return known


def write(scopes: frozenset[str]) -> str:
    """In one order, so that equal sets are equal texts."""
    return " ".join(scope for scope in SCOPES if scope in scopes)
