"""DID documents of strangers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.did.document import MAX_ENTRIES, MAX_SIZE, Document, Purpose, Service, read
from identity.did.keys import Kind
from identity.did.syntax import Did
from identity.refusal import Reason, Refusal

DID = Did("web", "example.org")
ED = {"kty": "OKP", "crv": "Ed25519", "x": "XLcSVET9VHW3sYxKeYk_pTNttF5VvIyl478VjvqWmfg"}
X25519 = "JhNWeSVLMYccCk7iopQW4guaSJTojqpMEELgSLhKwRr"
MULTIKEY = "zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"


def method(id: str = "#one", type: str = "JsonWebKey2020", **key: Any) -> dict[str, Any]:
    return {"id": id, "type": type, "controller": str(DID), **(key or {"publicKeyJwk": ED})}


def document(**members: Any) -> Document | Refusal:
    return read(json.dumps({"id": str(DID), **members}).encode(), DID)


def test_a_document_as_people_publish_it() -> None:
    found = document(
        verificationMethod=[method(), method("did:web:example.org#two", "Multikey", publicKeyMultibase=MULTIKEY)],
        authentication=["#one", "did:web:example.org#two"],
        assertionMethod=["did:web:example.org#one"],
        keyAgreement=[method("#three", "X25519KeyAgreementKey2019", publicKeyBase58=X25519)],
        alsoKnownAs=["acct:ann@example.org", 7],
        service=[
            {"id": "#mail", "type": "Mail", "serviceEndpoint": "mailto:ann@example.org"},
            {"id": "#odd", "type": "Mail", "serviceEndpoint": {"uri": "https://example.org"}},
        ],
    )  # fmt: skip
    assert isinstance(found, Document)
    assert [each.id for each in found.methods_for(Purpose.AUTHENTICATION)] == [f"{DID}#one", f"{DID}#two"]
    assert [each.id for each in found.methods_for(Purpose.ASSERTION)] == [f"{DID}#one"]
    assert [each.key and each.key.kind for each in found.methods_for(Purpose.AGREEMENT)] == [Kind.X25519]
    assert found.also_known_as == ("acct:ann@example.org",)
    assert found.services == (Service(f"{DID}#mail", "Mail", "mailto:ann@example.org"),)


def test_a_listed_key_alone_may_be_used_for_nothing() -> None:
    found = document(verificationMethod=[method()])
    assert isinstance(found, Document)
    assert len(found.methods) == 1
    assert not any(found.methods_for(purpose) for purpose in Purpose)


@pytest.mark.parametrize(
    "other", ["did:web:example.com", "did:web:Example.org", "did:web:example.org#a", "", None, 1, ["x"]]
)
def test_a_document_of_another_did_is_refused(other: Any) -> None:
    found = read(json.dumps({"id": other, "verificationMethod": [method()]}).encode(), DID)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.UNRESOLVABLE


def test_keys_that_lie_elsewhere_are_not_looked_for() -> None:
    found = document(
        verificationMethod=[method("did:web:evil.example#one"), method("did:web:example.org")],
        authentication=["did:web:evil.example#one", "https://evil.example/", 3, None, method("did:web:evil.example#x")],
    )  # fmt: skip
    assert isinstance(found, Document)
    assert found.methods == ()
    assert not found.uses[Purpose.AUTHENTICATION]


@pytest.mark.parametrize(
    "key",
    [
        {"publicKeyJwk": {**ED, "d": "x"}},
        {"publicKeyJwk": ED, "publicKeyMultibase": MULTIKEY},
        {"publicKeyJwk": {**ED, "use": "tls"}},
        {"publicKeyMultibase": "nonsense"},
        {"publicKeyBase58": "111"},
        {"publicKeyPem": "-----BEGIN"},
        {"type": "Ed25519VerificationKey2020", "publicKeyMultibase": MULTIKEY},
        {"type": "RsaVerificationKey2018", "publicKeyJwk": ED},
        {"type": None, "publicKeyJwk": ED},
        {"controller": None, "publicKeyJwk": ED},
    ],
)
def test_an_odd_key_is_left_out_and_takes_no_other_away(key: dict[str, Any]) -> None:
    entry = {**method("#odd"), **key} if "publicKeyJwk" in key else {**method("#odd", **key), **key}
    found = document(verificationMethod=[entry, method()], authentication=["#odd", "#one"])
    assert isinstance(found, Document)
    assert [each.id for each in found.methods_for(Purpose.AUTHENTICATION)] == [f"{DID}#one"]


@pytest.mark.parametrize(
    "members",
    [
        {"verificationMethod": {}},
        {"verificationMethod": [method()] * 2},
        {"verificationMethod": [method()], "authentication": [method()]},
        {"authentication": "#one"},
        {"alsoKnownAs": "x"},
        {"service": ["x"] * (MAX_ENTRIES + 1)},
    ],
)
def test_documents_that_are_refused(members: dict[str, Any]) -> None:
    found = document(**members)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.MALFORMED


def test_size_and_depth_are_bounded() -> None:
    assert isinstance(document(x="y" * MAX_SIZE), Refusal)
    assert isinstance(read(b'{"id":' * 50_000, DID), Refusal)


NAMES = st.sampled_from(["id", "type", "publicKeyJwk", "controller", "x"])
JSON = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.just("#one"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["verificationMethod", "authentication", "keyAgreement", "alsoKnownAs", "service"]), JSON
    )
)
def test_any_json_gives_a_document_or_a_refusal(members: dict[str, Any]) -> None:
    assert isinstance(document(**members), Document | Refusal)
