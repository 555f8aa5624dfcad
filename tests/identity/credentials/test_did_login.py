"""Proofs of a login: plain tokens and presentations of both versions, and all that must open nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from identity import did_login
from identity.credentials import issue, presentation
from identity.credentials.credential import V1, V2, Credential
from identity.credentials.verify import Verifier
from identity.did.document import Method
from identity.did.resolve import SelfContained
from identity.did_login import Proof
from identity.refusal import Reason, Refusal

pytestmark = pytest.mark.anyio
NONCE = "f00d" * 8
HERE = "https://mail.example.org"
AUDIENCES = frozenset({HERE, "mail.example.org"})
VERIFIER = Verifier(SelfContained())


def reason(found: object) -> Reason:
    assert isinstance(found, Refusal), found
    return found.reason


def plain(signer: Any, typ: str = "JWT", **changes: Any) -> str:
    did = str(signer.did)
    token: str = signer.sign({"iss": did, "sub": did, "aud": HERE, "nonce": NONCE, **changes}, typ)
    return token


async def proved(compact: str, now: datetime) -> Proof | Refusal:
    """What a login asks for, one after the other."""
    proof = did_login.read(compact)
    if isinstance(proof, Refusal):
        return proof
    refusal = did_login.judge(proof, AUDIENCES, now)
    if refusal is not None:
        return refusal
    method = await did_login.verify(proof, SelfContained())
    return proof if isinstance(method, Method) else method


async def test_a_plain_token_proves_its_did(party: Any, now: datetime) -> None:
    at = int(now.timestamp())
    for extra in ({}, {"iat": at, "exp": at + 60}, {"aud": "mail.example.org"}, {"aud": [HERE]}):
        found = await proved(plain(party.holder, **extra), now)
        assert isinstance(found, Proof)
        assert (found.did, found.nonce, found.credentials) == (party.holder.did, NONCE, ())


@pytest.mark.parametrize("write", [issue.presentation, issue.presentation_v1])
async def test_a_presentation_proves_its_holder_and_each_credential(party: Any, now: datetime, write: Any) -> None:
    shown = [issue.credential(party.issuer, party.statement())]
    if write is issue.presentation_v1:
        shown.append(issue.credential_v1(party.issuer, party.statement()))
    found = await proved(write(party.holder, shown, nonce=NONCE, audience=HERE), now)
    assert isinstance(found, Proof)
    assert found.did == party.holder.did
    held = await did_login.verify_credentials(found, VERIFIER, now)
    assert isinstance(held, tuple)
    assert [each.types[1] for each in held if isinstance(each, Credential)] == ["MemberCredential"] * len(shown)


@pytest.mark.parametrize("write", [issue.presentation, issue.presentation_v1])
async def test_one_bad_credential_spoils_a_presentation(party: Any, now: datetime, altered: Any, write: Any) -> None:
    good = issue.credential(party.issuer, party.statement())
    past = party.statement(valid_until=now - timedelta(days=1), valid_from=now - timedelta(days=9))
    bad = {
        Reason.BAD_SIGNATURE: altered(good, claims={"credentialSubject": {"id": str(party.holder.did), "admin": True}}),
        Reason.EXPIRED: issue.credential(party.issuer, past),
        Reason.WRONG_HOLDER: issue.credential(party.issuer, party.statement(subject=party.stranger.did)),
        Reason.WRONG_KEY: party.stranger.sign(
            {"@context": [V2], "type": ["VerifiableCredential"], "issuer": str(party.issuer.did)}, "vc+jwt"
        ),
    }
    for expected, token in bad.items():
        for shown in ([token], [good, token], [token, good]):
            found = await proved(write(party.holder, shown, nonce=NONCE, audience=HERE), now)
            assert isinstance(found, Proof)
            assert reason(await did_login.verify_credentials(found, VERIFIER, now)) is expected


async def test_a_credential_about_nobody_proves_nothing_about_its_bearer(party: Any, now: datetime) -> None:
    found = await proved(
        issue.presentation(party.holder, [issue.credential(party.issuer, party.statement(subject=None))],
                           nonce=NONCE, audience=HERE), now)  # fmt: skip
    assert isinstance(found, Proof)
    assert reason(await did_login.verify_credentials(found, VERIFIER, now)) is Reason.WRONG_HOLDER


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"aud": "https://evil.example"}, Reason.WRONG_AUDIENCE),
        ({"aud": HERE + "/"}, Reason.WRONG_AUDIENCE),
        ({"aud": HERE.upper()}, Reason.WRONG_AUDIENCE),
        ({"aud": [HERE, "https://evil.example"]}, Reason.WRONG_AUDIENCE),
        ({"aud": []}, Reason.WRONG_AUDIENCE),
        ({"aud": None}, Reason.WRONG_AUDIENCE),
        ({"nonce": None}, Reason.WRONG_NONCE),
        ({"nonce": "short"}, Reason.WRONG_NONCE),
        ({"nonce": "x" * 200}, Reason.WRONG_NONCE),
        ({"exp": 1}, Reason.EXPIRED),
        ({"nbf": 4_000_000_000}, Reason.NOT_YET_VALID),
        ({"iat": 4_000_000_000}, Reason.ISSUED_IN_FUTURE),
        ({"iat": "now"}, Reason.MALFORMED),
        ({"sub": "somebody"}, Reason.MALFORMED),
        ({"iss": "https://self-issued.me", "sub": "https://self-issued.me"}, Reason.MALFORMED),
        ({"iss": None, "sub": None}, Reason.MALFORMED),
        ({"vc": {}}, Reason.MALFORMED),
        ({"vp": {}}, Reason.MALFORMED),
    ],
)
async def test_tokens_that_open_nothing(party: Any, now: datetime, changes: Any, expected: Reason) -> None:
    assert reason(await proved(plain(party.holder, **changes), now)) is expected


async def test_another_kind_of_token_is_no_login(party: Any, now: datetime) -> None:
    for typ in ("vc+jwt", "at+jwt", "dpop+jwt"):
        assert reason(await proved(plain(party.holder, typ), now)) is Reason.MALFORMED
    credential = issue.credential(party.holder, party.statement())
    assert isinstance(await proved(credential, now), Refusal)


async def test_a_stranger_signs_for_nobody_else(party: Any, now: datetime) -> None:
    did = str(party.holder.did)
    assert reason(await proved(plain(party.stranger, iss=did, sub=did), now)) is Reason.WRONG_KEY
    forged = {"@context": [V2], "type": ["VerifiablePresentation"], "holder": did, "nonce": NONCE, "aud": HERE}
    assert reason(await proved(party.stranger.sign(forged, "vp+jwt"), now)) is Reason.WRONG_KEY
    assert (
        reason(await proved(party.stranger.sign({**forged, "iss": str(party.stranger.did)}, "vp+jwt"), now))
        is Reason.MALFORMED
    )


LDP = {"@context": [V1], "type": ["VerifiableCredential"], "proof": {"type": "DataIntegrityProof"}}


@pytest.mark.parametrize("shown", [LDP, [LDP], [{"type": "Other", "id": presentation.ENVELOPE + "x"}]])
async def test_an_unknown_suite_is_refused_by_name(party: Any, now: datetime, shown: Any) -> None:
    did = str(party.holder.did)
    one = {"iss": did, "aud": HERE, "nonce": NONCE}
    body = {"@context": [V1], "type": ["VerifiablePresentation"], "verifiableCredential": shown}
    proof = did_login.read(party.holder.sign({**one, "vp": body}, "JWT"))
    assert isinstance(proof, Proof)
    assert reason(await did_login.verify_credentials(proof, VERIFIER, now)) is Reason.UNKNOWN_SUITE
    two = {**one, **body, "@context": [V2], "holder": did}
    assert reason(await proved(party.holder.sign(two, "vp+jwt"), now)) is Reason.UNKNOWN_SUITE


async def test_presentations_that_cannot_be_read(party: Any, now: datetime) -> None:
    did = str(party.holder.did)
    usual = {"@context": [V2], "type": ["VerifiablePresentation"], "holder": did, "nonce": NONCE, "aud": HERE}
    bad: tuple[dict[str, Any], ...] = (
        {"type": ["Other"]}, {"@context": [V1]}, {"holder": None}, {"holder": "https://a"}, {"vc": {}},
        {"verifiableCredential": ["a.b.c"]}, {"verifiableCredential": [{}] * 9}, {"vp": []},
    )  # fmt: skip
    for changes in bad:
        assert reason(await proved(party.holder.sign({**usual, **changes}, "vp+jwt"), now)) is Reason.MALFORMED
    assert (
        reason(await proved(issue.presentation_v1(party.holder, ["x"] * 9, nonce=NONCE, audience=HERE), now))
        is Reason.MALFORMED
    )


async def test_length_is_bounded(party: Any) -> None:
    assert reason(did_login.read(plain(party.holder, pad="x" * did_login.MAX_LENGTH))) is Reason.TOO_LONG
