"""Tokens: whose signature counts, and the ways in which a token may not choose how it is verified."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey

from identity import jose
from identity.did import keys, multibase
from identity.did.document import Document, Method, Purpose
from identity.did.resolve import SelfContained
from identity.did.syntax import Did
from identity.jose import Token
from identity.refusal import Reason, Refusal

pytestmark = pytest.mark.anyio


def encoded(value: object) -> str:
    return multibase.encode_base64url(json.dumps(value).encode())


def token_of(compact: str) -> Token:
    token = jose.read(compact)
    assert isinstance(token, Token)
    return token


async def checked(compact: str, did: Did, purpose: Purpose = Purpose.AUTHENTICATION) -> Method | Refusal:
    return await jose.verify(token_of(compact), did, purpose, SelfContained())


def reason(found: object) -> Reason:
    assert isinstance(found, Refusal), found
    return found.reason


async def test_what_a_did_signed_holds(party: Any) -> None:
    compact = party.holder.sign({"a": "ä"}, "JWT")
    assert token_of(compact).claims == {"a": "ä"}
    found = await checked(compact, party.holder.did)
    assert isinstance(found, Method)
    assert found.id == f"{party.holder.did}#{party.holder.fragment}"


async def test_what_somebody_else_signed_does_not(party: Any, altered: Any) -> None:
    compact = party.stranger.sign({}, "JWT")
    assert reason(await checked(compact, party.holder.did)) is Reason.WRONG_KEY
    renamed = altered(compact, header={"kid": f"{party.holder.did}#{party.holder.fragment}"})
    assert reason(await checked(renamed, party.holder.did)) is Reason.BAD_SIGNATURE


async def test_a_changed_token_does_not_hold(party: Any, altered: Any) -> None:
    compact = party.holder.sign({"a": 1}, "JWT")
    for changed in (altered(compact, claims={"a": 2}), altered(compact, header={"typ": "x"})):
        assert reason(await checked(changed, party.holder.did)) is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "HS256", "RS256", "PS256", "ES384", "Ed448", "", None, 1, []])
def test_only_the_listed_algorithms(party: Any, altered: Any, alg: Any) -> None:
    assert reason(jose.read(altered(party.holder.sign({}, "JWT"), header={"alg": alg}))) is Reason.UNKNOWN_ALGORITHM


def test_no_signature_is_no_signature(party: Any) -> None:
    head, body, _ = party.holder.sign({}, "JWT").split(".")
    none = encoded({"alg": "none"})
    for compact in (f"{head}.{body}.", f"{none}.{body}.", f"{none}.{body}", f"{head}.{body}"):
        assert reason(jose.read(compact)) is Reason.MALFORMED


async def test_the_key_decides_the_algorithm(party: Any, altered: Any) -> None:
    """Algorithm confusion: any listed name that is not this key's is refused before anything is computed."""
    compact = party.holder.sign({}, "JWT")
    right = token_of(compact).header["alg"]
    others = {"EdDSA", "ES256", "ES256K"} - {right}
    for alg in others:
        assert (
            reason(await checked(altered(compact, header={"alg": alg}), party.holder.did)) is Reason.UNKNOWN_ALGORITHM
        )


def test_a_public_key_is_no_shared_secret(party: Any) -> None:
    """The classic: HS256 with the public key, which everybody has, as the secret."""
    head, body = encoded({"alg": "HS256", "kid": str(party.holder.did)}), encoded({})
    secret = json.dumps(party.holder.public.jwk).encode()
    forged = hmac.new(secret, f"{head}.{body}".encode(), hashlib.sha256).digest()
    assert reason(jose.read(f"{head}.{body}.{multibase.encode_base64url(forged)}")) is Reason.UNKNOWN_ALGORITHM
    with pytest.raises(Exception, match=r".*"):  # and the library, asked with our list, does not know it either
        jws.deserialize_compact(f"{head}.{body}.AAAA", OctKey.import_key(secret), registry=jose._REGISTRY)


@pytest.mark.parametrize(
    "header",
    [{"jwk": {}}, {"jku": "https://a"}, {"x5c": []}, {"x5u": "https://a"}, {"crit": ["exp"]}, {"b64": 0}, {"zip": 0}],
)  # fmt: skip
def test_a_token_brings_no_key_and_demands_nothing(party: Any, altered: Any, header: dict[str, Any]) -> None:
    assert reason(jose.read(altered(party.holder.sign({}, "JWT"), header=header))) is Reason.MALFORMED


async def test_a_key_within_the_header_is_not_looked_at(party: Any) -> None:
    own = ECKey.generate_key("P-256")
    header = {"alg": "ES256", "kid": str(party.holder.did), "jwk": own.as_dict(private=False)}
    assert reason(jose.read(jws.serialize_compact(header, b"{}", own, algorithms=["ES256"]))) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("kid", "expected"),
    [
        ("", None),
        (None, Reason.MALFORMED),
        (7, Reason.MALFORMED),
        ("not a did", Reason.MALFORMED),
        ("did:key:z6MkkhBTpCYRHvAHWn4C2T1nwBigNmKPT8xicoS3Gw3Tfszw", Reason.WRONG_KEY),
        ("#other", Reason.WRONG_KEY),
        ("did:web:evil.example#key", Reason.WRONG_KEY),
    ],
)
async def test_the_key_id_names_a_key_of_this_did(party: Any, kid: Any, expected: Reason | None) -> None:
    header = {"alg": token_of(party.holder.sign({}, "JWT")).header["alg"], "kid": kid}
    if kid == "":
        compact = jws.serialize_compact(header, b"{}", party.holder.key, registry=jose._REGISTRY)
        assert isinstance(await checked(compact, party.holder.did), Method)
        return
    compact = f"{encoded(header)}.{encoded({})}.{'A' * 86}"
    assert reason(await checked(compact, party.holder.did)) is expected


async def test_relative_and_missing_key_ids(party: Any) -> None:
    alg = token_of(party.holder.sign({}, "JWT")).header["alg"]
    for kid in ({"kid": f"#{party.holder.fragment}"}, {"kid": str(party.holder.did)}, {}):
        compact = jws.serialize_compact({"alg": alg, **kid}, b"{}", party.holder.key, registry=jose._REGISTRY)
        assert isinstance(await checked(compact, party.holder.did), Method)


async def test_a_key_for_one_purpose_serves_no_other(party: Any) -> None:
    """A document may list a key for assertions that must not log in."""
    id = f"{party.holder.did}#{party.holder.fragment}"
    method = Method(id, str(party.holder.did), party.holder.public)

    class One:
        async def resolve(self, did: Did) -> Document | Refusal:
            return Document(str(did), (method,), {Purpose.ASSERTION: (id,)})

    token = token_of(party.holder.sign({}, "JWT"))
    assert await jose.verify(token, party.holder.did, Purpose.ASSERTION, One()) == method
    assert reason(await jose.verify(token, party.holder.did, Purpose.AUTHENTICATION, One())) is Reason.WRONG_KEY


async def test_of_several_keys_the_token_names_one(party: Any) -> None:
    ids = [f"{party.holder.did}#{name}" for name in ("one", "two")]
    methods = tuple(
        Method(id, "", signer.public) for id, signer in zip(ids, (party.holder, party.stranger), strict=True)
    )

    class Two:
        async def resolve(self, did: Did) -> Document | Refusal:
            return Document(str(did), methods, {Purpose.AUTHENTICATION: tuple(ids)})

    alg = token_of(party.holder.sign({}, "JWT")).header["alg"]
    for kid, expected in (("#one", methods[0]), ("#two", Reason.BAD_SIGNATURE), ("", Reason.WRONG_KEY)):
        header = {"alg": alg, **({"kid": kid} if kid else {})}
        compact = jws.serialize_compact(header, b"{}", party.holder.key, registry=jose._REGISTRY)
        found = await jose.verify(token_of(compact), party.holder.did, Purpose.AUTHENTICATION, Two())
        assert (reason(found) if isinstance(found, Refusal) else found) == expected


async def test_an_account_on_a_chain_signs_no_token(party: Any) -> None:
    did = Did("pkh", "eip155:1:0xb9c5714089478a327f09197987f16f9e5d936e8a")
    compact = party.holder.sign({}, "JWT")
    head = encoded({"alg": "ES256K"})
    assert reason(await checked(head + compact[compact.index(".") :], did)) is Reason.UNKNOWN_ALGORITHM


@pytest.mark.parametrize(
    "compact", ["", "a", "a.b", "a.b.c.d", "..", "=.=.=", "e30.e30.e30", "e30.W10.AA", "x" * 70_000]
)
def test_what_is_no_token(compact: str) -> None:
    assert isinstance(jose.read(compact), Refusal)


def test_a_signature_has_one_spelling() -> None:
    """64 octets leave four bits over in base64url: spellings that differ there would be twins of one token."""
    signer = jose.ed25519_signer(Did("key", "x"), "x", b"\1" * 32)
    compact = signer.sign({}, "JWT")
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    twin = compact[:-1] + letters[letters.index(compact[-1]) + 1]
    assert isinstance(jose.read(compact), Token)
    assert reason(jose.read(twin)) is Reason.MALFORMED


@pytest.mark.parametrize("value", [True, "1", -1, 1e300, float(2**60), [], {}])
def test_times_that_are_none(value: Any) -> None:
    with pytest.raises(ValueError, match="exp"):
        jose.moment({"exp": value}, "exp")


@given(st.text(max_size=80) | st.from_regex(r"[\w-]{0,40}\.[\w-]{0,40}\.[\w-]{0,40}", fullmatch=True))
def test_any_text_gives_a_token_or_a_refusal(text: str) -> None:
    assert isinstance(jose.read(text), Token | Refusal)


def test_the_signer_keeps_its_secret_out_of_sight() -> None:
    signer = jose.ed25519_signer(Did("key", "x"), "x", b"\7" * 32)
    assert multibase.encode_base64url(b"\7" * 32) not in repr(signer)
    assert signer.public == keys.from_jwk(signer.public.jwk)
