"""Tokens: signed by one algorithm, of one kind, in time; and how SASL carries them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from identity.oauth import sasl, tokens
from identity.oauth.sasl import OAUTHBEARER, XOAUTH2, BearerLogin, SaslError
from identity.oauth.tokens import Access, KeyRing
from identity.refusal import Reason, Refusal

ISSUER = "https://mail.example.org"
NOW = 1_800_000_000
ACCESS = Access("7", "thunderbird", frozenset({"imap", "smtp"}), 42, NOW, NOW + 3600, NOW - 10)


def _pem(key: Any) -> bytes:
    return bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


KEY, OTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
RING = KeyRing((tokens.signing_key(_pem(KEY)),))
STRANGER = KeyRing((tokens.signing_key(_pem(OTHER)),))
TOKEN = tokens.write_access(RING, ISSUER, ACCESS, "id-1")


def read(token: str, now: float = NOW + 1, ring: KeyRing = RING, issuer: str = ISSUER) -> Access | Reason:
    found = tokens.read_access(ring, issuer, token, now)
    return found.reason if isinstance(found, Refusal) else found


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _forged(header: dict[str, Any], signature: bytes = b"x", claims: dict[str, Any] | None = None) -> str:
    payload = TOKEN.split(".")[1] if claims is None else _b64(json.dumps(claims).encode())
    return f"{_b64(json.dumps(header).encode())}.{payload}.{_b64(signature)}"


def test_a_token_reads_back() -> None:
    assert read(TOKEN) == ACCESS


def _said(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, once OpenSSL has verified the signature with the published key."""
    published = RING.jwks["keys"][0]
    n, e = (int.from_bytes(base64.urlsafe_b64decode(published[name] + "=="), "big") for name in ("n", "e"))
    text, _, signature = token.rpartition(".")
    public = rsa.RSAPublicNumbers(e, n).public_key()
    public.verify(base64.urlsafe_b64decode(signature + "=="), text.encode(), padding.PKCS1v15(), hashes.SHA256())
    head, claims = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in text.split("."))
    return head, claims


def test_openssl_verifies_it_with_the_published_key() -> None:
    head, claims = _said(TOKEN)
    assert head == {"alg": "RS256", "typ": "at+jwt", "kid": RING.keys[0].id}
    # RFC 9068 §2.2
    assert claims.keys() >= {"iss", "exp", "aud", "sub", "client_id", "iat", "jti", "scope", "auth_time"}
    _, said = _said(tokens.write_id(RING, ISSUER, ACCESS, 3600, nonce="n-1", extra=(("email", "ann@example.org"),)))
    assert (said["iss"], said["aud"], said["nonce"], said["auth_time"]) == (ISSUER, "thunderbird", "n-1", NOW - 10)
    assert said["email"] == "ann@example.org"


def test_published_keys_are_public() -> None:
    assert set(RING.jwks["keys"][0]) == {"kty", "n", "e", "kid", "use", "alg"}


def test_an_old_key_verifies_and_does_not_sign() -> None:
    both = KeyRing((*STRANGER.keys, *RING.keys))
    assert read(TOKEN, ring=both) == ACCESS
    fresh = tokens.write_access(both, ISSUER, ACCESS, "id-2")
    assert read(fresh, ring=STRANGER) == ACCESS
    assert read(fresh) is Reason.WRONG_KEY


def test_no_algorithm_is_no_signature() -> None:
    for alg in ("none", "None", "NONE", ""):
        header = {"alg": alg, "typ": "at+jwt", "kid": RING.keys[0].id}
        assert read(_forged(header)) is Reason.UNKNOWN_ALGORITHM
        bare = _forged(header).rpartition(".")[0] + "."
        assert read(bare) is Reason.MALFORMED


def test_the_public_key_is_no_shared_secret() -> None:
    """The classic confusion: HS256 with what everybody can download."""
    header = {"alg": "HS256", "typ": "at+jwt", "kid": RING.keys[0].id}
    for secret in (
        KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        json.dumps(RING.jwks["keys"][0]).encode(),
    ):
        text = _forged(header).rpartition(".")[0]
        signature = hmac.new(secret, text.encode(), hashlib.sha256).digest()
        assert read(f"{text}.{_b64(signature)}") is Reason.UNKNOWN_ALGORITHM


@pytest.mark.parametrize("alg", ["RS384", "PS256", "ES256", "EdDSA", "RS256 ", "rs256"])
def test_other_algorithms_are_not_on_the_list(alg: str) -> None:
    assert read(_forged({"alg": alg, "typ": "at+jwt", "kid": RING.keys[0].id})) is Reason.UNKNOWN_ALGORITHM


@pytest.mark.parametrize(
    "extra", [{"crit": ["b64"]}, {"b64": False}, {"jwk": {}}, {"jku": "https://evil.example/"}, {"x5c": []}]
)
def test_a_token_brings_no_key_and_no_demands(extra: dict[str, Any]) -> None:
    assert read(_forged({"alg": "RS256", "typ": "at+jwt", "kid": RING.keys[0].id, **extra})) is Reason.MALFORMED


def test_a_stranger_may_not_sign_under_our_key_id() -> None:
    key = replace(STRANGER.keys[0], id=RING.keys[0].id)
    assert read(tokens.write_access(KeyRing((key,)), ISSUER, ACCESS, "x")) is Reason.BAD_SIGNATURE
    assert read(tokens.write_access(STRANGER, ISSUER, ACCESS, "x")) is Reason.WRONG_KEY


def test_what_was_signed_stays() -> None:
    head, _, signature = TOKEN.split(".")
    claims = json.loads(base64.urlsafe_b64decode(TOKEN.split(".")[1] + "=="))
    payload = _b64(json.dumps({**claims, "sub": "8"}).encode())
    assert read(f"{head}.{payload}.{signature}") is Reason.BAD_SIGNATURE


def test_an_id_token_opens_no_mailbox() -> None:
    assert read(tokens.write_id(RING, ISSUER, ACCESS, 3600)) is Reason.MALFORMED


def test_tokens_of_another_issuer_or_for_another_audience() -> None:
    assert read(TOKEN, issuer="https://other.example") is Reason.WRONG_ISSUER
    claims = json.loads(base64.urlsafe_b64decode(TOKEN.split(".")[1] + "=="))
    assert read(RING.sign({**claims, "aud": "https://other.example"}, "at+jwt")) is Reason.WRONG_AUDIENCE
    assert read(RING.sign({**claims, "aud": [ISSUER, "x"]}, "at+jwt")) is Reason.WRONG_AUDIENCE


def test_times_count() -> None:
    assert read(TOKEN, now=NOW + 3599) == ACCESS
    assert read(TOKEN, now=NOW + 3600) is Reason.EXPIRED
    assert read(TOKEN, now=NOW - 61) is Reason.ISSUED_IN_FUTURE


@pytest.mark.parametrize("name", ["sub", "client_id", "scope", "grant", "iat", "exp", "auth_time"])
def test_a_signed_token_that_says_too_little(name: str) -> None:
    claims = json.loads(base64.urlsafe_b64decode(TOKEN.split(".")[1] + "=="))
    for value in (None, [], 1.5, True):
        assert read(RING.sign({**claims, name: value}, "at+jwt")) is Reason.MALFORMED


@given(st.text(max_size=100))
def test_whatever_is_sent_is_refused(text: str) -> None:
    assert isinstance(read(text), Reason)
    assert isinstance(read(f"{TOKEN[:40]}{text}"), Reason)


def test_a_token_too_long_is_not_read() -> None:
    assert read("a" * 5000) is Reason.TOO_LONG


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"no key",
        _pem(ec.generate_private_key(ec.SECP256R1())),
        _pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)),
        KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    ],
)
def test_keys_that_do_not_do(pem: bytes) -> None:
    with pytest.raises(ValueError, match="key"):
        tokens.signing_key(pem)


# RFC 7628 §4.1, the example
EXAMPLE = (
    b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"
    b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01"
)


def test_the_standards_own_example() -> None:
    assert sasl.read(OAUTHBEARER, EXAMPLE) == BearerLogin(
        "user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
    )


def test_names_in_both_mechanisms() -> None:
    assert sasl.read(OAUTHBEARER, b"n,,\x01auth=bearer abc\x01\x01") == BearerLogin("", "abc")
    assert sasl.read(OAUTHBEARER, b"y,a=a=2Cb=3Dc,\x01auth=Bearer abc\x01\x01").username == "a,b=c"
    assert sasl.read(XOAUTH2, b"user=ann@example.org\x01auth=Bearer abc\x01\x01") == BearerLogin(
        "ann@example.org", "abc"
    )


@pytest.mark.parametrize(
    ("mechanism", "message"),
    [
        (OAUTHBEARER, b""),
        (OAUTHBEARER, b"\x01"),
        (OAUTHBEARER, b"n,,\x01\x01"),  # RFC 7628 §3.1: a client that asks what is wanted
        (OAUTHBEARER, b"n,,\x01auth=Bearer abc\x01"),
        (OAUTHBEARER, b"n,,auth=Bearer abc\x01\x01"),
        (OAUTHBEARER, b"p=tls-exporter,,\x01auth=Bearer abc\x01\x01"),
        (OAUTHBEARER, b"n,a=x=y,\x01auth=Bearer abc\x01\x01"),
        (OAUTHBEARER, b"n,,\x01auth=Bearer abc\x01auth=Bearer def\x01\x01"),
        (OAUTHBEARER, b"n,,\x01auth=Basic abc\x01\x01"),
        (OAUTHBEARER, b"n,,\x01auth=Bearer a b\x01\x01"),
        (OAUTHBEARER, b"n,,\x01auth=Bearer \xff\x01\x01"),
        (OAUTHBEARER, b"n,,\x01auth=Bearer a\x00\x01\x01"),
        (OAUTHBEARER, b"user=ann\x01auth=Bearer abc\x01\x01"),
        (XOAUTH2, b""),
        (XOAUTH2, b"user=ann\x01auth=Bearer abc\x01"),
        (XOAUTH2, b"user=ann\x01auth=Bearer \x01\x01"),
        (XOAUTH2, b"user=ann\x01user=bob\x01auth=Bearer abc\x01\x01"),
        (XOAUTH2, b"user=ann\x01auth=Bearer " + b"a" * 9000 + b"\x01\x01"),
    ],
)
def test_messages_that_are_none(mechanism: str, message: bytes) -> None:
    with pytest.raises(SaslError):
        sasl.read(mechanism, message)


@given(st.sampled_from([OAUTHBEARER, XOAUTH2]), st.binary(max_size=200))
def test_whatever_the_client_sends_it_is_read_or_refused(mechanism: str, message: bytes) -> None:
    with contextlib.suppress(SaslError):
        assert sasl.read(mechanism, message).token


def test_the_challenge_tells_where_tokens_come_from() -> None:
    found = json.loads(sasl.challenge("invalid_token", "imap", ISSUER + "/.well-known/openid-configuration"))
    assert found["status"] == "invalid_token"
    assert found["openid-configuration"].startswith(ISSUER)
