"""The code that a person copies from one device to another (RFC 8628 §6.1)."""

from __future__ import annotations

import re
import secrets

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"  # no vowels, so no words; no digits that look like letters
LENGTH = 8  # 20^8, 34.5 bits: enough behind a brake, with few codes open at a time

_TYPED = re.compile(rf"[{ALPHABET}]{{{LENGTH}}}\Z")


def generate() -> str:
    """A new code, without its hyphen."""
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def show(code: str) -> str:
    """As people read it: `WDJB-MJHT`."""
    return f"{code[:4]}-{code[4:]}"


def read(typed: str) -> str | None:
    """What was typed, as it is kept: case, spaces and punctuation do not matter. None when it can be no code."""
    code = re.sub(r"[\s\-._]", "", typed[:64]).upper()
    return code if _TYPED.match(code) else None
