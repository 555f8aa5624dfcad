"""A letter's author proves a DID: a header field with a signed token over sender, recipients, id, date and body.

Waxseal-Proof: eyJ... (a compact JWS, folded as long fields are)

The domain's signatures (DKIM) say which server a letter came from. This one says whose key wrote it: a gate for writing
can ask for that person, for a credential they bring along, or for what wallets of theirs hold.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from identity import eip4361, ethereum, jose
from identity.did import multibase, syntax
from identity.did.document import Method, Purpose
from identity.did.resolve import Resolver
from identity.did.syntax import Did
from identity.jose import Signer, Token
from identity.refusal import Reason, Refusal

FIELD = "Waxseal-Proof"
KIND = "waxseal-proof+jwt"
MAX_LENGTH = 24 << 10  # characters
MAX_RECIPIENTS = 20
MAX_CREDENTIALS = 4
MAX_WALLETS = 4
OLDEST = timedelta(days=6)  # a letter may wait in queues for five (RFC 5321 §4.5.4.1)
_END = re.compile(rb"(?:\r\n)*\Z")


class BodyHash:
    """SHA-256 of a body, piece by piece, in DKIM's simple form: no empty lines at the end (RFC 6376 §3.4.3)."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._held = b""

    def update(self, piece: bytes) -> None:
        """The next octets."""
        data = self._held + piece
        keep = len(data)
        while keep > 0 and data[keep - 1] in b"\r\n":
            keep -= 1
        self._hash.update(data[:keep])
        self._held = data[keep:]
        if len(self._held) > 1 << 20:  # a megabyte of line ends, and more to come: no letter
            self._hash.update(self._held)
            self._held = b""

    def digest(self) -> str:
        """The hash as base64url."""
        done = self._hash.copy()
        done.update(_END.sub(b"", self._held) + b"\r\n")
        return multibase.encode_base64url(done.digest())


@dataclass(frozen=True, slots=True)
class Letter:
    """What is signed.

    Attributes:
        author: the one address in From, in lower case.
        message_id: with its angle brackets.
        body: `BodyHash.digest`.
    """

    author: str
    message_id: str
    body: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that was read, and not verified.

    Attributes:
        did: who is said to have written.
        recipients: addresses it was written to, in lower case.
        credentials: compact tokens that are brought along.
        wallets: addresses of Ethereum (20 octets) that have said that this DID speaks for them; verified.
    """

    did: Did
    letter: Letter
    recipients: frozenset[str]
    credentials: tuple[str, ...]
    wallets: tuple[bytes, ...]
    token: Token


def read(field: bytes, now: datetime) -> Proof | Refusal:
    """Take the field's value apart.

    1. A signed token of this kind, and no other. 2. It names author, letter and recipients. 3. Every wallet that is
    brought along has signed that the DID speaks for it, and until when.
    """
    compact = b"".join(field.split()).decode("ascii", "replace")
    token = jose.read(compact, MAX_LENGTH)  # 1
    if isinstance(token, Refusal):
        return token
    if token.kind != KIND:
        return Refusal(Reason.MALFORMED, "the token is no proof for a letter")
    claims = token.claims
    did = syntax.parse(claims["iss"]) if isinstance(claims.get("iss"), str) else None
    named = [claims.get(name) for name in ("from", "mid", "bh")]  # 2
    recipients = _texts(claims, "aud", MAX_RECIPIENTS)
    credentials = _texts(claims, "vc", MAX_CREDENTIALS)
    if not isinstance(did, Did) or not all(isinstance(each, str) for each in named) or not recipients:
        return Refusal(Reason.MALFORMED, "the proof does not say who wrote what to whom")
    if credentials is None or "iat" not in claims:
        return Refusal(Reason.MALFORMED, "the proof has no time, or its credentials are no list of tokens")
    wallets = _wallets(claims, did, now)  # 3
    if isinstance(wallets, Refusal):
        return wallets
    author, message_id, body = (str(each) for each in named)
    to = frozenset(each.lower() for each in recipients)
    return Proof(did, Letter(author.lower(), message_id, body), to, credentials, wallets, token)


def judge(proof: Proof, letter: Letter, recipient: str, now: datetime) -> Refusal | None:
    """Hold a proof against the letter that came: the same author, id and body, to this recipient, and not too old."""
    if proof.letter != letter:
        return Refusal(Reason.MALFORMED, "the proof is for another letter: author, Message-ID or body differ")
    if recipient.lower() not in proof.recipients:
        return Refusal(Reason.WRONG_AUDIENCE, "the proof was made for other recipients")
    if (refusal := jose.judge_times(proof.token.claims, now)) is not None:
        return refusal
    issued = jose.moment(proof.token.claims, "iat")
    if issued is None or issued < now - OLDEST:
        return Refusal(Reason.EXPIRED, "the proof is too old")
    return None


async def verify(proof: Proof, resolver: Resolver) -> Method | Refusal:
    """Make sure that the DID itself signed, with a key for authentication."""
    return await jose.verify(proof.token, proof.did, Purpose.AUTHENTICATION, resolver)


def consent(did: Did, until: datetime) -> str:
    """What a wallet signs (EIP-191) so that letters of a DID count as its owner's, until a day."""
    return f"Mail signed by {did} speaks for this wallet until {until.astimezone(UTC):%Y-%m-%d}."


def write(
    signer: Signer,
    letter: Letter,
    recipients: Sequence[str],
    now: datetime,
    *,
    credentials: Sequence[str] = (),
    wallets: Sequence[Mapping[str, str]] = (),
) -> str:
    """The field's value.

    Args:
        wallets: {"address": "0x...", "until": "2027-01-31", "signature": "0x..."}, signed over `consent`.
    """
    claims: dict[str, Any] = {
        "iss": str(signer.did),
        "aud": list(recipients),
        "iat": int(now.timestamp()),
        "from": letter.author,
        "mid": letter.message_id,
        "bh": letter.body,
    }
    more = {"vc": list(credentials)} if credentials else {}
    return signer.sign(claims | more | ({"wallets": list(wallets)} if wallets else {}), KIND)


def _texts(claims: Mapping[str, Any], name: str, most: int) -> tuple[str, ...] | None:
    value = claims.get(name, [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or len(listed) > most or not all(isinstance(each, str) for each in listed):
        return None
    return tuple(listed)


def _wallets(claims: Mapping[str, Any], did: Did, now: datetime) -> tuple[bytes, ...] | Refusal:
    listed = claims.get("wallets", [])
    bad = Refusal(Reason.MALFORMED, "the wallets of the proof cannot be read")
    if not isinstance(listed, list) or len(listed) > MAX_WALLETS:
        return bad
    found = []
    for each in listed:
        if not isinstance(each, dict) or not all(
            isinstance(each.get(k), str) for k in ("address", "until", "signature")
        ):
            return bad
        address, signature = ethereum.from_checksum(each["address"]), ethereum.parse_signature(each["signature"])
        try:
            until = datetime.strptime(each["until"], "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            return bad
        if address is None or isinstance(signature, Refusal):
            return bad
        if until + timedelta(days=1) <= now:
            return Refusal(Reason.EXPIRED, "a wallet's word that the DID speaks for it has ended")
        refused = eip4361.check_signer(consent(did, until), signature, address)
        if refused is not None:
            return refused
        found.append(address)
    return tuple(found)
