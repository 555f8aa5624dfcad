"""Signed tokens of the provider: access tokens (RFC 9068) and id_tokens (OpenID Connect Core §2).

One algorithm, RS256, which both standards demand; the token never chooses (RFC 8725 §3.1). The `typ` keeps the two
kinds apart, so that an id_token, which clients hand around, opens no mailbox.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from identity import strict_json
from identity.did import multibase
from identity.oauth import scope
from identity.refusal import Reason, Refusal

ALGORITHM = "RS256"
ACCESS_TYPE = "at+jwt"  # RFC 9068 §2.1
MAX_TOKEN = 4096  # octets; ours have about 800
MIN_BITS = 2048
SKEW = 60  # seconds another clock may be off


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An RSA key with its id, the thumbprint of RFC 7638."""

    id: str
    key: RSAKey = field(repr=False)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public part (RFC 7517)."""
        public = {name: value for name, value in self.key.as_dict(private=False).items() if name in {"kty", "n", "e"}}
        return {**public, "kid": self.id, "use": "sig", "alg": ALGORITHM}


def signing_key(pem: bytes) -> SigningKey:
    """Read a private key.

    Raises:
        ValueError: it is no RSA key, none that signs, or a short one.
    """
    try:
        private = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("no private key in PEM without a password") from error
    if not isinstance(private, RSAPrivateKey) or private.key_size < MIN_BITS:
        raise ValueError(f"not an RSA key of at least {MIN_BITS} bits")
    key = RSAKey.import_key(private)
    return SigningKey(key.thumbprint(), key)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of the provider: the first signs, all verify."""

    keys: tuple[SigningKey, ...]

    @property
    def jwks(self) -> dict[str, Any]:
        """The public keys (RFC 7517 §5)."""
        return {"keys": [key.jwk for key in self.keys]}

    def sign(self, claims: Mapping[str, Any], typ: str) -> str:
        """A compact token."""
        header = {"alg": ALGORITHM, "kid": self.keys[0].id, "typ": typ}
        return jws.serialize_compact(
            header, json.dumps(claims, separators=(",", ":")), self.keys[0].key, algorithms=[ALGORITHM]
        )


@dataclass(frozen=True, slots=True)
class Access:
    """What an access token says.

    Attributes:
        subject: whose mailbox; opaque.
        grant_id: the consent it came from. Without that consent it is worth nothing.
        issued, expires, auth_time: unix seconds; the last is when the person logged in.
    """

    subject: str
    client_id: str
    scopes: frozenset[str]
    grant_id: int
    issued: int
    expires: int
    auth_time: int


def write_access(ring: KeyRing, issuer: str, access: Access, id: str) -> str:
    """An access token (RFC 9068 §2); `id` is its `jti`, random."""
    claims = {
        "iss": issuer,
        "sub": access.subject,
        "aud": issuer,
        "client_id": access.client_id,
        "scope": scope.write(access.scopes),
        "iat": access.issued,
        "exp": access.expires,
        "auth_time": access.auth_time,
        "jti": id,
        "grant": access.grant_id,
    }
    return ring.sign(claims, ACCESS_TYPE)


def read_access(ring: KeyRing, issuer: str, compact: str, now: float) -> Access | Refusal:
    """Verify an access token (RFC 9068 §4); whether its grant still stands, the caller asks the store.

    1. Three parts, read strictly. 2. Our algorithm, our kind, one of our keys, nothing demanded. 3. The signature.
    4. By us, for us. 5. In time.
    """
    header = _header(compact)  # 1
    if isinstance(header, Refusal):
        return header
    key = _key(ring, header)  # 2
    if isinstance(key, Refusal):
        return key
    try:
        payload = jws.deserialize_compact(compact, key.key, algorithms=[ALGORITHM]).payload  # 3
        claims = strict_json.loads(payload, MAX_TOKEN, depth=4)
    except JoseError:
        return Refusal(Reason.BAD_SIGNATURE, "the token is not signed by this node")
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the token cannot be read: {error}")
    if claims.get("iss") != issuer:  # 4
        return Refusal(Reason.WRONG_ISSUER, "the token is from another issuer")
    if claims.get("aud") != issuer:
        return Refusal(Reason.WRONG_AUDIENCE, "the token is for somebody else")
    return _in_time(claims, now)  # 5


def _header(compact: str) -> dict[str, Any] | Refusal:
    if len(compact) > MAX_TOKEN:
        return Refusal(Reason.TOO_LONG, f"a token has at most {MAX_TOKEN} characters")
    parts = compact.split(".")
    if len(parts) != 3 or not all(parts):  # an empty signature is how "alg": "none" is written
        return Refusal(Reason.MALFORMED, "an access token has three parts with dots between them")
    try:
        head, _, _ = (multibase.decode_base64url(part) for part in parts)
        return strict_json.loads(head, MAX_TOKEN, depth=4)
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the token cannot be read: {error}")


def _key(ring: KeyRing, header: Mapping[str, Any]) -> SigningKey | Refusal:
    if header.get("alg") != ALGORITHM:  # "none", and HS256 under our public key as secret, end here
        return Refusal(Reason.UNKNOWN_ALGORITHM, f"access tokens are signed with {ALGORITHM}")
    if header.get("typ") != ACCESS_TYPE:
        return Refusal(Reason.MALFORMED, "this is a token of another kind, no access token")
    if not header.keys() <= {"alg", "typ", "kid"}:  # crit, b64, jwk, jku, x5c...: ours have none of them
        return Refusal(Reason.MALFORMED, "the token's header asks for what is not accepted")
    for key in ring.keys:
        if key.id == header.get("kid"):
            return key
    return Refusal(Reason.WRONG_KEY, "the token is signed by a key this node does not have")


def _in_time(claims: Mapping[str, Any], now: float) -> Access | Refusal:
    numbers = [claims.get(name) for name in ("grant", "iat", "exp", "auth_time")]
    texts = [claims.get(name) for name in ("sub", "client_id", "scope")]
    if not all(type(number) is int for number in numbers) or not all(isinstance(text, str) for text in texts):
        return Refusal(Reason.MALFORMED, "the token lacks what an access token says")
    access = Access(
        *(str(texts[0]), str(texts[1]), frozenset(str(texts[2]).split())),
        *(int(str(number)) for number in numbers),
    )
    if access.issued > now + SKEW:
        return Refusal(Reason.ISSUED_IN_FUTURE, "the token is dated in the future")
    if access.expires <= now:
        return Refusal(Reason.EXPIRED, "the token has expired; refresh it")
    return access


def write_id(
    ring: KeyRing, issuer: str, access: Access, lifetime: int, *, nonce: str = "", extra: Sequence[tuple[str, Any]] = ()
) -> str:
    """An id_token (OpenID Connect Core §2): who logged in, when, for this client.

    Args:
        lifetime: seconds.
        nonce: as the client sent it, "" for none.
        extra: further claims, such as `email`.
    """
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": access.subject,
        "aud": access.client_id,
        "iat": access.issued,
        "exp": access.issued + lifetime,
        "auth_time": access.auth_time,
        **dict(extra),
    }
    if nonce:
        claims["nonce"] = nonce
    return ring.sign(claims, "JWT")
