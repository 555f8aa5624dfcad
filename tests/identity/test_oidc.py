"""An outside provider's configuration, keys and id_tokens: what is taken, and everything that is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from identity import jose, oidc
from identity.oauth.endpoint import Place, place
from identity.oidc import Expected, Facts
from identity.refusal import Reason, Refusal

ISSUER = "https://id.example.org"
NOW = datetime.fromtimestamp(1_800_000_000, UTC)
EXPECTED = Expected(ISSUER, "waxseal", "n-1")
CLAIMS = {"iss": ISSUER, "aud": "waxseal", "sub": "u-7", "nonce": "n-1", "exp": 1_800_000_300, "iat": 1_800_000_000}
REGISTRY = jose.Registry(["RS256", "ES256", "EdDSA", "ES256K", "HS256", "PS256"])


@cache
def key(alg: str, name: str = "k1", bits: int = 2048) -> Any:
    parameters: dict[str, Any] = {"kid": name, "use": "sig"}
    if alg == "RS256":
        return RSAKey.generate_key(bits, parameters)
    return ECKey.generate_key("P-256", parameters) if alg == "ES256" else OKPKey.generate_key("Ed25519", parameters)


def token(claims: dict[str, Any] | None = None, alg: str = "ES256", signer: Any = None, **header: Any) -> str:
    head = {"alg": alg, "kid": "k1", **header}
    text = json.dumps(CLAIMS if claims is None else claims)
    return jws.serialize_compact(
        {k: v for k, v in head.items() if v is not None}, text, signer or key(alg), registry=REGISTRY
    )


def keys(*made: Any) -> tuple[Any, ...]:
    found = oidc.read_keys(json.dumps({"keys": [each.as_dict(private=False) for each in made]}).encode())
    assert isinstance(found, tuple)
    return found


def verify(compact: str, *made: Any) -> object:
    found = oidc.verify(compact, keys(*made or (key("ES256"),)), EXPECTED, NOW)
    return found.reason if isinstance(found, Refusal) else found


@pytest.mark.parametrize("alg", ["RS256", "ES256", "EdDSA"])
def test_a_token_names_its_subject(alg: str) -> None:
    everybody = [key(each) for each in ("RS256", "ES256", "EdDSA")]
    assert verify(token(alg=alg), *everybody) == "u-7"
    assert verify(token(alg=alg, kid=None), *everybody) == "u-7", "one key fits without being named"
    assert verify(token({**CLAIMS, "aud": ["waxseal"], "azp": "waxseal"}, alg), *everybody) == "u-7"


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"iss": "https://evil.example"}, Reason.WRONG_ISSUER),
        ({"iss": ISSUER + "/"}, Reason.WRONG_ISSUER),
        ({"iss": None}, Reason.WRONG_ISSUER),
        ({"aud": "other"}, Reason.WRONG_AUDIENCE),
        ({"aud": ["waxseal", "other"]}, Reason.WRONG_AUDIENCE),
        ({"aud": []}, Reason.WRONG_AUDIENCE),
        ({"aud": None}, Reason.WRONG_AUDIENCE),
        ({"azp": "other"}, Reason.WRONG_AUDIENCE),
        ({"nonce": "n-2"}, Reason.WRONG_NONCE),
        ({"nonce": None}, Reason.WRONG_NONCE),
        ({"nonce": ["n-1"]}, Reason.WRONG_NONCE),
        ({"exp": 1_799_999_999}, Reason.EXPIRED),
        ({"exp": None}, Reason.MALFORMED),
        ({"exp": "soon"}, Reason.MALFORMED),
        ({"exp": 1e300}, Reason.MALFORMED),
        ({"iat": None}, Reason.MALFORMED),
        ({"iat": 1_800_000_100}, Reason.ISSUED_IN_FUTURE),
        ({"nbf": 1_800_000_100}, Reason.NOT_YET_VALID),
        ({"sub": ""}, Reason.MALFORMED),
        ({"sub": None}, Reason.MALFORMED),
        ({"sub": 7}, Reason.MALFORMED),
        ({"sub": "x" * 256}, Reason.MALFORMED),
        ({"sub": "\N{CYRILLIC SMALL LETTER A}nn"}, Reason.MALFORMED),
        ({"sub": "a\nb"}, Reason.MALFORMED),
    ],
)
def test_claims_that_do_not_fit_are_refused(changes: dict[str, Any], wanted: Reason) -> None:
    claims = {name: value for name, value in {**CLAIMS, **changes}.items() if value is not None}
    assert verify(token(claims)) is wanted


def encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_token_without_a_signature_is_none() -> None:
    body = encoded(CLAIMS)
    for alg in ("none", "None", "NONE"):
        assert verify(f"{encoded({'alg': alg})}.{body}.") is Reason.MALFORMED
        assert verify(f"{encoded({'alg': alg})}.{body}.AAAA") is Reason.UNKNOWN_ALGORITHM


def test_the_public_key_is_no_shared_secret() -> None:
    """Algorithm confusion (RFC 8725 §2.1)."""
    signed = f"{encoded({'alg': 'HS256', 'kid': 'k1'})}.{encoded(CLAIMS)}"
    tag = hmac.digest(key("RS256").as_pem(private=False), signed.encode(), hashlib.sha256)
    forged = f"{signed}.{base64.urlsafe_b64encode(tag).rstrip(b'=').decode()}"
    assert verify(forged, key("RS256")) is Reason.UNKNOWN_ALGORITHM


def test_only_the_providers_own_key_will_do() -> None:
    other = ECKey.generate_key("P-256", {"kid": "k1"})
    assert verify(token(signer=other)) is Reason.BAD_SIGNATURE
    assert verify(token(kid="k2")) is Reason.WRONG_KEY
    assert verify(token(kid=None), key("ES256"), key("ES256", "k3")) is Reason.WRONG_KEY, "which of both?"
    assert verify(token(alg="RS256"), key("ES256")) is Reason.WRONG_KEY, "the key's kind decides"
    assert verify(token(jwk=other.as_dict(private=False), signer=other)) is Reason.MALFORMED
    assert verify(token(jku="https://evil.example/keys")) is Reason.MALFORMED
    assert verify(token(typ="at+jwt")) is Reason.MALFORMED
    assert verify(token(typ="JWT")) == "u-7"
    assert verify(token(alg="PS256", signer=key("RS256")), key("RS256")) is Reason.UNKNOWN_ALGORITHM


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_short_rsa_key_proves_nothing() -> None:
    short = key("RS256", bits=1024)
    assert verify(token(alg="RS256", signer=short), short) is Reason.BAD_SIGNATURE


def test_a_token_that_is_too_long_is_not_read() -> None:
    assert verify(token({**CLAIMS, "more": "x" * oidc.MAX_ID_TOKEN})) is Reason.TOO_LONG
    assert verify("a.b") is Reason.MALFORMED
    head, _, tail = token().split(".")
    assert verify(f"{head}.{encoded({**CLAIMS, 'sub': 'admin'})}.{tail}") is Reason.BAD_SIGNATURE


def test_broken_keys_are_left_alone() -> None:
    whole = {"kty": "EC", "crv": "P-256", "kid": "k1"}
    for broken in (whole, {**whole, "x": 1, "y": 2}, {**whole, "x": "AA", "y": "AA"}):
        found = oidc.verify(token(), (broken,), EXPECTED, NOW)
        assert isinstance(found, Refusal)
        assert found.reason is Reason.BAD_SIGNATURE
    for data in (b"", b"[]", b"{}", b'{"keys": {}}', json.dumps({"keys": [{}] * 33}).encode()):
        assert isinstance(oidc.read_keys(data), Refusal)
    assert oidc.read_keys(b'{"keys": [{"kty": "EC", "use": "enc"}, 7]}') == ()


TOLD = {
    "issuer": ISSUER,
    "authorization_endpoint": ISSUER + "/authorize",
    "token_endpoint": ISSUER + ":8443/token",
    "jwks_uri": "https://keys.example.org/jwks?v=1",
}


def facts(near: bool = False, **changes: Any) -> Facts | Refusal:
    return oidc.read_facts(json.dumps({**TOLD, **changes}).encode(), ISSUER, near=near)


def test_a_configuration_tells_where_to_ask() -> None:
    assert facts(authorization_response_iss_parameter_supported=True) == Facts(
        ISSUER + "/authorize",
        Place("https", "id.example.org", 8443, "/token"),
        Place("https", "keys.example.org", 443, "/jwks?v=1"),
        True,
        False,
    )
    only = facts(token_endpoint_auth_methods_supported=["client_secret_post"])
    assert isinstance(only, Facts)
    assert only.secret_in_form


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": ISSUER + "/"},
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"token_endpoint": "http://id.example.org/token"},
        {"token_endpoint": "http://127.0.0.1/token"},
        {"token_endpoint": "https://127.0.0.1/token"},
        {"token_endpoint": "https://user@id.example.org/token"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": ["https://id.example.org/"]},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": ISSUER + "/authorize#part"},
        {"id_token_signing_alg_values_supported": ["HS256", "none"]},
        {"response_types_supported": ["id_token"]},
        {"code_challenge_methods_supported": ["plain"]},
    ],
)
def test_a_configuration_that_cannot_be_used_is_refused(changes: dict[str, Any]) -> None:
    assert isinstance(facts(**changes), Refusal)


def test_a_configuration_that_is_none_is_refused() -> None:
    for data in (b"", b"[]", b"\xff", b"{" * 100, b" " * (oidc.MAX_DOCUMENT + 1)):
        assert isinstance(oidc.read_facts(data, ISSUER), Refusal)


def test_places_near_by_are_an_exception() -> None:
    assert place("http://localhost:8080/x") is None
    assert place("http://localhost:8080/x", near=True) == Place("http", "localhost", 8080, "/x")
    for url in (
        "http://192.168.0.1/",
        "http://169.254.169.254/",
        "http://localhost.evil.example/",
        "http://localhost@evil/",
    ):
        assert place(url, near=True) is None, url
    assert place("https://id.example.org/" + "x" * 1100) is None
