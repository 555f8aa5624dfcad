"""Embedded proofs: what is read, by which names, and what is refused before anybody is asked about a signature.

`linked.json` was issued by didkit 0.3.3, one credential and one presentation for each suite; its keys are thrown away.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity import did_login
from identity.credentials import linked
from identity.credentials.linked import SUITES, LinkedCredential, LinkedPresentation, Question
from identity.credentials.verify import Verifier, unverified
from identity.did.resolve import SelfContained
from identity.did_login import Proof
from identity.refusal import Reason, Refusal

pytestmark = pytest.mark.anyio
RECORDED = json.loads(Path(__file__).with_name("linked.json").read_text())
TERMS = "https://waxseal.test/terms#"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PERSONAL = "EthereumPersonalSignature2021"


def recorded(kind: str = "credential", suite: str = PERSONAL) -> Any:
    return copy.deepcopy(RECORDED[suite][kind])


def changed(change: Callable[[Any], object], kind: str = "credential", suite: str = PERSONAL) -> str:
    body = recorded(kind, suite)
    change(body)
    return json.dumps(body)


def reason(found: object) -> Reason:
    assert isinstance(found, Refusal), found
    return found.reason


@pytest.mark.parametrize("suite", SUITES)
def test_types_and_claims_are_called_by_their_addresses(suite: str) -> None:
    found = linked.read(json.dumps(recorded("credential", suite)))
    assert isinstance(found, LinkedCredential)
    said = found.credential
    assert said.types == ("VerifiableCredential", f"{TERMS}MemberCredential")
    (subject,) = said.subjects
    assert (subject[f"{TERMS}member"], subject[f"{TERMS}level"], subject["id"]) == (True, 2, str(said.issuer))
    assert said.valid_until == datetime(2030, 1, 1, tzinfo=UTC)
    assert found.question.method.startswith(str(said.issuer))
    assert not found.question.shown


@pytest.mark.parametrize("suite", SUITES)
def test_presentations_are_read_with_challenge_and_domain(suite: str) -> None:
    found = linked.read_presentation(json.dumps(recorded("presentation", suite)))
    assert isinstance(found, LinkedPresentation)
    assert (found.nonce, found.domain, len(found.credentials)) == ("f00df00df00d", "https://mail.waxseal.test", 1)
    assert isinstance(linked.read(found.credentials[0]), LinkedCredential)
    assert found.question == Question(
        json.dumps(recorded("presentation", suite)), True, found.method.id, found.nonce, found.domain
    )


# didkit accepts each of these with the signature it had: the graph that is signed stays the same.
def rename(body: Any) -> None:
    """The claim "member" becomes "admin", by another name for the same address."""
    body["@context"][1]["admin"] = body["@context"][1].pop("member")
    body["credentialSubject"]["admin"] = body["credentialSubject"].pop("member")


def test_a_renamed_claim_still_means_what_was_signed() -> None:
    found = linked.read(changed(rename))
    assert isinstance(found, LinkedCredential)
    (subject,) = found.credential.subjects
    assert subject[f"{TERMS}member"] is True
    assert "admin" not in subject


DID = "did:key:z6MktwupdmLXVVqTzCw4i46r4uGyosGXRnR3XjN4Zq7oMMsw"
CHANGES: dict[str, tuple[Callable[[Any], object], Reason]] = {
    "a type that nobody explains": (lambda b: b["type"].append("Admin"), Reason.MALFORMED),
    "a claim that nobody explains": (lambda b: b["credentialSubject"].update(admin=True), Reason.MALFORMED),
    "another member": (lambda b: b.update(evidence={"id": "urn:x:y"}), Reason.MALFORMED),
    "a context to fetch": (lambda b: b["@context"].append("https://evil.example/context"), Reason.MALFORMED),
    "a context in an object to fetch": (lambda b: b["@context"].append({"@import": "https://a.b/"}), Reason.MALFORMED),
    "another vocabulary": (lambda b: b["@context"].append({"@vocab": "https://a.b/"}), Reason.MALFORMED),
    "the data model's words": (
        lambda b: b["@context"].append({"until": "https://www.w3.org/2018/credentials#expirationDate"}),
        Reason.MALFORMED,
    ),
    "did as a name": (lambda b: b["@context"].append({"did": "https://a.b/"}), Reason.MALFORMED),
    "issuer explained": (lambda b: b["@context"].append({"issuer": "https://a.b/c"}), Reason.MALFORMED),
    "one address for two names": (lambda b: b["@context"].append({"x": f"{TERMS}member"}), Reason.MALFORMED),
    "a coerced name": (
        lambda b: b["@context"].append({"x": {"@id": "https://a.b/c", "@type": "@id"}}),
        Reason.MALFORMED,
    ),
    "too many names": (
        lambda b: b["@context"].append({f"n{i}": f"https://a.b/{i}" for i in range(70)}),
        Reason.MALFORMED,
    ),
    "no context": (lambda b: b.update({"@context": []}), Reason.MALFORMED),
    "data model 2.0": (lambda b: b["@context"].insert(0, "https://www.w3.org/ns/credentials/v2"), Reason.MALFORMED),
    "two proofs": (lambda b: b.update(proof=[b["proof"]] * 2), Reason.MALFORMED),
    "no proof": (lambda b: b.pop("proof"), Reason.UNKNOWN_SUITE),
    "an unknown suite": (lambda b: b["proof"].update(type="BbsBlsSignature2020"), Reason.UNKNOWN_SUITE),
    "a suite that is no text": (lambda b: b["proof"].update(type=["Eip712Signature2021"]), Reason.UNKNOWN_SUITE),
    "a suite that does not fit the key": (lambda b: b["proof"].update(type="Ed25519Signature2018"), Reason.WRONG_KEY),
    "a proof in words of its own": (
        lambda b: b["proof"]["@context"][0].update(challenge="https://w3id.org/security#nonce"),
        Reason.MALFORMED,
    ),
    "typed data of its own": (lambda b: b["proof"].update(eip712={"types": {}}), Reason.MALFORMED),
    "another purpose": (lambda b: b["proof"].update(proofPurpose="authentication"), Reason.WRONG_KEY),
    "a challenge": (lambda b: b["proof"].update(challenge="f00df00d"), Reason.MALFORMED),
    "another's key": (lambda b: b["proof"].update(verificationMethod=f"{DID}#{DID[8:]}"), Reason.WRONG_KEY),
    "no such key": (lambda b: b["proof"].update(verificationMethod=f"{b['issuer']}#other"), Reason.WRONG_KEY),
    "no key": (lambda b: b["proof"].pop("verificationMethod"), Reason.WRONG_KEY),
    "did:web": (lambda b: b.update(issuer="did:web:evil.example"), Reason.UNKNOWN_METHOD),
    "did:ethr": (lambda b: b.update(issuer="did:ethr:0x" + "1" * 40), Reason.UNKNOWN_METHOD),
    "no issuer": (lambda b: b.pop("issuer"), Reason.MALFORMED),
    "a relative id": (lambda b: b.update(id="urn"), Reason.MALFORMED),
    "a label": (lambda b: b["credentialSubject"].update(id="_:b0"), Reason.MALFORMED),
    "an id that is no text": (lambda b: b["credentialSubject"].update(id=None), Reason.MALFORMED),
    "a keyword": (lambda b: b["credentialSubject"].update({"@reverse": {}}), Reason.MALFORMED),
    "a fraction": (lambda b: b["credentialSubject"].update(level=2.0), Reason.MALFORMED),
    "a long number": (lambda b: b["credentialSubject"].update(level=1 << 60), Reason.MALFORMED),
    "null": (lambda b: b["credentialSubject"].update(level=None), Reason.MALFORMED),
    "a long text": (lambda b: b["credentialSubject"].update(level="x" * 2049), Reason.MALFORMED),
    "nine nodes without a name": (lambda b: b["credentialSubject"].update(level=[{}] * 9), Reason.MALFORMED),
    "too many values": (lambda b: b["credentialSubject"].update(level=[1] * 513), Reason.MALFORMED),
    "too long": (lambda b: b["credentialSubject"].update(level=["x" * 2000] * 25), Reason.MALFORMED),
    "a status of other words": (
        lambda b: b.update(credentialStatus={"id": "urn:x:y", "type": "StatusList2021Entry", "odd": 1}),
        Reason.MALFORMED,
    ),
    "a date that is none": (lambda b: b.update(expirationDate="tomorrow"), Reason.MALFORMED),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_refused_unasked(what: str) -> None:
    change, expected = CHANGES[what]
    assert reason(linked.read(changed(change))) is expected


SHOWN: dict[str, tuple[Callable[[Any], object], Reason]] = {
    "no challenge": (lambda b: b["proof"].pop("challenge"), Reason.WRONG_NONCE),
    "no domain": (lambda b: b["proof"].pop("domain"), Reason.WRONG_NONCE),
    "a short challenge": (lambda b: b["proof"].update(challenge="x"), Reason.WRONG_NONCE),
    "another holder": (lambda b: b.update(holder=DID), Reason.WRONG_KEY),
    "no holder": (lambda b: b.pop("holder"), Reason.MALFORMED),
    "another purpose": (lambda b: b["proof"].update(proofPurpose="assertionMethod"), Reason.WRONG_KEY),
    "another type": (lambda b: b["type"].append("Admin"), Reason.MALFORMED),
    "words of its own": (lambda b: b["@context"].append({"x": "https://a.b/c"}), Reason.MALFORMED),
    "a token in it": (lambda b: b["verifiableCredential"].append("a.b.c"), Reason.MALFORMED),
    "too many": (lambda b: b.update(verifiableCredential=[{"id": "urn:x:y"}] * 9), Reason.MALFORMED),
    "25 nodes without a name": (lambda b: b.update(verifiableCredential=[{}] * 25), Reason.MALFORMED),
    "an unknown suite": (lambda b: b["proof"].update(type="DataIntegrityProof"), Reason.UNKNOWN_SUITE),
}


@pytest.mark.parametrize("what", SHOWN)
def test_presentations_that_are_refused_unasked(what: str) -> None:
    change, expected = SHOWN[what]
    assert reason(linked.read_presentation(changed(change, "presentation"))) is expected


def test_nests_of_100000_and_other_texts() -> None:
    assert reason(linked.read('{"a":' * 100_000)) is Reason.MALFORMED
    assert reason(linked.read('{"@context":' + "[" * 100_000)) is Reason.MALFORMED
    assert reason(unverified(" {")) is Reason.MALFORMED
    assert reason(did_login.read("{}")) is Reason.UNKNOWN_SUITE


async def test_times_are_ours_to_judge_and_nobody_is_asked() -> None:
    verifier = Verifier(SelfContained())  # asks nobody: whatever gets past our own checks, is refused as a suite
    text = json.dumps(recorded())
    assert reason(await verifier.credential(text, NOW)) is Reason.UNKNOWN_SUITE
    assert reason(await verifier.credential(text, datetime(2030, 1, 1, tzinfo=UTC))) is Reason.EXPIRED
    early = changed(lambda b: b.update(issuanceDate="2027-01-01T00:00:00Z"))
    assert reason(await verifier.credential(early, NOW)) is Reason.NOT_YET_VALID
    dated = changed(lambda b: b["proof"].update(created="2026-11-21T12:02:00Z"))
    assert reason(await verifier.credential(dated, NOW)) is Reason.ISSUED_IN_FUTURE


def test_another_site_and_another_time() -> None:
    proof = did_login.read(json.dumps(recorded("presentation")))
    assert isinstance(proof, Proof)
    assert proof.nonce == "f00df00df00d"
    assert did_login.judge(proof, frozenset({"https://mail.waxseal.test"}), NOW) is None
    assert reason(did_login.judge(proof, frozenset({"https://other.test"}), NOW)) is Reason.WRONG_AUDIENCE
    assert reason(did_login.judge(proof, frozenset({"https://mail.waxseal.test"}), NOW - timedelta(days=60))) is (
        Reason.ISSUED_IN_FUTURE
    )


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text(max_size=8), below, max_size=4),
    max_leaves=20,
)


@given(
    st.sampled_from(["@context", "id", "type", "issuer", "credentialSubject", "proof", "credentialStatus"]), json_like
)
def test_whatever_stands_there_is_read_or_refused(name: str, value: Any) -> None:
    for kind, read in (("credential", linked.read), ("presentation", linked.read_presentation)):
        body = {**recorded(kind), name: value}
        assert isinstance(read(json.dumps(body)), Refusal | LinkedCredential | LinkedPresentation)
        nested = {**recorded(kind), "proof": {**recorded(kind)["proof"], name: value}}
        assert isinstance(read(json.dumps(nested)), Refusal | LinkedCredential | LinkedPresentation)


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert isinstance(linked.read("{" + text), Refusal)
    assert isinstance(unverified(text), Refusal)
