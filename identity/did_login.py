"""Logging in with a DID: a challenge that its key signed, as a plain token or as a presentation of credentials.

The plain form is a self-issued ID token (OpenID SIOP v2 §9): `iss` and `sub` are the DID, `aud` and `nonce` are ours.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime

from identity import jose
from identity.credentials import linked, presentation
from identity.credentials.credential import Credential
from identity.credentials.linked import LinkedPresentation, Proofs
from identity.credentials.verify import NO_PROOFS, Verifier
from identity.did import syntax
from identity.did.document import Method, Purpose
from identity.did.resolve import Resolver
from identity.did.syntax import Did
from identity.jose import Token
from identity.refusal import Reason, Refusal

MAX_LENGTH = 48 * 1024  # characters of a proof


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that was read, and not verified.

    Attributes:
        did: who is said to be there.
        nonce: of the challenge that it answers.
        credentials: compact tokens, or JSON with an embedded proof, that are shown with it.
        signed: the token, or the presentation with an embedded proof.
    """

    did: Did
    nonce: str
    credentials: tuple[str, ...]
    signed: Token | LinkedPresentation


def read(compact: str) -> Proof | Refusal:
    """Take a proof apart: a presentation, or a self-issued ID token; a presentation may also be JSON (`linked`)."""
    if linked.is_linked(compact):
        shown_here = linked.read_presentation(compact)
        if isinstance(shown_here, Refusal):
            return shown_here
        return Proof(shown_here.holder, shown_here.nonce, shown_here.credentials, shown_here)
    token = jose.read(compact, MAX_LENGTH)
    if isinstance(token, Refusal):
        return token
    nonce = token.claims.get("nonce")
    if not isinstance(nonce, str) or not 8 <= len(nonce) <= 128:
        return Refusal(Reason.WRONG_NONCE, "the proof answers no challenge: it carries no nonce")
    if presentation.is_presentation(token):
        shown = presentation.read(token)
        return shown if isinstance(shown, Refusal) else Proof(shown.holder, nonce, shown.credentials, token)
    # A credential is signed with the same key, for a purpose of its own (RFC 8725 §3.11).
    if "vc" in token.claims or token.kind not in ("", "jwt") or token.claims.get("iss") != token.claims.get("sub"):
        return Refusal(Reason.MALFORMED, "the proof is neither a self-issued ID token nor a presentation")
    issuer = token.claims.get("iss")
    did = syntax.parse(issuer) if isinstance(issuer, str) else None
    if not isinstance(did, Did):
        return Refusal(Reason.MALFORMED, "the proof's iss is no DID")
    return Proof(did, nonce, (), token)


def judge(proof: Proof, audiences: Set[str], now: datetime) -> Refusal | None:
    """Hold a proof against what we expect: it is for us, alone, and for now. Nonce and signature are other steps.

    Args:
        audiences: our names, compared letter for letter.
        now: aware.
    """
    signed = proof.signed
    audience = signed.claims.get("aud") if isinstance(signed, Token) else signed.domain
    if isinstance(audience, list) and len(audience) == 1:
        audience = audience[0]
    # A proof made for another site must never open this one: that is what phishing pages relay.
    if not isinstance(audience, str) or audience not in audiences:
        return Refusal(Reason.WRONG_AUDIENCE, f"the proof was made for another site than {min(audiences)}")
    return (
        jose.judge_times(signed.claims, now) if isinstance(signed, Token) else linked.judge_created(signed.created, now)
    )


async def verify(proof: Proof, resolver: Resolver, proofs: Proofs | None = None) -> Method | Refusal:
    """Make sure that the DID itself signed, with a key for authentication; `proofs` checks embedded proofs."""
    signed = proof.signed
    if isinstance(signed, Token):
        return await jose.verify(signed, proof.did, Purpose.AUTHENTICATION, resolver)
    refusal = NO_PROOFS if proofs is None else await proofs.check(signed.question)
    return signed.method if refusal is None else refusal


async def verify_credentials(proof: Proof, verifier: Verifier, now: datetime) -> tuple[Credential, ...] | Refusal:
    """Make sure that every credential that is shown holds, and is about who shows it."""
    return await verifier.all_about(proof.did, proof.credentials, now)
