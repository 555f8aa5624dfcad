"""A wallet shows a credential that another wallet signed, both with embedded proofs, and a gate asks for it."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey

from identity.credentials import issue
from identity.credentials.credential import Credential
from identity.credentials.issue import Statement
from identity.credentials.status_list import pack
from identity.credentials.verify import Verifier
from identity.did import keys, self_contained
from identity.did.syntax import Did, parse
from identity.gates.rule import Wanted
from identity.gates.verdict import Truth
from identity.jose import Signer
from identity.refusal import Reason as ProofReason
from identity.refusal import Refusal as ProofRefusal
from node.auth.challenges import LoginDesk
from node.auth.did_login import DidLoggedIn, DidLogin
from node.auth.gates.evidence import KeptEvidence
from node.auth.gates.holder import holder_of
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import Sessions, new_token
from node.base.address import parse_address
from node.net.did_resolver import DidResolver
from node.net.linked_proofs import DidkitProofs
from node.store import accounts
from node.store.accounts import Account
from node.store.database import Database

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(importlib.util.find_spec("didkit") is None, reason="didkit is not installed: extra [didkit]"),
]
ORIGIN, PEER, START = "https://mail.waxseal.test", "192.0.2.7", 1_800_000_000
TERMS = "https://issuer.example/terms#"
V1 = "https://www.w3.org/2018/credentials/v1"

# In a process of its own: it wants asyncio, and may crash at its exit.
SCRIPT = """
import asyncio, json, os, sys, didkit
async def main():
    for name, *arguments in json.load(sys.stdin):
        made = getattr(didkit, name)(*arguments)
        print(json.dumps(made if isinstance(made, str) else await made), flush=True)
asyncio.run(main())
os._exit(0)
"""


def didkit(*calls: tuple[str, ...]) -> list[Any]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], input=json.dumps(calls), capture_output=True, text=True, timeout=60, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


class Wallet:
    """A key of Ethereum that signs linked data."""

    def __init__(self) -> None:
        self.key = json.dumps(ECKey.generate_key("secp256k1").as_dict(private=True))
        (self.did,) = didkit(("key_to_did", "pkh:eip155:1", self.key))

    def sign(self, what: str, body: dict[str, Any], suite: str = "Eip712Signature2021", **options: str) -> Any:
        how = {
            "verificationMethod": f"{self.did}#blockchainAccountId",
            "type": suite,
            "created": "2026-11-01T00:00:00Z",
        }
        (signed,) = didkit((f"issue_{what}", json.dumps(body), json.dumps({**how, **options}), self.key))
        return json.loads(signed)

    def say(self, about: Wallet, **changes: Any) -> Any:
        body = {
            "@context": [V1, {"Member": f"{TERMS}Member", "level": f"{TERMS}level"}],
            "type": ["VerifiableCredential", "Member"],
            "issuer": self.did,
            "issuanceDate": "2026-01-01T00:00:00Z",
            "expirationDate": "2027-06-01T00:00:00Z",
            "credentialSubject": {"id": about.did, "level": 2},
        }
        return self.sign("credential", {**body, **changes}, proofPurpose="assertionMethod")

    def show(
        self, nonce: str, *credentials: Any, domain: str = ORIGIN, suite: str = "EthereumPersonalSignature2021"
    ) -> str:
        body = {"@context": [V1], "type": ["VerifiablePresentation"], "holder": self.did}
        shown = {"verifiableCredential": list(credentials)} if credentials else {}
        how = {"proofPurpose": "authentication", "challenge": nonce, "domain": domain}
        return json.dumps(self.sign("presentation", {**body, **shown}, "EthereumPersonalSignature2021", **how))


class Desk:
    """Ann, whose wallet is bound; an issuer; the login and the evidence that gates ask for."""

    def __init__(self, database: Database, account: Account, ann: Wallet, issuer: Wallet) -> None:
        self.now, self.database, self.account, self.ann, self.issuer = float(START), database, account, ann, issuer
        resolver, proofs, clock = DidResolver(None), DidkitProofs(), lambda: self.now
        desk = LoginDesk(database, Sessions(database, seconds=60, clock=clock), clock=clock)
        self.login = DidLogin(desk, resolver, ORIGIN, proofs=proofs)
        self.evidence = KeptEvidence(database, Verifier(resolver, resolver, proofs), None, clock)
        self.browser = new_token()

    async def nonce(self) -> str:
        challenge = await self.login.challenge(self.browser, PEER)
        assert not isinstance(challenge, Refusal)
        return challenge.nonce

    async def send(self, proof: str) -> DidLoggedIn | Refusal:
        return await self.login.verify(proof, self.browser, PEER)

    async def truth(self, **changes: Any) -> Truth:
        wanted = {"issuer": self.issuer.did, "type": f"{TERMS}Member", "claim": {f"{TERMS}level": 2}, **changes}
        holder = await self.database.read(lambda tx: holder_of(tx, self.account.id))
        return (await self.evidence.credential(holder, Wanted(**wanted))).truth


@pytest.fixture(scope="module")
def wallets() -> tuple[Wallet, Wallet, Wallet]:
    return Wallet(), Wallet(), Wallet()


@pytest.fixture
async def desk(database: Database, wallets: tuple[Wallet, Wallet, Wallet]) -> Desk:
    account = await database.write(lambda tx: accounts.add(tx, parse_address("ann@waxseal.test")))
    subject = wallets[0].did.removeprefix("did:pkh:eip155:1:").lower()
    await database.write(lambda tx: accounts.bind(tx, account.id, f"eip155:{subject}"))
    return Desk(database, account, *wallets[:2])


def reason(found: object) -> object:
    assert isinstance(found, Refusal | ProofRefusal), found
    return found.reason


async def test_a_wallet_shows_a_credential_and_a_gate_believes_it(desk: Desk) -> None:
    said = desk.issuer.say(desk.ann)
    inside = await desk.send(desk.ann.show(await desk.nonce(), said))
    assert isinstance(inside, DidLoggedIn)
    assert (inside.account.id, inside.did, len(inside.credentials)) == (desk.account.id, desk.ann.did, 1)
    assert await desk.truth() is Truth.YES
    assert await desk.truth(claim={f"{TERMS}level": 3}) is Truth.NO
    assert await desk.truth(type="Member") is Truth.NO  # a bare name is the bearer's to choose
    assert await desk.truth(issuer=desk.ann.did) is Truth.NO
    desk.now += 300 * 86400
    assert await desk.truth() is Truth.NO  # expired; didkit alone would say yes
    desk.now = START
    await desk.database.write(lambda tx: accounts.unbind(tx, desk.account.id, f"eip155:{desk.ann.did[-42:].lower()}"))
    assert await desk.truth() is Truth.NO


async def test_presentations_that_open_nothing(desk: Desk, wallets: tuple[Wallet, Wallet, Wallet]) -> None:
    good = desk.ann.show(await desk.nonce())
    assert isinstance(await desk.send(good), DidLoggedIn)
    assert reason(await desk.send(good)) is Reason.USED_NONCE
    elsewhere = desk.ann.show(await desk.nonce(), domain="https://evil.example")
    assert reason(await desk.send(elsewhere)) is ProofReason.WRONG_AUDIENCE
    assert reason(await desk.send(desk.ann.show("f00df00df00df00d"))) is Reason.USED_NONCE
    stranger = wallets[2].show(await desk.nonce())
    assert reason(await desk.send(stranger)) is Reason.UNBOUND_DID
    forged = json.loads(stranger)
    forged["holder"] = desk.ann.did
    forged["proof"]["verificationMethod"] = f"{desk.ann.did}#blockchainAccountId"
    forged["proof"]["challenge"] = await desk.nonce()
    assert reason(await desk.send(json.dumps(forged))) is Reason.NOT_PROVED
    expired = desk.issuer.say(desk.ann, expirationDate="2026-02-01T00:00:00Z")
    assert reason(await desk.send(desk.ann.show(await desk.nonce(), expired))) is ProofReason.EXPIRED
    others = desk.issuer.say(wallets[2])
    assert reason(await desk.send(desk.ann.show(await desk.nonce(), others))) is ProofReason.WRONG_HOLDER
    tampered = desk.issuer.say(desk.ann)
    tampered["credentialSubject"]["level"] = 9
    assert reason(await desk.send(desk.ann.show(await desk.nonce(), tampered))) is ProofReason.BAD_SIGNATURE


class Lists:
    """Status lists that lie here."""

    def __init__(self) -> None:
        self.lists: dict[str, str] = {}

    async def fetch(self, url: str) -> str | ProofRefusal:
        return self.lists.get(url) or ProofRefusal(ProofReason.UNRESOLVABLE, "issuer.example does not answer")


async def test_a_credential_that_its_issuer_took_back() -> None:
    """The credential has an embedded proof, its status list is a signed token, both by the same did:key."""
    key = OKPKey.generate_key("Ed25519")
    public = keys.from_jwk({name: value for name, value in key.as_dict(private=False).items() if name != "kid"})
    did = parse(self_contained.key_did(public))
    assert isinstance(did, Did)
    url, moment = "https://issuer.example/status/1", datetime.fromtimestamp(START, UTC)
    entry = {"id": f"{url}#7", "type": "StatusList2021Entry", "statusPurpose": "revocation", "statusListIndex": "7",
             "statusListCredential": url}  # fmt: skip
    body = {
        "@context": [V1, "https://w3id.org/vc/status-list/2021/v1"],
        "id": "urn:uuid:00000000-0000-4000-8000-000000000002",
        "type": ["VerifiableCredential"],
        "issuer": str(did),
        "issuanceDate": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": str(did)},
        "credentialStatus": entry,
    }
    how = {
        "verificationMethod": f"{did}#{did.id}",
        "proofPurpose": "assertionMethod",
        "created": "2026-11-01T00:00:00Z",
    }
    private = {name: value for name, value in key.as_dict(private=True).items() if name != "kid"}
    (text,) = didkit(("issue_credential", json.dumps(body), json.dumps(how), json.dumps(private)))
    lists = Lists()
    verifier = Verifier(DidResolver(None), lists, DidkitProofs())

    def listed(octet: bytes) -> str:
        about = {"type": "StatusList2021", "statusPurpose": "revocation", "encodedList": pack(octet + bytes(16_383))}
        said = Statement(None, about, "StatusList2021Credential", moment, moment + timedelta(days=1))
        return issue.credential(Signer(did, did.id, key), said)

    assert reason(await verifier.credential(text, moment)) is ProofReason.UNKNOWN_STATUS
    lists.lists[url] = listed(b"\x00")
    assert isinstance(await verifier.credential(text, moment), Credential)
    lists.lists[url] = listed(b"\x01")
    assert reason(await verifier.credential(text, moment)) is ProofReason.REVOKED
