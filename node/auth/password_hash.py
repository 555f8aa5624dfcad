"""Passwords that people choose, hashed for the web login alone: dear to guess, in a thread, one at a time."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import trio
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type, hash_secret, verify_secret

from identity.password_strength import MOST, prepare
from node.auth import secret

# RFC 9106 §4 asks for 64 MiB and three passes where memory is short; one lane, since one thread works at a time.
MEMORY_KIB = 65536
PASSES = 3
LANES = 1
SALT_SIZE = 16
HASH_SIZE = 32
PATIENCE_SECONDS = 10.0

CODES = 10


class Hasher:
    """Derivations at a bounded pace; one for the whole node."""

    def __init__(self) -> None:
        self._turn = trio.CapacityLimiter(1)
        # Nobody's: an unknown address costs what a known one costs.
        self._nobody: str | None = None

    async def hash(self, typed: str) -> str:
        """A password in the PHC string format."""
        return await trio.to_thread.run_sync(_hash, typed, limiter=self._turn)

    async def fits(self, typed: str, stored: str | None) -> bool | None:
        """Whether a password is the stored one, at the same cost without one; None when there was no turn in time."""
        with trio.move_on_after(PATIENCE_SECONDS):
            if self._nobody is None:
                self._nobody = await self.hash(secrets.token_urlsafe())
            fits = await trio.to_thread.run_sync(_fits, typed, stored or self._nobody, limiter=self._turn)
            return fits and stored is not None
        return None


def _octets(typed: str) -> bytes:
    return prepare(typed[: MOST + 1]).encode("utf-8", "replace")


def _hash(typed: str) -> str:
    salt = secrets.token_bytes(SALT_SIZE)
    return hash_secret(
        _octets(typed),
        salt,
        time_cost=PASSES,
        memory_cost=MEMORY_KIB,
        parallelism=LANES,
        hash_len=HASH_SIZE,
        type=Type.ID,
    ).decode("ascii")


def _fits(typed: str, stored: str) -> bool:
    try:
        return len(typed) <= MOST and verify_secret(stored.encode("ascii"), _octets(typed), Type.ID)
    except (VerificationError, InvalidHashError):
        return False


def new_codes() -> list[str]:
    """Recovery codes, made and shown like app passwords: 100 random bits each, so that a plain hash keeps them."""
    return [secret.generate() for _ in range(CODES)]


def digest(account_id: int, typed: str) -> bytes:
    """What is kept of a recovery code; case, hyphens and spaces do not matter."""
    return hmac.digest(account_id.to_bytes(8, "big"), secret.normalize(typed), hashlib.sha256)
