"""Logging in with an outside OpenID provider: what it tells about itself, and the id_token that says who is there.

OpenID Connect Core §3.1.3.7 and Discovery §4.3. The provider is chosen by the operator; what comes through the
browser is a stranger's until its signature, issuer, audience and nonce are all found right.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from identity import jose, strict_json
from identity.oauth.endpoint import Place, place
from identity.refusal import Reason, Refusal

MAX_DOCUMENT = 64 * 1024  # octets of a discovery document, a key set, or a token answer
MAX_KEYS = 32
MAX_ID_TOKEN = 16 * 1024  # characters
MAX_SUBJECT = 255  # characters (Core §2)
MIN_RSA_BITS, MAX_RSA_BITS = 2048, 8192
# RFC 7518 §3.1, RFC 8037 §3.1: key type and curve that each is made with. No "none", nothing with a shared secret.
ALGORITHMS: Mapping[str, tuple[str, str]] = {
    "RS256": ("RSA", ""),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
}
_REGISTRY = jose.Registry(ALGORITHMS)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a provider tells about itself.

    Attributes:
        authorization: where the browser goes.
        token, keys: where we ask.
        sends_iss: its answers name it (RFC 9207 §2.3).
        secret_in_form: it takes a client's secret in the form alone (Core §9).
    """

    authorization: str
    token: Place
    keys: Place
    sends_iss: bool
    secret_in_form: bool


def read_facts(data: bytes, issuer: str, *, near: bool = False) -> Facts | Refusal:
    """Read a discovery document (Discovery §3); it has to be the issuer's own, letter for letter (§4.3)."""
    try:
        told = strict_json.loads(data, MAX_DOCUMENT)
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the provider's configuration cannot be read: {error}")
    if told.get("issuer") != issuer:
        return Refusal(Reason.WRONG_ISSUER, "the provider's configuration names another issuer")
    urls = [told.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    places = [place(url, near=near) if isinstance(url, str) else None for url in urls]
    authorization, token, keys = places
    if authorization is None or token is None or keys is None:
        return Refusal(Reason.MALFORMED, "the provider's configuration lacks an address over https")
    for name, wanted in (
        ("id_token_signing_alg_values_supported", frozenset(ALGORITHMS)),
        ("response_types_supported", frozenset({"code"})),
        ("code_challenge_methods_supported", frozenset({"S256"})),
    ):
        if name in told and not wanted & _texts(told[name]):
            return Refusal(Reason.UNKNOWN_METHOD, f"the provider offers nothing usable as {name}")
    methods = _texts(told.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]))
    in_form = "client_secret_basic" not in methods and "client_secret_post" in methods
    sends_iss = told.get("authorization_response_iss_parameter_supported") is True
    return Facts(str(urls[0]), token, keys, sends_iss, in_form)


def _texts(value: object) -> frozenset[str]:
    return frozenset(item for item in value if isinstance(item, str)) if isinstance(value, list) else frozenset()


def read_keys(data: bytes) -> tuple[Mapping[str, Any], ...] | Refusal:
    """Read a key set (RFC 7517 §5). Keys of kinds that are not used here are left out."""
    try:
        keys = strict_json.loads(data, MAX_DOCUMENT).get("keys")
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the provider's keys cannot be read: {error}")
    if not isinstance(keys, list) or len(keys) > MAX_KEYS:
        return Refusal(Reason.MALFORMED, f"the provider's key set has no list of at most {MAX_KEYS} keys")
    return tuple(key for key in keys if isinstance(key, dict) and key.get("use", "sig") == "sig")


@dataclass(frozen=True, slots=True)
class Expected:
    """What an id_token has to say: who made it, for whom, and in answer to what."""

    issuer: str
    client_id: str
    nonce: str


def verify(compact: str, keys: Sequence[Mapping[str, Any]], expected: Expected, now: datetime) -> str | Refusal:
    """The subject of an id_token (Core §3.1.3.7).

    1. It is signed, with an algorithm on the list. 2. One key of the provider's set fits it: key id, kind and curve;
    the key's kind decides the algorithm. 3. The signature holds. 4. Issuer, audience, authorized party. 5. Times.
    6. The nonce is the one this browser's login began with. 7. The subject is usable.

    Returns:
        The subject; `Reason.WRONG_KEY` when the set has no such key: a newer set may have it.
    """
    token = jose.read(compact, MAX_ID_TOKEN, ALGORITHMS)  # 1
    if isinstance(token, Refusal):
        return token
    if token.kind not in ("", "jwt"):  # an access token (RFC 9068) or a logout token is none (RFC 8725 §3.11)
        return Refusal(Reason.MALFORMED, "the token is of another kind than an id_token")
    fitting = [key for key in keys if _fits(token.header, key)]  # 2
    if len(fitting) != 1:
        return Refusal(Reason.WRONG_KEY, "the provider has no such key, or several without a name")
    if not _holds(compact, fitting[0]):  # 3
        return Refusal(Reason.BAD_SIGNATURE, "the id_token is not signed by the provider")
    return _judge(token.claims, expected, now)


def _fits(header: Mapping[str, Any], key: Mapping[str, Any]) -> bool:
    alg, kid = header["alg"], header.get("kid")
    kind, curve = ALGORITHMS[alg]
    if key.get("kty") != kind or (curve and key.get("crv") != curve) or key.get("alg", alg) != alg:
        return False
    return kid is None or key.get("kid") == kid


def _holds(compact: str, jwk: Mapping[str, Any]) -> bool:
    public = {name: value for name, value in jwk.items() if name in {"kty", "crv", "x", "y", "n", "e"}}
    try:
        key = _imported(public)
        if isinstance(key, RSAKey) and not MIN_RSA_BITS <= key.raw_value.key_size <= MAX_RSA_BITS:
            return False
        jws.deserialize_compact(compact, key, registry=_REGISTRY)
    except (JoseError, ValueError, TypeError, KeyError):
        return False
    return True


def _imported(jwk: dict[str, Any]) -> RSAKey | ECKey | OKPKey:
    if jwk["kty"] == "RSA":
        return RSAKey.import_key(jwk)
    return ECKey.import_key(jwk) if jwk["kty"] == "EC" else OKPKey.import_key(jwk)


def _judge(claims: Mapping[str, Any], expected: Expected, now: datetime) -> str | Refusal:
    if claims.get("iss") != expected.issuer:  # 4
        return Refusal(Reason.WRONG_ISSUER, "the id_token is by another issuer")
    # Core §3.1.3.7: an audience that is not trusted beside us makes it invalid; none is.
    if claims.get("aud") not in (expected.client_id, [expected.client_id]):
        return Refusal(Reason.WRONG_AUDIENCE, "the id_token is for somebody else")
    if claims.get("azp", expected.client_id) != expected.client_id:
        return Refusal(Reason.WRONG_AUDIENCE, "the id_token was made for another client")
    if claims.get("exp") is None or claims.get("iat") is None:  # 5
        return Refusal(Reason.MALFORMED, "the id_token lacks its times")
    if (refusal := jose.judge_times(claims, now)) is not None:
        return refusal
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode("utf-8"), expected.nonce.encode("utf-8")):
        return Refusal(Reason.WRONG_NONCE, "the id_token belongs to another login")  # 6
    subject = claims.get("sub")
    if not isinstance(subject, str) or not is_subject(subject):  # 7
        return Refusal(Reason.MALFORMED, f"the id_token has no subject of at most {MAX_SUBJECT} characters")
    return subject


def is_subject(text: str) -> bool:
    """True for what may name a person at a provider (Core §2: 1 to 255 characters of ASCII)."""
    return 0 < len(text) <= MAX_SUBJECT and text.isascii() and text.isprintable()
