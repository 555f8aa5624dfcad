"""Whether a verified credential is what a rule asks for. Pure."""

from __future__ import annotations

from identity.credentials.credential import Credential
from identity.gates.rule import Wanted


def fits(found: Credential, wanted: Wanted) -> bool:
    """True when issuer and type are those, and some subject makes every claim with the very value.

    A number is never a truth value: `1` and `true` differ, as they do in JSON.
    """
    if str(found.issuer) != wanted.issuer or wanted.type not in found.types:
        return False
    return any(
        all(name in subject and _same(subject[name], value) for name, value in wanted.claim.items())
        for subject in found.subjects
    )


def _same(said: object, value: object) -> bool:
    return type(said) is type(value) and said == value
