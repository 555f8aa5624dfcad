"""App passwords as secrets: how they are made, read back from fingers and clients, derived and compared. Pure."""

from __future__ import annotations

import base64
import hmac
import re
import secrets

from argon2.low_level import Type, hash_secret

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base32: no i, l, o, u
LENGTH = 20  # of 32 letters each: 100 bits
GROUP = 5
MAX_TYPED = 128  # characters worth looking at

# An app password is 100 random bits: guessing it is hopeless even against a bare SHA-256, and no dictionary helps.
# Argon2id at this modest cost (8 MiB, about 4 ms) adds margin without making logins a way to exhaust the node.
# Passwords that people choose need a far higher cost; they are not accepted here.
MEMORY_KIB = 8192
PASSES = 1
LANES = 1
SALT_SIZE = 16
HASH_SIZE = 32

NOBODY = f"$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$" + "A" * 22
"""A recipe of nobody's: deriving with it makes an unknown address cost what a known one costs."""

_PLAIN = str.maketrans({"-": None, " ": None, "i": "1", "l": "1", "o": "0"})
_RECIPE = re.compile(r"\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,64})\Z")


def generate() -> str:
    """A new app password, as it is shown once: four groups of five letters, `k7m2p-9xq4r-tj3vw-8n5hd`."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    return shown(letters.encode("ascii"))


def shown(plain: bytes) -> str:
    """A normalized app password as it was shown."""
    letters = plain.decode("ascii")
    return "-".join(letters[start : start + GROUP] for start in range(0, len(letters), GROUP))


def normalize(typed: str) -> bytes:
    """What was typed as it is hashed: case, hyphens, spaces and look-alike letters do not matter."""
    return typed[:MAX_TYPED].strip().lower().translate(_PLAIN).encode("utf-8", "replace")


def new_salt() -> bytes:
    """A salt for an account that has no app password yet."""
    return secrets.token_bytes(SALT_SIZE)


def derive(plain: bytes, salt: bytes) -> str:
    """Hash a normalized password at today's cost, in the PHC string format. Takes milliseconds: call it in a thread."""
    return _derive(plain, salt, PASSES, MEMORY_KIB, LANES)


def derive_like(plain: bytes, recipe: str) -> str:
    """Hash with a recipe; a string equal to the stored one means an equal password. Call it in a thread."""
    match = _RECIPE.match(recipe)
    if match is None:
        raise ValueError("the stored hash of an app password is damaged")
    memory, passes, lanes = (int(number) for number in match.groups()[:3])
    return _derive(plain, salt_of(recipe), passes, memory, lanes)


def recipe(stored: str) -> str:
    """Salt and cost of a stored hash: hashes with the same recipe are compared after one derivation."""
    return stored.rpartition("$")[0]


def salt_of(recipe: str) -> bytes:
    """The salt in a recipe."""
    encoded = recipe.rpartition("$")[2]
    return base64.b64decode(encoded + "=" * (-len(encoded) % 4))


def matches(derived: str, stored: str) -> bool:
    """Compare two hashes in constant time."""
    return hmac.compare_digest(derived.encode("ascii"), stored.encode("ascii"))


def _derive(plain: bytes, salt: bytes, passes: int, memory: int, lanes: int) -> str:
    return hash_secret(
        plain, salt, time_cost=passes, memory_cost=memory, parallelism=lanes, hash_len=HASH_SIZE, type=Type.ID
    ).decode("ascii")
