"""Time-based one-time passwords, the second factor of logins by password (RFC 6238, RFC 4226).

The commonest profile, which every authenticator app speaks: SHA-1, six digits, steps of 30 seconds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from urllib.parse import quote

STEP_SECONDS = 30
DIGITS = 6
WINDOW = 1  # steps before and after now: a clock that is half a minute off, and the time it takes to type (§5.2)
SECRET_SIZE = 20  # octets: as long as the hash (RFC 4226 §4 R6)

_CODE = re.compile(rf"[0-9]{{{DIGITS}}}\Z", re.ASCII)


def new_secret() -> bytes:
    """A secret to share with an authenticator app."""
    return secrets.token_bytes(SECRET_SIZE)


def format_secret(secret: bytes) -> str:
    """The secret in base32 without padding (RFC 4648 §6), for people who type it."""
    return base64.b32encode(secret).rstrip(b"=").decode("ascii")


def provisioning_uri(secret: bytes, issuer: str, account: str) -> str:
    """What the QR code holds (Google Authenticator's Key URI Format); a secret, so never to be logged."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='')}"
    return f"otpauth://totp/{label}?secret={format_secret(secret)}&issuer={quote(issuer, safe='')}"


def hotp(secret: bytes, counter: int) -> str:
    """The one-time password of a counter (RFC 4226 §5.3)."""
    digest = hmac.digest(secret, counter.to_bytes(8, "big"), hashlib.sha1)
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**DIGITS).zfill(DIGITS)


def step_of(now: float) -> int:
    """The step that a moment lies in; `now` in unix seconds."""
    return int(now // STEP_SECONDS)


def accept(secret: bytes, typed: str, now: float, last_step: int | None) -> int | None:
    """Tell which step a code belongs to; None when it is wrong or used.

    Every candidate is computed and compared in the same time, whichever fits. The caller keeps the answer as the new
    `last_step`, in the transaction that lets the person in; and it counts failures, for six digits are soon guessed.

    Args:
        typed: six digits; spaces between them do not matter.
        now: unix seconds.
        last_step: the step of the last code that was accepted: neither it nor an earlier one is good again (§5.2).
    """
    code = typed.replace(" ", "") if len(typed) <= 4 * DIGITS else ""
    plain = (code if _CODE.match(code) else "x" * DIGITS).encode("ascii")
    found = None
    for step in range(max(step_of(now) - WINDOW, 0), step_of(now) + WINDOW + 1):
        fits = hmac.compare_digest(hotp(secret, step).encode("ascii"), plain)
        if fits and (last_step is None or step > last_step):
            found = step
    return found
