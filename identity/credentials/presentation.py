"""Presentations: somebody shows credentials, to one reader, once (VCDM 1.1 as JWT; VCDM 2.0 after VC-JOSE-COSE)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from identity.credentials.credential import V1, V2, begins_with, party, types
from identity.did.syntax import Did
from identity.jose import Token
from identity.refusal import Reason, Refusal

MAX_CREDENTIALS = 8
ENVELOPE = "data:application/vc+jwt,"
_SUITE = Refusal(
    Reason.UNKNOWN_SUITE, "a presentation of VCDM 2.0 shows credentials as signed tokens (JWT) only, in their envelopes"
)


@dataclass(frozen=True, slots=True)
class Presentation:
    """A presentation that was read, and not verified.

    Attributes:
        holder: who shows it, and must have signed it.
        credentials: compact tokens, or JSON with an embedded proof, of which nothing is known yet.
    """

    holder: Did
    credentials: tuple[str, ...]


def is_presentation(token: Token) -> bool:
    """True when the token says that it is one."""
    return "vp" in token.claims or token.kind == "vp+jwt"


def read(token: Token) -> Presentation | Refusal:
    """Read the presentation in a token (VCDM 1.1 §6.3.1; VC-JOSE-COSE §3.1.2)."""
    try:
        return _version_1(token.claims) if "vp" in token.claims else _version_2(token.claims)
    except _UnknownSuite:
        return _SUITE
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the presentation cannot be read: {error}")


class _UnknownSuite(ValueError):
    """A credential with an embedded proof."""


def _version_1(claims: Mapping[str, Any]) -> Presentation:
    body = claims["vp"]
    if not isinstance(body, dict) or not begins_with(body, V1):
        raise ValueError("vp is no presentation of VCDM 1.1")
    types(body, "VerifiablePresentation")
    return Presentation(
        party("holder", claims.get("iss"), claims.get("holder"), body.get("holder")), _listed(body, _compact)
    )


def _version_2(body: Mapping[str, Any]) -> Presentation:
    if not begins_with(body, V2) or "vc" in body:
        raise ValueError("the payload is no presentation of VCDM 2.0")
    types(body, "VerifiablePresentation")
    return Presentation(party("holder", body.get("iss"), body.get("holder")), _listed(body, _enveloped))


def _listed(body: Mapping[str, Any], read_one: Any) -> tuple[str, ...]:
    value = body.get("verifiableCredential", [])
    listed = value if isinstance(value, list) else [value]
    if len(listed) > MAX_CREDENTIALS:
        raise ValueError(f"it holds more than {MAX_CREDENTIALS} credentials")
    return tuple(read_one(each) for each in listed)


def _compact(value: object) -> str:
    if isinstance(value, dict):  # with an embedded proof
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    if not isinstance(value, str):
        raise ValueError("a credential is no token")  # noqa: TRY004 - what came in is wrong, not our call
    return value


def _enveloped(value: object) -> str:
    """VCDM 2.0 §4.13: the token is in a data: URL."""
    if not isinstance(value, dict):
        raise ValueError("a credential is in no envelope")  # noqa: TRY004 - what came in is wrong, not our call
    if value.get("type") not in ("EnvelopedVerifiableCredential", ["EnvelopedVerifiableCredential"]):
        raise _UnknownSuite
    url = value.get("id")
    if not isinstance(url, str) or not url.startswith(ENVELOPE):
        raise _UnknownSuite
    return url.removeprefix(ENVELOPE)
