"""did:key, did:jwk and did:pkh: the vectors of their specifications and of didkit 0.3.3, and whatever is none."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from identity.did import keys, multibase, self_contained
from identity.did.document import Document, Purpose, read
from identity.did.keys import Kind, PublicKey
from identity.did.syntax import Did, parse
from identity.refusal import Reason, Refusal

SOLANA = "did:pkh:solana:4sGjMW1sUnHzSxGspuhpqLDx6wiyjNtZ:CKg5d12Jhpej1JqtmxLJgaFqqeYjxgPqToJ4LBdvG9Ev"
ETHEREUM = "did:pkh:eip155:1:0xb9c5714089478a327f09197987f16f9e5d936e8a"
P256_X, P256_Y = "fyNYMN0976ci7xqiSdag3buk-ZCwgXU4kz9XNkBlNUI", "hW2ojTNfH7Jbi8--CJUo3OCbH3y5n91g-IMA9MLMbTU"
# DID → (the one method's fragment, the key as didkit 0.3.3 resolves it)
VECTORS = {
    "did:key:z6MkkhBTpCYRHvAHWn4C2T1nwBigNmKPT8xicoS3Gw3Tfszw": (
        "z6MkkhBTpCYRHvAHWn4C2T1nwBigNmKPT8xicoS3Gw3Tfszw",
        {"kty": "OKP", "crv": "Ed25519", "x": "XLcSVET9VHW3sYxKeYk_pTNttF5VvIyl478VjvqWmfg"},
    ),
    "did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169": (
        "zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169",
        {"kty": "EC", "crv": "P-256", "x": P256_X, "y": P256_Y},
    ),
    "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme": (
        "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",
        {
            "kty": "EC",
            "crv": "secp256k1",
            "x": "h0wVx_2iDlOcblulc8E5iEw1EYh5n1RYtLQfeSTyNc0",
            "y": "O2EATIGbu6DezKFptj5scAIRntgfecanVNXxat1rnwE",
        },
    ),
    # did:jwk specification, "Examples"
    "did:jwk:eyJjcnYiOiJQLTI1NiIsImt0eSI6IkVDIiwieCI6ImFjYklRaXVNczNpOF91c3pFakoydHBUdFJNNEVVM3l6OTFQSDZDZEgyVjAi"
    "LCJ5IjoiX0tjeUxqOXZXTXB0bm1LdG00NkdxRHo4d2Y3NEk1TEtncmwyR3pIM25TRSJ9": (
        "0",
        {
            "crv": "P-256",
            "kty": "EC",
            "x": "acbIQiuMs3i8_uszEjJ2tpTtRM4EU3yz91PH6CdH2V0",
            "y": "_KcyLj9vWMptnmKtm46GqDz8wf74I5LKgrl2GzH3nSE",
        },
    ),
    SOLANA: ("controller", {"kty": "OKP", "crv": "Ed25519", "x": "qDkywhH-S6nNxQhA6SHKsoFW7A2gX-X0b3TtwVBMHm8"}),
}


def resolved(text: str) -> Document | Refusal:
    did = parse(text)
    assert isinstance(did, Did)
    return self_contained.resolve(did)


@pytest.mark.parametrize(("text", "expected"), VECTORS.items(), ids=lambda value: str(value)[:16])
def test_the_key_of_a_did(text: str, expected: tuple[str, dict[str, str]]) -> None:
    document = resolved(text)
    assert isinstance(document, Document)
    (method,) = document.methods_for(Purpose.AUTHENTICATION)
    assert document.methods_for(Purpose.ASSERTION) == (method,)
    assert document.methods_for(Purpose.AGREEMENT) == ()
    assert method.id == f"{text}#{expected[0]}"
    assert method.key is not None
    assert method.key.jwk == expected[1]


def test_x25519_is_for_encryption_only() -> None:
    """The did:key method's vector for X25519."""
    document = resolved("did:key:z6LShs9GGnqk85isEBzzshkuVWrVKsRp24GnDuHk8QWkARMW")
    assert isinstance(document, Document)
    assert document.methods_for(Purpose.AUTHENTICATION) == document.methods_for(Purpose.ASSERTION) == ()
    (method,) = document.methods_for(Purpose.AGREEMENT)
    assert method.key is not None
    assert method.key.kind is Kind.X25519


def test_an_account_on_a_chain_has_no_key_of_its_own() -> None:
    document = resolved(ETHEREUM)
    assert isinstance(document, Document)
    (method,) = document.methods_for(Purpose.AUTHENTICATION)
    assert method.key is None
    assert method.account == ETHEREUM.removeprefix("did:pkh:")


JWK = {"crv": "P-256", "kty": "EC", "x": P256_X, "y": P256_Y}


def jwk_text(**changes: object) -> str:
    members = {name: value for name, value in {**JWK, **changes}.items() if value is not None}
    return "did:jwk:" + multibase.encode_base64url(json.dumps(members).encode())


SMALL_ORDER = multibase.write_varint(Kind.ED25519.codec) + b"\x01" + bytes(31)
OFF_CURVE = multibase.write_varint(Kind.P256.codec) + b"\x02" + b"\xff" * 32
SHORT = multibase.write_varint(Kind.ED25519.codec) + bytes(31)
RSA = multibase.write_varint(0x1205) + bytes(32)
ZERO = multibase.write_varint(Kind.X25519.codec) + bytes(32)


@pytest.mark.parametrize(
    "text",
    [
        "did:key:6Mkk",
        "did:key:z",
        "did:key:z6MkkhBTpCYRHvAHWn4C2T1nwBigNmKPT8xicoS3Gw3Tfsz",
        "did:key:z6MkkhBTpCYRHvAHWn4C2T1nwBigNmKPT8xicoS3Gw3Tfsz0",
        "did:key:u" + multibase.encode_base64url(multibase.write_varint(0xE7) + b"\x02" + bytes(31) + b"\x01"),
        *(f"did:key:z{multibase.encode_base58(data)}" for data in (SMALL_ORDER, OFF_CURVE, SHORT, RSA, ZERO)),
        "did:key:z" + "2" * 300,
        jwk_text(d="AAAA"),
        jwk_text(crv="P-384"),
        jwk_text(kty="OKP"),
        jwk_text(y=P256_X),
        jwk_text(y=None),
        jwk_text(x=P256_X + "A"),
        jwk_text(x=1),
        jwk_text(crv=["P-256"]),
        "did:jwk:e30",
        "did:jwk:W10",
        "did:jwk:AAAA",
        "did:pkh:eip155:1:0xb9c5714089478a327f09197987f16f9e5d936e8A",
        "did:pkh:eip155:01:0xb9c5714089478a327f09197987f16f9e5d936e8a",
        "did:pkh:eip155:1:0xb9",
        "did:pkh:bip122:000000000019d6689c085ae165831e93:128Lkh3S7CkDTBZ8W7BbpsN3YYizJMp8p6",
        "did:pkh:solana:4sGjMW1sUnHzSxGspuhpqLDx6wiyjNtZ:" + "1" * 32,
    ],
)  # fmt: skip
def test_dids_without_a_usable_key(text: str) -> None:
    found = resolved(text)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.MALFORMED


def test_other_methods_are_not_understood() -> None:
    for text in ("did:web:example.org", "did:ethr:0x1", "did:onion:a"):
        found = resolved(text)
        assert isinstance(found, Refusal)
        assert found.reason is Reason.UNKNOWN_METHOD


@given(st.integers(1, 2**250), st.sampled_from([Kind.P256, Kind.SECP256K1]))
def test_every_key_comes_back_from_its_dids_and_its_document(secret: int, kind: Kind) -> None:
    assert kind.curve is not None
    public = ec.derive_private_key(secret, kind.curve).public_key()
    key = PublicKey(kind, public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint))
    assert keys.from_jwk(key.jwk) == keys.from_multikey(key.multikey) == key
    for text in (self_contained.key_did(key), self_contained.jwk_did(key)):
        document = resolved(text)
        assert isinstance(document, Document)
        assert [method.key for method in document.methods] == [key]
        again = read(json.dumps(document.write()).encode(), Did(*text.split(":", 2)[1:]))
        assert again == Document(
            document.id, document.methods, {purpose: document.uses.get(purpose, ()) for purpose in Purpose}
        )


@given(st.sampled_from(["key", "jwk", "pkh"]), st.from_regex(r"[a-zA-Z0-9:._-]{0,80}[a-zA-Z0-9]", fullmatch=True))
def test_any_did_gives_a_document_or_a_refusal(method: str, id: str) -> None:
    assert isinstance(self_contained.resolve(Did(method, id)), Document | Refusal)
