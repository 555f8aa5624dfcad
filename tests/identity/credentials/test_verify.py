"""Credentials of both versions: issued here and by didkit, and every way in which one must not hold."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity import jose
from identity.credentials import credential as credentials
from identity.credentials import issue, status_list
from identity.credentials.credential import V1, V2, Credential
from identity.credentials.verify import Verifier
from identity.did import multibase
from identity.did.resolve import SelfContained
from identity.jose import Token
from identity.refusal import Reason, Refusal

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)
LIST = "https://issuer.example/status/1"
VERIFIER = Verifier(SelfContained())


def reason(found: object) -> Reason:
    assert isinstance(found, Refusal), found
    return found.reason


@pytest.mark.parametrize("write", [issue.credential, issue.credential_v1])
async def test_a_credential_of_either_version_holds(party: Any, now: datetime, write: Any) -> None:
    found = await VERIFIER.credential(write(party.issuer, party.statement()), now)
    assert isinstance(found, Credential)
    assert found.issuer == party.issuer.did
    assert found.types == ("VerifiableCredential", "MemberCredential")
    assert found.subjects == ({"id": str(party.holder.did), "member": True},)
    assert (found.valid_from, found.valid_until) == (now - DAY, now + DAY)
    assert found.is_about(party.holder.did)
    assert not found.is_about(party.stranger.did)


@pytest.mark.parametrize("write", [issue.credential, issue.credential_v1])
@pytest.mark.parametrize(
    ("after", "expected"), [(-2 * DAY, Reason.NOT_YET_VALID), (DAY, Reason.EXPIRED), (2 * DAY, Reason.EXPIRED)]
)
async def test_outside_its_time_it_does_not(
    party: Any, now: datetime, write: Any, after: timedelta, expected: Reason
) -> None:
    assert reason(await VERIFIER.credential(write(party.issuer, party.statement()), now + after)) is expected


@pytest.mark.parametrize("write", [issue.credential, issue.credential_v1])
async def test_a_changed_credential_does_not_hold(party: Any, now: datetime, altered: Any, write: Any) -> None:
    token = write(party.issuer, party.statement())
    body = json.loads(multibase.decode_base64url(token.split(".")[1]))
    (body.get("vc") or body)["credentialSubject"]["member"] = "of the board"
    assert reason(await VERIFIER.credential(altered(token, claims=body), now)) is Reason.BAD_SIGNATURE


async def test_who_signs_in_anothers_name_is_not_believed(party: Any, now: datetime) -> None:
    body = {
        "@context": [V2],
        "type": ["VerifiableCredential"],
        "issuer": str(party.issuer.did),
        "credentialSubject": {"a": 1},
    }
    assert reason(await VERIFIER.credential(party.stranger.sign(body, "vc+jwt"), now)) is Reason.WRONG_KEY
    claims = {
        "iss": str(party.issuer.did),
        "vc": {"@context": [V1], "type": ["VerifiableCredential"], "credentialSubject": {}},
    }
    assert reason(await VERIFIER.credential(party.stranger.sign(claims, "JWT"), now)) is Reason.WRONG_KEY


def v1(party: Any, vc: Any = None, **claims: Any) -> str:
    body = {"@context": [V1], "type": ["VerifiableCredential"], "credentialSubject": {"a": 1}, **(vc or {})}
    token: str = party.issuer.sign({"iss": str(party.issuer.did), "vc": body, **claims}, "JWT")
    return token


def v2(party: Any, typ: str = "vc+jwt", **members: Any) -> str:
    body = {"@context": [V2], "type": ["VerifiableCredential"], "issuer": str(party.issuer.did)}
    token: str = party.issuer.sign({**body, "credentialSubject": {"a": 1}, **members}, typ)
    return token


async def test_the_forms_that_are_allowed(party: Any, now: datetime) -> None:
    object_issuer = {"id": str(party.issuer.did), "name": "x"}
    good = (
        v1(party),
        v1(party, {"issuer": object_issuer, "issuanceDate": "2026-01-01T00:00:00.5+01:00"}, nbf=1767225600.0),
        v2(party),
        v2(party, "application/vc+jwt", issuer=object_issuer, iss=str(party.issuer.did)),
        v2(
            party,
            type="VerifiableCredential",
            credentialSubject=[{"a": 1}, {"b": 2}],
            validUntil="2027-01-01T00:00:00Z",
        ),
    )
    for token in good:
        assert isinstance(await VERIFIER.credential(token, now), Credential)


async def test_what_contradicts_itself_or_the_model_is_refused(party: Any, now: datetime) -> None:
    other = str(party.stranger.did)
    bad = (
        v1(party, {"issuer": other}),
        v1(party, {"credentialSubject": {"id": other}}, sub=str(party.holder.did)),
        v1(party, {"credentialSubject": [{}, {}]}, sub=str(party.holder.did)),
        v1(party, {"@context": [V2]}),
        v1(party, {"@context": ["https://evil.example", V1]}),
        v1(party, {"type": ["Other"]}),
        v1(party, {"issuanceDate": "2026-01-01"}),
        v1(party, {"issuanceDate": "2026-02-30T00:00:00Z"}),
        v1(party, exp="tomorrow"),
        v1(party, jti=3),
        v2(party, iss=other),
        v2(party, issuer="https://issuer.example"),
        v2(party, issuer=None),
        v2(party, "vp+jwt"),
        v2(party, "at+jwt"),
        v2(party, vp={}),
        v2(party, **{"@context": [V1]}),
        v2(party, type=[1]),
        v2(party, validFrom="2026-01-01T00:00:00"),
        v2(party, validFrom="0001-01-01T00:00:00+14:00"),
        v2(party, credentialSubject="did:key:x"),
        v2(party, credentialSubject=[{}] * 17),
        v2(party, credentialStatus=["x"]),
    )
    for token in bad:
        assert reason(await VERIFIER.credential(token, now)) is Reason.MALFORMED, jose.read(token)


async def test_of_two_ends_the_earlier_counts(party: Any, now: datetime) -> None:
    past, future = int((now - DAY).timestamp()), "2027-01-01T00:00:00Z"
    assert reason(await VERIFIER.credential(v1(party, {"expirationDate": future}, exp=past), now)) is Reason.EXPIRED
    assert reason(await VERIFIER.credential(v2(party, validUntil=future, exp=past), now)) is Reason.EXPIRED
    assert reason(await VERIFIER.credential(v2(party, validUntil="2026-01-01T00:00:00Z"), now)) is Reason.EXPIRED


async def test_size_is_bounded(party: Any, now: datetime) -> None:
    assert reason(await VERIFIER.credential(v2(party, pad="x" * 70_000), now)) is Reason.TOO_LONG


DIDKIT_VC = (
    "eyJhbGciOiJFZERTQSIsImtpZCI6ImRpZDprZXk6ejZNa2toQlRwQ1lSSHZBSFduNEMyVDFud0JpZ05tS1BUOHhpY29TM0d3M1Rmc3p3I3o2"
    "TWtraEJUcENZUkh2QUhXbjRDMlQxbndCaWdObUtQVDh4aWNvUzNHdzNUZnN6dyJ9."
    "eyJpc3MiOiJkaWQ6a2V5Ono2TWtraEJUcENZUkh2QUhXbjRDMlQxbndCaWdObUtQVDh4aWNvUzNHdzNUZnN6dyIsIm5iZiI6MTc2NzIyNTYw"
    "MC4wLCJzdWIiOiJkaWQ6a2V5Ono2TWtraEJUcENZUkh2QUhXbjRDMlQxbndCaWdObUtQVDh4aWNvUzNHdzNUZnN6dyIsInZjIjp7IkBjb250"
    "ZXh0IjpbImh0dHBzOi8vd3d3LnczLm9yZy8yMDE4L2NyZWRlbnRpYWxzL3YxIl0sInR5cGUiOlsiVmVyaWZpYWJsZUNyZWRlbnRpYWwiXSwi"
    "Y3JlZGVudGlhbFN1YmplY3QiOnsiaWQiOiJkaWQ6a2V5Ono2TWtraEJUcENZUkh2QUhXbjRDMlQxbndCaWdObUtQVDh4aWNvUzNHdzNUZnN6"
    "dyJ9LCJpc3N1ZXIiOiJkaWQ6a2V5Ono2TWtraEJUcENZUkh2QUhXbjRDMlQxbndCaWdObUtQVDh4aWNvUzNHdzNUZnN6dyIsImlzc3VhbmNl"
    "RGF0ZSI6IjIwMjYtMDEtMDFUMDA6MDA6MDBaIn19."
    "gKGEnRLPWA7SINpFOdkWK0crQRz8SVWzRXOULWzbHvY6PW0FYOKRdgUelEkezH0ezrVvwWMYyEb1W8DY-CQ8DQ"
)


async def test_a_credential_by_didkit(now: datetime) -> None:
    """didkit 0.3.3 wrote it, with its `proofFormat: jwt`."""
    found = await VERIFIER.credential(DIDKIT_VC, now)
    assert isinstance(found, Credential)
    assert str(found.issuer) == "did:key:z6MkkhBTpCYRHvAHWn4C2T1nwBigNmKPT8xicoS3Gw3Tfszw"
    assert found.is_about(found.issuer)
    assert (
        reason(await VERIFIER.credential(DIDKIT_VC, datetime.fromisoformat("2025-01-01T00:00:00Z")))
        is Reason.NOT_YET_VALID
    )


# --- status lists -----------------------------------------------------------------------------------------------------


def entry(**changes: Any) -> dict[str, Any]:
    usual = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation", "statusListIndex": "94567"}
    return {**usual, "statusListCredential": LIST, **changes}


class Lists:
    """Status lists by address, and what was asked for."""

    def __init__(self, lists: dict[str, str]) -> None:
        self.lists = lists
        self.asked: list[str] = []

    async def fetch(self, url: str) -> str | Refusal:
        self.asked.append(url)
        return self.lists.get(url, Refusal(Reason.UNRESOLVABLE, "not there"))


def listed(party: Any, revoked: tuple[int, ...] = (), signer: Any = None, **changes: Any) -> Lists:
    bits = bytearray(16_384)
    for index in revoked:
        bits[index // 8] |= 0x80 >> index % 8
    subject = {
        "type": "BitstringStatusList",
        "statusPurpose": "revocation",
        "encodedList": status_list.pack(bytes(bits)),
    }
    said = party.statement(subject=None, claims={**subject, **changes}, type="BitstringStatusListCredential")
    return Lists({LIST: issue.credential(signer or party.issuer, said)})


async def judged(party: Any, now: datetime, lists: Lists | None, status: Any = None) -> Credential | Refusal:
    token = issue.credential(party.issuer, party.statement(status=status or entry()))
    return await Verifier(SelfContained(), lists).credential(token, now)


async def test_a_credential_that_was_not_taken_back(party: Any, now: datetime) -> None:
    lists = listed(party, revoked=(94566, 94568))
    assert isinstance(await judged(party, now, lists), Credential)
    assert lists.asked == [LIST]


async def test_a_revoked_one_does_not_hold(party: Any, now: datetime) -> None:
    assert reason(await judged(party, now, listed(party, revoked=(94567,)))) is Reason.REVOKED
    first = entry(statusListIndex=0)
    assert reason(await judged(party, now, listed(party, revoked=(0,)), first)) is Reason.REVOKED


async def test_the_forerunner_is_understood(party: Any, now: datetime) -> None:
    packed = status_list.pack(bytes(16_384))[1:]  # StatusList2021 has no multibase prefix
    lists = listed(party, type="StatusList2021", encodedList=packed)
    assert isinstance(await judged(party, now, lists, entry(type="StatusList2021Entry")), Credential)


@pytest.mark.parametrize(
    "status",
    [
        {"type": "RevocationList2020Status"},
        {"type": "SomethingNew2030"},
        {"type": None},
        {"statusSize": 2},
        {"statusListCredential": "https://issuer.example/none"},
        {"statusListIndex": "131072"},
        {"statusPurpose": "suspension"},
    ],
)
async def test_a_status_that_cannot_be_checked_is_no_good_status(party: Any, now: datetime, status: Any) -> None:
    assert reason(await judged(party, now, listed(party), entry(**status))) is Reason.UNKNOWN_STATUS


@pytest.mark.parametrize("index", ["-1", "1e3", "01", "", None, True, "9" * 12, 1.5])
async def test_an_index_is_a_number(party: Any, now: datetime, index: Any) -> None:
    assert reason(await judged(party, now, listed(party), entry(statusListIndex=index))) is Reason.MALFORMED


@pytest.mark.parametrize(
    "changes",
    [
        {"encodedList": status_list.pack(bytes(16_383))},  # too few for anybody to hide among
        {"encodedList": status_list.pack(bytes((1 << 20) + 1))},  # unfolds to more than is allowed
        {"encodedList": status_list.pack(bytes(16_384))[:-8]},  # cut off
        {"encodedList": "uAAAA"},
        {"encodedList": "zAAAA"},
        {"encodedList": None},
        {"type": "Other"},
        {"statusPurpose": ["message"]},
    ],
)
async def test_lists_that_cannot_be_read(party: Any, now: datetime, changes: Any) -> None:
    assert reason(await judged(party, now, listed(party, **changes))) is Reason.UNKNOWN_STATUS


async def test_a_bomb_of_a_list_is_not_unfolded() -> None:
    bomb = status_list.pack(bytes(100 << 20))  # 100 MiB of nothing in 100 KiB
    assert len(bomb) < status_list.MAX_TOKEN
    with pytest.raises(ValueError, match="unpacks to more"):
        status_list.unpack(bomb)


async def test_lists_of_others_and_expired_ones_do_not_count(party: Any, now: datetime) -> None:
    assert reason(await judged(party, now, listed(party, signer=party.stranger))) is Reason.WRONG_ISSUER
    old = party.statement(subject=None, claims={}, type="X", valid_until=now - DAY)
    assert reason(await judged(party, now, Lists({LIST: issue.credential(party.issuer, old)}))) is Reason.UNKNOWN_STATUS
    assert reason(await judged(party, now, Lists({LIST: "nonsense"}))) is Reason.UNKNOWN_STATUS


async def test_without_a_way_to_look_a_status_is_a_refusal(party: Any, now: datetime) -> None:
    assert reason(await judged(party, now, None)) is Reason.UNKNOWN_STATUS


async def test_statuses_that_only_inform_are_not_fetched(party: Any, now: datetime) -> None:
    lists = listed(party)
    assert isinstance(await judged(party, now, lists, entry(statusPurpose="message")), Credential)
    assert lists.asked == []


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["VerifiableCredential", V1, V2, "did:key:z6Mk"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "type", "@context"]), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["vc", "@context", "type", "iss", "issuer", "credentialSubject", "nbf", "exp", "sub", "validFrom"]
)


@given(st.dictionaries(NAMES, VALUES), st.sampled_from(["", "vc+jwt"]))
def test_any_claims_give_a_credential_or_a_refusal(claims: dict[str, Any], typ: str) -> None:
    assert isinstance(credentials.read(Token({"alg": "EdDSA", "typ": typ}, claims, "")), Credential | Refusal)
