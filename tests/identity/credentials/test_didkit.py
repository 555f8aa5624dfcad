"""Beside didkit (extra `[didkit]`): it reads what we issue, we read what it issues, and we refuse what it lets pass."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from identity import did_login
from identity.credentials import issue
from identity.credentials.credential import Credential
from identity.credentials.issue import Statement
from identity.credentials.verify import Verifier
from identity.did.document import Method
from identity.did.resolve import SelfContained
from identity.did_login import Proof
from identity.refusal import Reason, Refusal

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(importlib.util.find_spec("didkit") is None, reason="didkit is not installed: extra [didkit]"),
]
VERIFIER = Verifier(SelfContained())

# In a process of its own: it wants asyncio, and may crash at its exit.
SCRIPT = """
import asyncio, json, os, sys, didkit
async def main():
    for name, *arguments in json.load(sys.stdin):
        print(json.dumps(await getattr(didkit, name)(*arguments)), flush=True)
asyncio.run(main())
os._exit(0)
"""


def didkit(*calls: tuple[str, ...]) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(calls), capture_output=True, text=True, timeout=60, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def options(signer: Any, **more: str) -> str:
    return json.dumps({"proofFormat": "jwt", "verificationMethod": f"{signer.did}#{signer.fragment}", **more})


def private(signer: Any) -> str:
    return json.dumps({name: value for name, value in signer.key.as_dict(private=True).items() if name != "kid"})


def test_didkit_reads_what_we_issue(party: Any) -> None:
    now = datetime.now(UTC)
    said = Statement(party.holder.did, {}, "Member", now - timedelta(days=1), now + timedelta(days=1))
    token = issue.credential_v1(party.issuer, said)
    shown = issue.presentation_v1(party.holder, [], nonce="f00df00d", audience="https://here.test")
    proof = json.dumps({"proofFormat": "jwt"})
    against = json.dumps({"proofFormat": "jwt", "challenge": "f00df00d", "domain": "https://here.test"})
    one, two = didkit(("verify_credential", token, proof), ("verify_presentation", shown, against))
    assert json.loads(one)["errors"] == []
    assert json.loads(two)["errors"] == []


async def test_we_read_what_didkit_issues(party: Any, now: datetime) -> None:
    plain = {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "type": ["VerifiableCredential"],
        "issuer": str(party.issuer.did),
        "issuanceDate": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": str(party.holder.did)},
    }
    old = {**plain, "expirationDate": "2026-02-01T00:00:00Z"}
    key, how = private(party.issuer), options(party.issuer, proofPurpose="assertionMethod")
    good, expired = didkit(
        ("issue_credential", json.dumps(plain), how, key), ("issue_credential", json.dumps(old), how, key)
    )
    assert isinstance(await VERIFIER.credential(good, now), Credential)
    found = await VERIFIER.credential(expired, now)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.EXPIRED
    how = options(party.holder, proofPurpose="authentication", challenge="f00df00d", domain="https://here.test")
    shown = {
        "@context": ["https://www.w3.org/2018/credentials/v1"],
        "type": ["VerifiablePresentation"],
        "holder": str(party.holder.did),
        "verifiableCredential": good,
    }
    (token,) = didkit(("issue_presentation", json.dumps(shown), how, private(party.holder)))
    proof = did_login.read(token)
    assert isinstance(proof, Proof)
    assert did_login.judge(proof, frozenset({"https://here.test"}), now) is None
    assert isinstance(await did_login.verify(proof, SelfContained()), Method)
    assert len(await did_login.verify_credentials(proof, VERIFIER, now)) == 1  # type: ignore[arg-type]
