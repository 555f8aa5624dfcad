"""Signed JSON tokens (JWS and JWT) by DIDs: a closed list of algorithms, and a key that decides which one it is.

What is read here was written by strangers: nothing in a token chooses how it is verified, beyond naming a key of the
DID that it is said to be from (RFC 8725).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ed25519
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey
from joserfc.jws import JWSRegistry

from identity import strict_json
from identity.did import keys, multibase
from identity.did.document import Method, Purpose
from identity.did.keys import Kind
from identity.did.resolve import Resolver
from identity.did.syntax import Did, parse_url
from identity.refusal import Reason, Refusal

MAX_TOKEN = 64 * 1024  # octets of a compact token
MAX_HEADER = 4096  # octets; a did:jwk as key id has about 300
SKEW = timedelta(seconds=60)  # how far another clock may be off
LATEST = 253_402_300_799  # the last second of the year 9999: no time in a token is later

# RFC 7518 §3.4, RFC 8812 §3.2, RFC 8037 §3.1, RFC 9864 §2.2. No "none", nothing with a shared secret, nothing with RSA.
ALGORITHMS: Mapping[str, Kind] = {
    "EdDSA": Kind.ED25519,
    "Ed25519": Kind.ED25519,
    "ES256": Kind.P256,
    "ES256K": Kind.SECP256K1,
}
_NAMES = {Kind.ED25519: "EdDSA", Kind.P256: "ES256", Kind.SECP256K1: "ES256K"}


class Registry(JWSRegistry):
    """joserfc's, with a list of ours. EdDSA means Ed25519: the old name also allows Ed448, which no key here is of."""

    max_header_length = MAX_HEADER
    max_payload_length = MAX_TOKEN

    def __init__(self, algorithms: Collection[str]) -> None:
        super().__init__(algorithms=list(algorithms), strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        return self.algorithms["Ed25519" if name == "EdDSA" else name]


_REGISTRY = Registry(ALGORITHMS)


@dataclass(frozen=True, slots=True)
class Token:
    """A token that was read, and not verified.

    Attributes:
        header: protected header; `alg` is one of `ALGORITHMS`.
        claims: the payload.
        compact: the whole, as it came.
    """

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    compact: str

    @property
    def kind(self) -> str:
        """The header's `typ` in lower case, without "application/" (RFC 7515 §4.1.9); "" when absent."""
        typ = self.header.get("typ", "")
        return typ.lower().removeprefix("application/") if isinstance(typ, str) else "?"


def read(compact: str, limit: int = MAX_TOKEN, algorithms: Collection[str] = ALGORITHMS) -> Token | Refusal:
    """Take a token apart; `algorithms` are those that its kind may be signed with.

    1. Three parts of base64url, each in its one spelling. 2. Header and payload are JSON objects within bounds.
    3. The algorithm is on the list. 4. The header demands nothing that is not understood, and brings no key along.
    """
    if len(compact) > limit:
        return Refusal(Reason.TOO_LONG, f"the token has more than {limit} characters")
    parts = compact.split(".")
    if len(parts) != 3 or not all(parts):  # an empty signature is how "alg": "none" is written
        return Refusal(Reason.MALFORMED, "a signed token has three parts with dots between them")
    try:
        head, body, _ = (multibase.decode_base64url(part) for part in parts)  # 1
        header = strict_json.loads(head, MAX_HEADER, depth=4)  # 2
        claims = strict_json.loads(body, limit)
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the token cannot be read: {error}")
    alg = header.get("alg")
    if not isinstance(alg, str) or alg not in algorithms:  # 3
        return Refusal(Reason.UNKNOWN_ALGORITHM, f"sign with one of {', '.join(algorithms)}")
    # 4: `crit` means "refuse me if you do not know this" (RFC 7515 §4.1.11); `b64` changes what is signed; a key in the
    # header would let the attacker choose whom to trust (RFC 8725 §3.10).
    if odd := {"crit", "b64", "jwk", "jku", "x5c", "x5u", "zip", "enc"} & header.keys():
        return Refusal(Reason.MALFORMED, f"the token's header has {min(odd)}, which is not accepted")
    return Token(header, claims, compact)


async def verify(token: Token, did: Did, purpose: Purpose, resolver: Resolver) -> Method | Refusal:
    """Make sure that `did` signed this, with a key that it uses for this purpose.

    1. The key id, if there is one, names a key of this DID. 2. The DID's document lists a key for the purpose that
    fits. 3. The key's own kind decides the algorithm, never the token. 4. The signature holds.

    Returns:
        The method that signed.
    """
    wanted = _key_id(token, did)  # 1
    if isinstance(wanted, Refusal):
        return wanted
    document = await resolver.resolve(did)
    if isinstance(document, Refusal):
        return document
    kind = ALGORITHMS[token.header["alg"]]
    fitting = [each for each in document.methods_for(purpose) if wanted in ("", each.id)]  # 2
    if not fitting:
        return Refusal(Reason.WRONG_KEY, f"the DID lists no such key for {purpose.value}")
    usable = [method for method in fitting if method.key is not None and method.key.kind is kind]  # 3
    if not usable:
        return Refusal(Reason.UNKNOWN_ALGORITHM, "the token's algorithm does not fit the DID's key")
    if len(usable) > 1:
        return Refusal(Reason.WRONG_KEY, "the DID has several keys: say with `kid` which one signed")
    return usable[0] if _holds(token, usable[0]) else _BAD  # 4


_BAD = Refusal(Reason.BAD_SIGNATURE, "the signature is not by the key it names")


def _key_id(token: Token, did: Did) -> str | Refusal:
    """The absolute id of the key that is named, "" for none."""
    kid = token.header.get("kid", "")
    if not isinstance(kid, str):
        return Refusal(Reason.MALFORMED, "the token's kid is no text")
    if kid in ("", str(did)):
        return ""
    url = parse_url(f"{did}{kid}" if kid.startswith("#") else kid)
    if isinstance(url, Refusal):
        return url
    if url.did != did or url.path or url.query is not None or not url.fragment:
        return Refusal(Reason.WRONG_KEY, "the key that is named belongs to another DID")
    return str(url)


def _holds(token: Token, method: Method) -> bool:
    if method.key is None:
        return False
    jwk: dict[str, str | list[str]] = {**method.key.jwk}
    key = OKPKey.import_key(jwk) if method.key.kind.curve is None else ECKey.import_key(jwk)
    try:
        jws.deserialize_compact(token.compact, key, registry=_REGISTRY)
    except (JoseError, ValueError):
        return False
    return True


def moment(claims: Mapping[str, Any], name: str) -> datetime | None:
    """A NumericDate (RFC 7519 §2), or None when absent.

    Raises:
        ValueError: it is no number, or far away.
    """
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LATEST:
        raise ValueError(f"{name} is no time")
    return datetime.fromtimestamp(value, UTC)


def judge_times(claims: Mapping[str, Any], now: datetime) -> Refusal | None:
    """Hold `iat`, `nbf` and `exp` against the clock, where they are there. `now` is aware."""
    try:
        issued, start, end = (moment(claims, name) for name in ("iat", "nbf", "exp"))
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the token cannot be read: {error}")
    if issued is not None and issued > now + SKEW:
        return Refusal(Reason.ISSUED_IN_FUTURE, "the token is dated in the future; check the clock that signed it")
    if start is not None and start > now + SKEW:
        return Refusal(Reason.NOT_YET_VALID, "the token is not valid yet")
    if end is not None and end <= now:
        return Refusal(Reason.EXPIRED, "the token has expired")
    return None


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key in the name of a DID.

    Attributes:
        did: who signs.
        fragment: name of the key in the DID's document, without #.
        key: joserfc's.
    """

    did: Did
    fragment: str
    key: OKPKey | ECKey = field(repr=False)

    @property
    def public(self) -> keys.PublicKey:
        """The key that verifies."""
        return keys.from_jwk({name: value for name, value in self.key.as_dict(private=False).items() if name != "kid"})

    def sign(self, claims: Mapping[str, Any], typ: str) -> str:
        """A compact token."""
        header = {"alg": _NAMES[self.public.kind], "kid": f"{self.did}#{self.fragment}", "typ": typ}
        payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False)
        return jws.serialize_compact(header, payload, self.key, registry=_REGISTRY)


def ed25519_signer(did: Did, fragment: str, seed: bytes) -> Signer:
    """A signer with an Ed25519 key of 32 secret octets."""
    public = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    encoded = {"x": multibase.encode_base64url(public), "d": multibase.encode_base64url(seed)}
    return Signer(did, fragment, OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", **encoded}))
