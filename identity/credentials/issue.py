"""Issuing credentials and presentations as signed tokens: VCDM 2.0 after VC-JOSE-COSE, or 1.1 for older readers."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from identity.credentials.credential import V1, V2
from identity.credentials.presentation import ENVELOPE
from identity.did.syntax import Did
from identity.jose import Signer

# VCDM 2.0 §5.2: for terms that no other context explains, as ours.
UNDEFINED_TERMS = "https://www.w3.org/ns/credentials/undefined-terms/v2"


@dataclass(frozen=True, slots=True)
class Statement:
    """What is to be said.

    Attributes:
        subject: about whom; None where the claims carry no DID.
        claims: what is said of the subject.
        type: beside VerifiableCredential.
        valid_from, valid_until: aware.
        status: entry of a status list, or None.
    """

    subject: Did | None
    claims: Mapping[str, Any]
    type: str
    valid_from: datetime
    valid_until: datetime
    status: Mapping[str, Any] | None = None

    @property
    def about(self) -> dict[str, Any]:
        """The credentialSubject."""
        return ({} if self.subject is None else {"id": str(self.subject)}) | dict(self.claims)


def credential(signer: Signer, said: Statement) -> str:
    """A credential of VCDM 2.0: application/vc+jwt."""
    body: dict[str, Any] = {
        "@context": [V2, UNDEFINED_TERMS],
        "id": f"urn:uuid:{uuid.uuid4()}",
        "type": ["VerifiableCredential", said.type],
        "issuer": str(signer.did),
        "validFrom": _written(said.valid_from),
        "validUntil": _written(said.valid_until),
        "credentialSubject": said.about,
    }
    if said.status is not None:
        body["credentialStatus"] = dict(said.status)
    return signer.sign(body, "vc+jwt")


def credential_v1(signer: Signer, said: Statement) -> str:
    """A credential of VCDM 1.1 as JWT."""
    body: dict[str, Any] = {
        "@context": [V1],
        "type": ["VerifiableCredential", said.type],
        "credentialSubject": said.about,
    }
    if said.status is not None:
        body["credentialStatus"] = dict(said.status)
    claims: dict[str, Any] = {
        "iss": str(signer.did),
        "jti": f"urn:uuid:{uuid.uuid4()}",
        "nbf": int(said.valid_from.timestamp()),
        "exp": int(said.valid_until.timestamp()),
        "vc": body,
    }
    if said.subject is not None:
        claims["sub"] = str(said.subject)
    return signer.sign(claims, "JWT")


def presentation(signer: Signer, credentials: Sequence[str], *, nonce: str, audience: str) -> str:
    """A presentation of VCDM 2.0: application/vp+jwt."""
    envelopes = [
        {"@context": V2, "id": ENVELOPE + compact, "type": "EnvelopedVerifiableCredential"} for compact in credentials
    ]
    body = {"@context": [V2], "type": ["VerifiablePresentation"], "holder": str(signer.did)}
    shown = {"verifiableCredential": envelopes} if envelopes else {}
    return signer.sign({**body, **shown, "nonce": nonce, "aud": audience}, "vp+jwt")


def presentation_v1(signer: Signer, credentials: Sequence[str], *, nonce: str, audience: str) -> str:
    """A presentation of VCDM 1.1 as JWT."""
    body = {"@context": [V1], "type": ["VerifiablePresentation"], "verifiableCredential": list(credentials)}
    return signer.sign({"iss": str(signer.did), "aud": audience, "nonce": nonce, "vp": body}, "JWT")


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"
