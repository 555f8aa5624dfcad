"""Logging in with a DID: real store, real keys; what must open nothing, and what nobody may find out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey, OKPKey

from identity.credentials import issue
from identity.credentials.issue import Statement
from identity.did import keys, self_contained
from identity.did.document import Document, Method, Purpose
from identity.did.syntax import Did, parse
from identity.jose import Signer
from identity.refusal import Reason as ProofReason
from identity.refusal import Refusal as ProofRefusal
from node.auth.blocks import Blocks, Policy
from node.auth.challenges import NONCE_SECONDS, LoginDesk
from node.auth.did_login import DidLoggedIn, DidLogin
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import Sessions, new_token
from node.base.address import parse_address
from node.net.did_resolver import DidResolver
from node.store import accounts
from node.store.accounts import Account
from node.store.database import Database

pytestmark = pytest.mark.anyio
ORIGIN = "https://mail.waxseal.test"
PEER = "192.0.2.7"
START = 1_800_000_000


def somebody(kind: str = "Ed25519") -> Signer:
    key = OKPKey.generate_key("Ed25519") if kind == "Ed25519" else ECKey.generate_key(kind)  # type: ignore[arg-type]
    public = keys.from_jwk({name: value for name, value in key.as_dict(private=False).items() if name != "kid"})
    did = parse(self_contained.key_did(public))
    assert isinstance(did, Did)
    return Signer(did, did.id, key)


class Documents(DidResolver):
    """Resolves did:web from documents that lie here, and notes what was asked."""

    def __init__(self) -> None:
        super().__init__(None)
        self.documents: dict[str, Document] = {}
        self.asked: list[str] = []

    async def resolve(self, did: Did) -> Document | ProofRefusal:
        self.asked.append(str(did))
        return self.documents.get(str(did)) or await super().resolve(did)


class Desk:
    """The login, a clock, and one browser."""

    def __init__(self, database: Database) -> None:
        self.now = float(START)
        self.resolver = Documents()
        self.sessions = Sessions(database, seconds=60, clock=lambda: self.now)
        self.login = DidLogin(LoginDesk(database, self.sessions, clock=lambda: self.now), self.resolver, ORIGIN)
        self.browser = new_token()

    async def nonce(self, browser: str = "", peer: str = PEER) -> str:
        challenge = await self.login.challenge(browser or self.browser, peer)
        assert not isinstance(challenge, Refusal)
        assert (challenge.audience, challenge.domain) == (ORIGIN, "mail.waxseal.test")
        return challenge.nonce

    async def send(self, proof: str, browser: str = "", peer: str = PEER) -> DidLoggedIn | Refusal:
        return await self.login.verify(proof, browser or self.browser, peer)


def token(signer: Signer, nonce: str, **changes: Any) -> str:
    did = str(signer.did)
    return signer.sign({"iss": did, "sub": did, "aud": ORIGIN, "nonce": nonce, **changes}, "JWT")


def reason(found: object) -> str:
    assert isinstance(found, Refusal), found
    return str(found.reason)


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


@pytest.fixture
async def bound(database: Database, alice: Account) -> Callable[[Signer], Any]:
    async def bind(signer: Signer) -> Signer:
        await database.write(lambda tx: accounts.bind(tx, alice.id, str(signer.did)))
        return signer

    return bind


@pytest.mark.parametrize("kind", ["Ed25519", "P-256", "secp256k1"])
async def test_a_bound_did_opens_a_session(desk: Desk, bound: Any, alice: Account, kind: str) -> None:
    signer = await bound(somebody(kind))
    found = await desk.send(token(signer, await desk.nonce()))
    assert isinstance(found, DidLoggedIn)
    assert (found.account, found.did, found.credentials) == (alice, str(signer.did), ())
    assert await desk.sessions.account(found.token) == alice


@pytest.mark.parametrize("write", [issue.presentation, issue.presentation_v1])
async def test_a_presentation_opens_one_and_brings_its_credentials(desk: Desk, bound: Any, write: Any) -> None:
    signer, issuer = await bound(somebody()), somebody()
    now = datetime.fromtimestamp(desk.now, UTC)
    said = Statement(signer.did, {"member": True}, "MemberCredential", now, now + timedelta(days=1))
    shown = [issue.credential(issuer, said)] if write is issue.presentation else [issue.credential_v1(issuer, said)]
    found = await desk.send(write(signer, shown, nonce=await desk.nonce(), audience=ORIGIN))
    assert isinstance(found, DidLoggedIn)
    (credential,) = found.credentials
    assert (credential.issuer, credential.types[1]) == (issuer.did, "MemberCredential")
    desk.now += 2 * 86400
    old = await desk.send(write(signer, shown, nonce=await desk.nonce(), audience=ORIGIN))
    assert reason(old) == ProofReason.EXPIRED


async def test_a_proof_is_good_once(desk: Desk, bound: Any) -> None:
    proof = token(await bound(somebody()), await desk.nonce())
    assert isinstance(await desk.send(proof), DidLoggedIn)
    assert reason(await desk.send(proof)) == Reason.USED_NONCE


async def test_many_dids_of_strangers_shut_their_network_out(database: Database, desk: Desk) -> None:
    blocks = Blocks(database, Policy(failures=3, names=3), lambda: desk.now)
    common = LoginDesk(database, desk.sessions, blocks, lambda: desk.now)
    desk.login = DidLogin(common, desk.resolver, ORIGIN)
    same = somebody()
    for _ in range(3):  # one name, however often, is somebody who mistook their key
        assert reason(await desk.send(token(same, await desk.nonce()))) == Reason.UNBOUND_DID
    for _ in range(2):
        assert reason(await desk.send(token(somebody(), await desk.nonce()))) == Reason.UNBOUND_DID
    assert reason(await desk.login.challenge(desk.browser, PEER)) == Reason.BLOCKED_NETWORK
    assert reason(await desk.send(token(same, "0" * 32))) == Reason.BLOCKED_NETWORK
    await desk.nonce(peer="198.51.100.1")


async def test_another_browser_and_another_time_do_not_count(desk: Desk, bound: Any) -> None:
    signer = await bound(somebody())
    stolen = token(signer, await desk.nonce())
    assert reason(await desk.send(stolen, new_token())) == Reason.USED_NONCE
    assert reason(await desk.send(stolen)) == Reason.USED_NONCE  # whoever tries, uses it up
    late = token(signer, await desk.nonce())
    desk.now += NONCE_SECONDS + 1
    assert reason(await desk.send(late)) == Reason.USED_NONCE
    assert reason(await desk.send(token(signer, "0" * 32))) == Reason.USED_NONCE


async def test_a_wallets_nonce_is_none_of_ours(desk: Desk, bound: Any, database: Database) -> None:
    from node.auth.sessions import fingerprint
    from node.store import nonces

    signer = await bound(somebody())
    owner = f"wallet:{fingerprint(desk.browser).hex()}"
    await database.write(lambda tx: nonces.put(tx, "f" * 32, owner, START + 100, START))
    assert reason(await desk.send(token(signer, "f" * 32))) == Reason.USED_NONCE


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"aud": "https://evil.test"}, ProofReason.WRONG_AUDIENCE),
        ({"exp": START - 1}, ProofReason.EXPIRED),
        ({"nbf": START + 3600}, ProofReason.NOT_YET_VALID),
    ],
)
async def test_a_proof_for_elsewhere_or_another_time_uses_its_nonce_up(
    desk: Desk, bound: Any, changes: dict[str, Any], expected: ProofReason
) -> None:
    signer, nonce = await bound(somebody()), await desk.nonce()
    assert reason(await desk.send(token(signer, nonce, **changes))) == expected
    assert reason(await desk.send(token(signer, nonce))) == Reason.USED_NONCE


async def test_a_did_without_a_mailbox_is_told_so_once_it_is_proved(desk: Desk, alice: Account) -> None:
    assert reason(await desk.send(token(somebody(), await desk.nonce()))) == Reason.UNBOUND_DID


async def test_nobody_learns_whose_did_has_a_mailbox(desk: Desk, bound: Any) -> None:
    """Without its key, a bound DID and a stranger's are answered alike."""
    owner, stranger, thief = await bound(somebody()), somebody(), somebody()
    answers = []
    for victim in (owner, stranger):
        forged = Signer(victim.did, victim.fragment, thief.key)
        answers.append(await desk.send(token(forged, await desk.nonce())))
    assert answers[0] == answers[1]
    assert reason(answers[0]) == Reason.NOT_PROVED


async def test_nothing_is_fetched_for_a_did_that_is_not_bound(desk: Desk, bound: Any) -> None:
    """A stranger must not make the node knock at a third party's door."""
    signer = Signer(Did("web", "victim.example"), "key", somebody().key)
    assert reason(await desk.send(token(signer, await desk.nonce()))) == Reason.NOT_PROVED
    assert desk.resolver.asked == []
    await bound(signer)
    assert reason(await desk.send(token(signer, await desk.nonce()))) == Reason.NOT_PROVED
    assert desk.resolver.asked == ["did:web:victim.example"]


async def test_a_did_web_logs_in_with_a_key_of_its_document(desk: Desk, bound: Any) -> None:
    key = somebody()
    signer = await bound(Signer(Did("web", "ann.example"), "key", key.key))
    id = f"{signer.did}#key"
    method = Method(id, str(signer.did), key.public)
    desk.resolver.documents[str(signer.did)] = Document(str(signer.did), (method,), {Purpose.AUTHENTICATION: (id,)})
    assert isinstance(await desk.send(token(signer, await desk.nonce())), DidLoggedIn)
    desk.resolver.documents[str(signer.did)] = Document(str(signer.did), (method,), {Purpose.ASSERTION: (id,)})
    assert reason(await desk.send(token(signer, await desk.nonce()))) == Reason.NOT_PROVED


async def test_an_unbound_did_logs_in_no_longer(desk: Desk, bound: Any, database: Database, alice: Account) -> None:
    signer = await bound(somebody())
    assert isinstance(await desk.send(token(signer, await desk.nonce())), DidLoggedIn)
    await database.write(lambda tx: accounts.unbind(tx, alice.id, str(signer.did)))
    assert reason(await desk.send(token(signer, await desk.nonce()))) == Reason.UNBOUND_DID


async def test_the_did_decides_whose_account_it_is(desk: Desk, bound: Any, database: Database) -> None:
    bob = await database.write(lambda tx: accounts.add(tx, parse_address("bob@waxseal.test")))
    signer = somebody()
    await bound(somebody())
    await database.write(lambda tx: accounts.bind(tx, bob.id, str(signer.did)))
    found = await desk.send(token(signer, await desk.nonce()))
    assert isinstance(found, DidLoggedIn)
    assert found.account == bob


async def test_failing_grows_slow(desk: Desk) -> None:
    for _ in range(12):
        found = await desk.send("nonsense")
    assert reason(found) == Reason.TOO_MANY_FAILURES
    assert reason(await desk.send("nonsense", peer="192.0.2.8")) == ProofReason.MALFORMED


async def test_beginning_grows_slow(desk: Desk) -> None:
    for _ in range(61):
        found = await desk.login.challenge(desk.browser, PEER)
    assert isinstance(await desk.login.challenge(desk.browser, PEER), Refusal)
    assert not isinstance(found, Refusal)
