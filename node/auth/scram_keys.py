"""The keys that SCRAM needs of an app password: both of its spellings, in one column."""

from __future__ import annotations

from collections.abc import Sequence

from identity.scram import SALT_SIZE, Verifier, derive
from node.store.app_passwords import AppPassword

SECRET = "scram"  # noqa: S105 - the name of the node's secret behind the salts of names nobody has
SPELLINGS = 2
_HEAD = SALT_SIZE + 4
_SIZE = _HEAD + SPELLINGS * 64


def make(shown: str, salt: bytes) -> bytes:
    """The keys of an app password, packed. Takes two derivations of about 2 ms: call it in a thread.

    SCRAM's client hashes what was typed before the node sees it, so nothing can be made comparable here: the password
    opens as it was shown, and without its hyphens.
    """
    verifiers = [derive(typed, salt) for typed in (shown, shown.replace("-", ""))]
    keys = b"".join(verifier.stored_key + verifier.server_key for verifier in verifiers)
    return salt + verifiers[0].iterations.to_bytes(4, "big") + keys


def verifiers(packed: bytes) -> list[Verifier]:
    """The keys again, one for each spelling.

    Raises:
        ValueError: they are damaged.
    """
    if len(packed) != _SIZE:
        raise ValueError("the stored SCRAM keys of an app password are damaged")
    salt, iterations = packed[:SALT_SIZE], int.from_bytes(packed[SALT_SIZE:_HEAD], "big")
    pairs = [packed[start : start + 64] for start in range(_HEAD, _SIZE, 64)]
    return [Verifier(salt, iterations, pair[:32], pair[32:]) for pair in pairs]


def salt_of(rows: Sequence[AppPassword]) -> bytes | None:
    """The salt that all app passwords of an account share; None when none has keys."""
    return next((row.scram[:SALT_SIZE] for row in rows if row.scram), None)
