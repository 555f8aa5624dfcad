"""Is this password hard to guess? Length and variety count, kinds of characters do not (NIST SP 800-63B §5.1.1.2)."""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib.resources import files

LEAST = 12  # characters
MOST = 256
FRESH = 8  # characters that a guesser could not tell from the one before
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "qwertzuiop", "azertyuiop", "1234567890")


def prepare(typed: str) -> str:
    """A password as it is hashed: one form of each letter, whatever the keyboard made of it (NFKC)."""
    return unicodedata.normalize("NFKC", typed)


def weakness(typed: str, address: str) -> str | None:
    """What is wrong with a password, in words for who chose it; None when it is good enough.

    Args:
        address: whose it is; its parts are what a guesser tries first.
    """
    password = prepare(typed)
    if len(password) < LEAST:
        return f"use at least {LEAST} characters; four random words are easy to remember and hard to guess"
    if len(typed) > MOST or len(password) > MOST:
        return f"use at most {MOST} characters"
    if any(unicodedata.category(letter) in {"Cc", "Cs", "Cn"} for letter in password):
        return "it holds a character that cannot be typed everywhere"
    plain = password.casefold()
    core = "".join(letter for letter in plain if letter.isalpha())
    if plain in _common() or core in _common():
        return "it is one of the first that anybody would try"
    for part in _parts(address):
        plain = plain.replace(part, "")
    for word in sorted(_common(), key=len, reverse=True):
        plain = plain.replace(word, word[0])
    if _fresh(plain) < FRESH or len(set(plain)) < FRESH - 2:
        return "it is easy to guess: your address, common words, rows of keys and repetitions count for little"
    return None


def _parts(address: str) -> list[str]:
    """The address, its halves and their parts, the longest first."""
    plain = address.casefold()
    local, _, domain = plain.rpartition("@")
    words = {plain, local, domain, *domain.split("."), *local.replace("-", ".").replace("_", ".").split(".")}
    return sorted((word for word in words if len(word) >= 3), key=len, reverse=True)


def _fresh(text: str) -> int:
    """Characters that do not merely repeat, count on, or follow the one before on the keyboard."""
    count = 0
    for place, letter in enumerate(text):
        before = text[place - 1] if place else ""
        if before and (abs(ord(letter) - ord(before)) <= 1 or _are_neighbours(before, letter)):
            continue
        half = text[:place]
        if place >= 2 and text[place - 1 : place + 1] in half[:-1]:  # a pair that was there already
            continue
        count += 1
    return count


def _are_neighbours(one: str, other: str) -> bool:
    return any(one + other in row or other + one in row for row in _ROWS)


@cache
def _common() -> frozenset[str]:
    text = files("identity").joinpath("common_passwords.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))
