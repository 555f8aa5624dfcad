"""A token gate before a mailbox holds for logins in the browser as it does for mail clients: real gates, real store."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct
from joserfc.jwk import OKPKey

from identity.did import keys, self_contained
from identity.did.syntax import Did, parse
from identity.gates.rule import parse_rule, write_rule
from identity.jose import Signer
from node.auth.challenges import LoginDesk
from node.auth.contract_wallets import ContractWallets
from node.auth.did_login import DidChallenge, DidLogin
from node.auth.gate import Gate
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.evaluate import Evaluator
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import Sessions, new_token
from node.auth.wallet import Challenge, LoggedIn, WalletLogin, WalletSettings
from node.auth.wallet_proof import WalletProofs
from node.net.did_resolver import DidResolver
from node.store import accounts, gates
from node.store.accounts import Account
from node.store.database import Database

pytestmark = pytest.mark.anyio
PEER = "192.0.2.7"
ORIGIN = "https://mail.waxseal.test"
ALICE = Wallet.from_key(b"\x01" * 32)
SETTINGS = WalletSettings("mail.waxseal.test", f"{ORIGIN}/login", frozenset({1}))
KEY = OKPKey.generate_key("Ed25519")

Login = Callable[[], Awaitable[LoggedIn | Refusal]]


@pytest.fixture
def sessions(database: Database) -> Sessions:
    gate = Gate(database, Doorkeeper(database, Evaluator({}), 60.0))
    return Sessions(database, seconds=3600, admit=gate.admit)


@pytest.fixture(params=["wallet", "did"])
async def login(request: pytest.FixtureRequest, database: Database, sessions: Sessions, alice: Account) -> Login:
    if request.param == "wallet":
        wallet = WalletLogin(LoginDesk(database, sessions), WalletProofs(SETTINGS, ContractWallets({})))
        return lambda: by_wallet(wallet)
    did = parse(self_contained.key_did(keys.from_jwk({"kty": "OKP", "crv": "Ed25519", "x": KEY.as_dict()["x"]})))
    assert isinstance(did, Did)
    await database.write(lambda tx: accounts.bind(tx, alice.id, str(did)))
    by_key = DidLogin(LoginDesk(database, sessions), DidResolver(None), ORIGIN)
    return lambda: by_did(by_key, Signer(did, did.id, KEY))


async def by_wallet(login: WalletLogin, signer: Any = ALICE) -> LoggedIn | Refusal:
    browser = new_token()
    challenge = await login.challenge(browser, PEER)
    assert isinstance(challenge, Challenge)
    text = challenge.message(bytes.fromhex(ALICE.address[2:]), 1)
    signature = "0x" + bytes(signer.sign_message(encode_defunct(text=text)).signature).hex()
    return await login.verify(text, signature, browser, PEER)


async def by_did(login: DidLogin, signer: Signer) -> LoggedIn | Refusal:
    browser = new_token()
    challenge = await login.challenge(browser, PEER)
    assert isinstance(challenge, DidChallenge)
    did = str(signer.did)
    proof = signer.sign({"iss": did, "sub": did, "aud": ORIGIN, "nonce": challenge.nonce}, "JWT")
    return await login.verify(proof, browser, PEER)


async def gate(database: Database, rule: Any) -> None:
    text = write_rule(parse_rule(json.dumps(rule)))
    await database.write(lambda tx: gates.put(tx, "login", "alice@waxseal.test", text, "finalized"))


async def test_without_a_gate_the_login_goes_through(login: Login, sessions: Sessions, alice: Account) -> None:
    found = await login()
    assert isinstance(found, LoggedIn)
    assert await sessions.account(found.token) == alice


async def test_who_meets_the_gate_is_let_in(login: Login, database: Database) -> None:
    await gate(database, {"did": f"did:pkh:eip155:1:{ALICE.address}"})
    assert isinstance(await login(), LoggedIn)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [({"did": "did:web:else.example"}, Reason.GATE_CLOSED), ({"group": "members"}, Reason.GATE_UNKNOWN)],
)
async def test_who_does_not_gets_no_session(login: Login, database: Database, rule: Any, expected: Reason) -> None:
    await gate(database, rule)
    found = await login()
    assert isinstance(found, Refusal)
    assert found.reason is expected


async def test_who_proved_nothing_learns_of_no_gate(database: Database, sessions: Sessions, alice: Account) -> None:
    await gate(database, {"did": "did:web:else.example"})
    stranger = WalletLogin(LoginDesk(database, sessions), WalletProofs(SETTINGS, ContractWallets({})))
    found = await by_wallet(stranger, Wallet.from_key(b"\x07" * 32))
    assert isinstance(found, Refusal)
    assert found.reason not in {Reason.GATE_CLOSED, Reason.GATE_UNKNOWN}


async def test_open_sessions_ask_the_gate_again(database: Database, alice: Account) -> None:
    now = 1_800_000_000.0
    gate_of = Gate(database, Doorkeeper(database, Evaluator({}), 60.0, clock=lambda: now))
    desk = Sessions(database, seconds=3600, admit=gate_of.admit, again_seconds=20, clock=lambda: now)
    tokens = [await database.write(lambda tx: desk.begin(tx, alice)) for _ in range(2)]
    await gate(database, {"did": f"did:pkh:eip155:1:{ALICE.address}"})
    assert await desk.account(tokens[0]) == alice
    await gate(database, {"group": "members"})  # what cannot be told: out for now, and the session stays
    now += 19
    assert await desk.account(tokens[0]) == alice, "the last answer counts a while"
    now += 2
    assert await desk.account(tokens[0]) is None
    await gate(database, {"did": f"did:pkh:eip155:1:{ALICE.address}"})
    assert await desk.account(tokens[0]) == alice
    await gate(database, {"did": "did:web:else.example"})  # what is lost shuts every session of the account
    now += 21
    assert await desk.account(tokens[0]) is None
    assert await desk.account(tokens[1]) is None
    assert await desk.shut_out(tokens[1]) == alice
    await gate(database, {"did": f"did:pkh:eip155:1:{ALICE.address}"})
    assert await desk.shut_out(tokens[0]) is None
    assert [await desk.account(token) for token in tokens] == [alice, alice], "and what came back opens them"
    assert await desk.shut_out("x" * 43) is None
