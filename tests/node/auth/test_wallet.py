"""Logging in with a wallet, down to the rows in the store."""

from __future__ import annotations

from datetime import timedelta

import pytest
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct

import identity.refusal
from identity.eip4361 import parse
from identity.refusal import Reason as Proof
from node.auth.challenges import NONCE_SECONDS, LoginDesk
from node.auth.contract_wallets import ContractWallets
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import Sessions, new_token
from node.auth.wallet import Challenge, LoggedIn, WalletLogin, WalletSettings
from node.auth.wallet_proof import WalletProofs
from node.store.accounts import Account
from node.store.database import Database

pytestmark = pytest.mark.anyio

PEER = "192.0.2.7"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SETTINGS = WalletSettings("mail.waxseal.test", "https://mail.waxseal.test/login", frozenset({1, 31337}))
ALICE = Wallet.from_key(b"\x01" * 32)
MALLORY = Wallet.from_key(b"\x02" * 32)


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(database: Database, clock: Clock) -> Sessions:
    return Sessions(database, seconds=3600, clock=clock)


@pytest.fixture
def login(database: Database, sessions: Sessions, clock: Clock, alice: Account) -> WalletLogin:
    return WalletLogin(LoginDesk(database, sessions, clock=clock), WalletProofs(SETTINGS, ContractWallets({}), clock))


@pytest.fixture
def browser() -> str:
    return new_token()


def sign(text: str, wallet: object = ALICE) -> str:
    return "0x" + bytes(wallet.sign_message(encode_defunct(text=text)).signature).hex()  # type: ignore[attr-defined]


async def challenge(login: WalletLogin, browser: str) -> Challenge:
    made = await login.challenge(browser, PEER)
    assert isinstance(made, Challenge)
    return made


async def message(login: WalletLogin, browser: str, wallet: object = ALICE) -> str:
    return (await challenge(login, browser)).message(bytes.fromhex(wallet.address[2:]), 1)  # type: ignore[attr-defined]


def reason(result: LoggedIn | Refusal) -> object:
    return result.reason if isinstance(result, Refusal) else None


async def test_a_signed_challenge_opens_a_session(
    login: WalletLogin, sessions: Sessions, browser: str, alice: Account, clock: Clock
) -> None:
    text = await message(login, browser)
    result = await login.verify(text, sign(text), browser, PEER)
    assert isinstance(result, LoggedIn)
    assert result.account == alice
    assert await sessions.account(result.token) == alice
    clock.now += 3600
    assert await sessions.account(result.token) is None


async def test_a_session_ends_when_it_is_told_to(login: WalletLogin, sessions: Sessions, browser: str) -> None:
    text = await message(login, browser)
    result = await login.verify(text, sign(text), browser, PEER)
    assert isinstance(result, LoggedIn)
    await sessions.end(result.token)
    assert await sessions.account(result.token) is None


@pytest.mark.parametrize("token", ["", "x", "\ud800" * 43, "a" * 43, "a" * 100_000])
async def test_a_made_up_token_is_nobodys(sessions: Sessions, token: str) -> None:
    assert await sessions.account(token) is None
    await sessions.end(token)


async def test_a_nonce_works_once(login: WalletLogin, browser: str) -> None:
    text = await message(login, browser)
    assert reason(await login.verify(text, sign(text), browser, PEER)) is None
    assert reason(await login.verify(text, sign(text), browser, PEER)) is Reason.USED_NONCE


async def test_a_failed_try_uses_the_nonce_up(login: WalletLogin, browser: str) -> None:
    text = await message(login, browser)
    assert reason(await login.verify(text, sign(text, MALLORY), browser, PEER)) is Proof.WRONG_SIGNER
    assert reason(await login.verify(text, sign(text), browser, PEER)) is Reason.USED_NONCE


async def test_another_browsers_nonce_is_worth_nothing(login: WalletLogin, browser: str) -> None:
    text = await message(login, browser)
    assert reason(await login.verify(text, sign(text), new_token(), PEER)) is Reason.USED_NONCE


async def test_a_nonce_of_ones_own_making_is_worth_nothing(login: WalletLogin, browser: str) -> None:
    nonce = (await challenge(login, browser)).nonce
    text = (await message(login, browser)).replace(nonce, "a" * 32)
    nonce = parse(text).nonce  # type: ignore[union-attr]
    text = text.replace(nonce, "b" * 32)
    assert reason(await login.verify(text, sign(text), browser, PEER)) is Reason.USED_NONCE


async def test_an_old_challenge_has_expired(login: WalletLogin, browser: str, clock: Clock) -> None:
    text = await message(login, browser)
    clock.now += NONCE_SECONDS
    assert reason(await login.verify(text, sign(text), browser, PEER)) is Proof.EXPIRED


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("mail.waxseal.test wants", "evil.waxseal.test wants", Proof.WRONG_DOMAIN),
        ("URI: https://mail.waxseal.test/login", "URI: https://evil.waxseal.test/login", Proof.WRONG_URI),
        ("URI: https://mail.waxseal.test/login", "URI: https://mail.waxseal.test/", Proof.WRONG_URI),
        ("Chain ID: 1", "Chain ID: 2", Proof.WRONG_CHAIN),
        ("Chain ID: 1", "Chain ID: 31337", None),
        ("Version: 1", "Version: 1\nFoo: bar", Proof.MALFORMED),
    ],
)
async def test_a_message_for_elsewhere_is_refused(
    login: WalletLogin, browser: str, old: str, new: str, expected: Proof | None
) -> None:
    text = (await message(login, browser)).replace(old, new)
    assert reason(await login.verify(text, sign(text), browser, PEER)) is expected


@pytest.mark.parametrize(
    ("shift", "expected"),
    [(timedelta(minutes=2), Proof.ISSUED_IN_FUTURE), (-timedelta(minutes=2), Proof.LIFETIME_TOO_LONG)],
)
async def test_times_are_ours_to_set(login: WalletLogin, browser: str, shift: timedelta, expected: Proof) -> None:
    made = await challenge(login, browser)
    text = made.message(bytes.fromhex(ALICE.address[2:]), 1)
    other = made.issued_at + shift
    text = text.replace(f"Issued At: {made.issued_at:%Y-%m-%dT%H:%M:%SZ}", f"Issued At: {other:%Y-%m-%dT%H:%M:%SZ}")
    assert reason(await login.verify(text, sign(text), browser, PEER)) is expected


async def test_a_signature_with_high_s_is_refused(login: WalletLogin, browser: str) -> None:
    text = await message(login, browser)
    signed = bytes.fromhex(sign(text)[2:])
    s = ORDER - int.from_bytes(signed[32:64], "big")
    twin = signed[:32] + s.to_bytes(32, "big") + bytes([55 - signed[64]])
    assert Wallet.recover_message(encode_defunct(text=text), signature=twin) == ALICE.address
    assert reason(await login.verify(text, "0x" + twin.hex(), browser, PEER)) is Proof.HIGH_S


@pytest.mark.parametrize("signature", ["", "0x", "0x" + "00" * 65, "0x" + "ff" * 65, "0x" + "ab" * 4000, "\ud800"])
async def test_a_broken_signature_is_refused(login: WalletLogin, browser: str, signature: str) -> None:
    assert reason(await login.verify(await message(login, browser), signature, browser, PEER)) is Proof.BAD_SIGNATURE


@pytest.mark.parametrize("text", ["", "\ud800", "x" * 100_000, "\n" * 4000])
async def test_a_broken_message_is_refused(login: WalletLogin, browser: str, text: str) -> None:
    result = await login.verify(text, sign("hello"), browser, PEER)
    assert reason(result) in (Proof.MALFORMED, Proof.TOO_LONG)


async def test_a_wallet_without_account_stays_outside(login: WalletLogin, browser: str) -> None:
    text = await message(login, browser, MALLORY)
    assert reason(await login.verify(text, sign(text, MALLORY), browser, PEER)) is Reason.UNBOUND_WALLET


async def test_failing_again_and_again_costs_time(login: WalletLogin, browser: str) -> None:
    reasons = [reason(await login.verify("nonsense", sign("hello"), browser, PEER)) for _ in range(20)]
    assert reasons[0] is Proof.MALFORMED
    assert reasons[-1] is Reason.TOO_MANY_FAILURES


async def test_challenges_cannot_fill_the_disk(login: WalletLogin, browser: str) -> None:
    results = [await login.challenge(browser, PEER) for _ in range(80)]
    assert isinstance(results[-1], Refusal)
    assert results[-1].temporary
    assert isinstance(await login.challenge(browser, "192.0.2.8"), Challenge)


async def test_every_reason_has_words() -> None:
    assert not {r.value for r in Reason} & {r.value for r in identity.refusal.Reason}
