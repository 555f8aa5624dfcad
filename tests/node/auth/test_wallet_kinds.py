"""Logging in with a Solana wallet and with contract wallets: several for one person, none of them another's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from eth_abi import encode
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct
from nacl.signing import SigningKey

from identity import contract_wallet, solana
from identity.contract_wallet import Signature
from identity.ethereum import keccak
from identity.refusal import Reason as Proof
from node.auth.challenges import LoginDesk
from node.auth.consent import Consent, Deed
from node.auth.contract_wallets import ContractWallets
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import Sessions, new_token
from node.auth.wallet import Challenge, LoggedIn, WalletLogin, WalletSettings
from node.auth.wallet_proof import WalletProofs
from node.net.chain.jsonrpc import JsonRpcChain
from node.store import accounts
from node.store.accounts import Account
from node.store.database import Database

pytestmark = pytest.mark.anyio

PEER = "192.0.2.7"
CHAIN = 31337
KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
ORIGIN = "https://mail.waxseal.test"
SETTINGS = WalletSettings("mail.waxseal.test", f"{ORIGIN}/login", frozenset({1, CHAIN}), frozenset({"mainnet"}))
OWNER = Wallet.from_key(b"\x05" * 32)
MALLORY = Wallet.from_key(b"\x03" * 32)
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SOLANA = SigningKey(b"\x01" * 32)
SOLANA_ADDRESS = solana.format_address(bytes(SOLANA.verify_key))
SALT = b"\x08" * 32
CONTRACTS = Path(__file__).parents[2] / "contracts"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "trio"


class Scene:
    """One node's login, with contract wallets of `OWNER` on a chain it reads."""

    def __init__(self, database: Database, proofs: WalletProofs) -> None:
        self.database = database
        self.login = WalletLogin(LoginDesk(database, Sessions(database, seconds=3600)), proofs)
        self.consent = Consent(database, proofs, ORIGIN)
        self.browser = new_token()

    async def challenge(self) -> Challenge:
        made = await self.login.challenge(self.browser, PEER)
        assert isinstance(made, Challenge)
        return made

    async def enter(self, text: str, signature: bytes) -> object:
        """The account, or why not."""
        result = await self.login.verify(text, "0x" + signature.hex(), self.browser, PEER)
        return result.account if isinstance(result, LoggedIn) else result.reason

    async def bind(self, account: Account, subject: str) -> None:
        await self.database.write(lambda tx: accounts.bind(tx, account.id, subject))


@pytest.fixture
def scene(database: Database) -> Scene:
    return Scene(database, WalletProofs(SETTINGS, ContractWallets({})))


@pytest.fixture
def chained(database: Database, anvil: str) -> Scene:
    return Scene(database, WalletProofs(SETTINGS, ContractWallets({f"eip155:{CHAIN}": anvil}, 20)))


def code(name: str) -> bytes:
    return bytes.fromhex(json.loads((CONTRACTS / f"{name}.json").read_text())["bytecode"][2:])


@pytest.fixture(scope="module")
async def chain(anvil: str) -> AsyncIterator[JsonRpcChain]:
    async with JsonRpcChain.open(anvil, KEY, CHAIN) as opened:
        yield opened


@pytest.fixture(scope="module")
async def deployed(chain: JsonRpcChain) -> bytes:
    made = (await chain.send(None, code("OwnedWallet") + encode(["address"], [OWNER.address]))).contract
    assert made
    return bytes.fromhex(made[2:])


def sign(text: str, wallet: Any = OWNER) -> bytes:
    return bytes(wallet.sign_message(encode_defunct(text=text)).signature)


def on_chain(address: bytes, chain: int = CHAIN) -> str:
    return f"eip155:{chain}:0x{address.hex()}"


async def test_a_solana_wallet_logs_in(scene: Scene, alice: Account) -> None:
    await scene.bind(alice, f"solana:{SOLANA_ADDRESS}")
    text = (await scene.challenge()).solana_message(SOLANA_ADDRESS, "mainnet")
    signature = SOLANA.sign(text.encode()).signature
    assert await scene.enter(text, signature) == alice
    assert await scene.enter(text, signature) is Reason.USED_NONCE


async def test_a_solana_wallet_that_is_nobodys(scene: Scene, alice: Account) -> None:
    text = (await scene.challenge()).solana_message(SOLANA_ADDRESS, "mainnet")
    assert await scene.enter(text, SOLANA.sign(text.encode()).signature) is Reason.UNBOUND_WALLET


@pytest.mark.parametrize("signature", [bytes(64), bytes(65), b"\x01", sign("hello")])
async def test_a_wrong_solana_signature_uses_the_nonce_up(scene: Scene, alice: Account, signature: bytes) -> None:
    await scene.bind(alice, f"solana:{SOLANA_ADDRESS}")
    text = (await scene.challenge()).solana_message(SOLANA_ADDRESS, "mainnet")
    assert await scene.enter(text, signature) in (Proof.WRONG_SIGNER, Proof.BAD_SIGNATURE)
    assert await scene.enter(text, SOLANA.sign(text.encode()).signature) is Reason.USED_NONCE


async def test_solana_chains_are_those_of_the_settings(scene: Scene, database: Database, alice: Account) -> None:
    text = (await scene.challenge()).solana_message(SOLANA_ADDRESS, "devnet")
    assert await scene.enter(text, SOLANA.sign(text.encode()).signature) is Proof.WRONG_CHAIN
    settings = WalletSettings(SETTINGS.domain, SETTINGS.uri, SETTINGS.chain_ids)
    closed = Scene(database, WalletProofs(settings, ContractWallets({})))
    text = (await closed.challenge()).solana_message(SOLANA_ADDRESS, "mainnet")
    assert await closed.enter(text, SOLANA.sign(text.encode()).signature) is Proof.WRONG_CHAIN


async def test_a_contract_wallet_logs_in_on_its_chain(chained: Scene, alice: Account, deployed: bytes) -> None:
    await chained.bind(alice, on_chain(deployed))
    text = (await chained.challenge()).message(deployed, CHAIN)
    assert await chained.enter(text, sign(text)) == alice
    assert await chained.enter(text, sign(text)) is Reason.USED_NONCE


async def test_another_key_does_not_sign_for_it_and_uses_the_nonce_up(
    chained: Scene, alice: Account, deployed: bytes
) -> None:
    await chained.bind(alice, on_chain(deployed))
    text = (await chained.challenge()).message(deployed, CHAIN)
    assert await chained.enter(text, sign(text, MALLORY)) is Proof.WRONG_SIGNER
    assert await chained.enter(text, sign(text)) is Reason.USED_NONCE


@pytest.mark.parametrize("bound", ["eip155:{}", "eip155:1:{}"])
async def test_the_same_address_elsewhere_is_somebody_elses(
    chained: Scene, alice: Account, deployed: bytes, bound: str
) -> None:
    await chained.bind(alice, bound.format("0x" + deployed.hex()))
    text = (await chained.challenge()).message(deployed, CHAIN)
    assert await chained.enter(text, sign(text)) is Reason.UNBOUND_WALLET


async def test_a_chain_that_is_not_read_lets_no_contract_in(chained: Scene, alice: Account, deployed: bytes) -> None:
    await chained.bind(alice, on_chain(deployed, 1))
    text = (await chained.challenge()).message(deployed, 1)
    assert await chained.enter(text, sign(text)) is Proof.WRONG_SIGNER
    text = (await chained.challenge()).message(deployed, 1)
    assert await chained.enter(text, b"webauthn" * 40) is Proof.BAD_SIGNATURE


async def test_a_wallet_that_is_not_deployed_yet_logs_in(chained: Scene, alice: Account, chain: JsonRpcChain) -> None:
    factory = (await chain.send(None, code("WalletFactory"))).contract
    assert factory
    arguments = encode(["address", "bytes32"], [OWNER.address, SALT])
    wallet = (await chain.call(factory, keccak(b"where(address,bytes32)")[:4] + arguments))[12:]
    await chained.bind(alice, on_chain(wallet))
    text = (await chained.challenge()).message(wallet, CHAIN)
    make = keccak(b"make(address,bytes32)")[:4] + arguments
    wrapped = contract_wallet.wrap(Signature(sign(text), bytes.fromhex(factory[2:]), make))
    assert await chained.enter(text, wrapped) == alice
    text = (await chained.challenge()).message(wallet, CHAIN)
    assert await chained.enter(text, sign(text)) is Proof.WRONG_SIGNER, "without the deployment nobody can tell"


async def test_a_key_needs_no_chain_though_its_signature_is_wrapped(scene: Scene, alice: Account) -> None:
    await scene.bind(alice, f"eip155:{OWNER.address}")
    address = bytes.fromhex(OWNER.address[2:])
    text = (await scene.challenge()).message(address, 1)
    assert await scene.enter(text, contract_wallet.wrap(Signature(sign(text), bytes(20), b""))) == alice
    text = (await scene.challenge()).message(address, 1)
    assert await scene.enter(text, bytes(100) + bytes.fromhex("6492" * 16)) is Proof.BAD_SIGNATURE


async def test_a_key_opens_the_account_it_is_bound_to_with_its_chain(scene: Scene, alice: Account) -> None:
    address = bytes.fromhex(OWNER.address[2:])
    await scene.bind(alice, on_chain(address, 1))
    text = (await scene.challenge()).message(address, 1)
    assert await scene.enter(text, sign(text)) == alice
    text = (await scene.challenge()).message(address, CHAIN)
    assert await scene.enter(text, sign(text)) is Reason.UNBOUND_WALLET


async def test_high_s_is_refused_where_no_contract_says_otherwise(chained: Scene, alice: Account) -> None:
    await chained.bind(alice, f"eip155:{OWNER.address}")
    text = (await chained.challenge()).message(bytes.fromhex(OWNER.address[2:]), CHAIN)
    low = sign(text)
    twin = low[:32] + (ORDER - int.from_bytes(low[32:64], "big")).to_bytes(32, "big") + bytes([55 - low[64]])
    assert await chained.enter(text, twin) is Proof.HIGH_S


async def test_several_wallets_open_one_account(chained: Scene, alice: Account, deployed: bytes) -> None:
    await chained.bind(alice, f"solana:{SOLANA_ADDRESS}")
    await chained.bind(alice, on_chain(deployed))
    await chained.bind(alice, f"eip155:{OWNER.address}")
    text = (await chained.challenge()).solana_message(SOLANA_ADDRESS, "mainnet")
    assert await chained.enter(text, SOLANA.sign(text.encode()).signature) == alice
    for address in (deployed, bytes.fromhex(OWNER.address[2:])):
        text = (await chained.challenge()).message(address, CHAIN)
        assert await chained.enter(text, sign(text)) == alice


async def test_a_chain_that_is_away_is_told_as_such(database: Database, alice: Account, deployed: bytes) -> None:
    scene = Scene(database, WalletProofs(SETTINGS, ContractWallets({f"eip155:{CHAIN}": "http://127.0.0.1:9"})))
    await scene.bind(alice, on_chain(deployed))
    text = (await scene.challenge()).message(deployed, CHAIN)
    assert await scene.enter(text, sign(text)) is Reason.CHAIN_AWAY
    assert await scene.enter(text, sign(text)) is Reason.USED_NONCE


DEED = Deed("unlock", "Unlock it.", "/account/unlock")


async def test_every_kind_of_wallet_consents_to_a_deed(chained: Scene, alice: Account, deployed: bytes) -> None:
    subjects = [f"solana:{SOLANA_ADDRESS}", on_chain(deployed)]
    for subject in subjects:
        await chained.bind(alice, subject)
    done: list[str] = []
    for subject in subjects:
        made = await chained.consent.challenge(DEED, chained.browser, PEER)
        assert isinstance(made, Challenge)
        if subject.startswith("solana"):
            text = made.solana_message(SOLANA_ADDRESS, "mainnet")
            signature = SOLANA.sign(text.encode()).signature
        else:
            text = made.message(deployed, CHAIN)
            signature = sign(text)
        signed = (text, "0x" + signature.hex())
        for _ in range(2):
            result = await chained.consent.verify(
                DEED, alice, chained.browser, signed=signed, peer=PEER, work=lambda _tx, subject: done.append(subject)
            )
        assert isinstance(result, Refusal)
        assert result.reason is Reason.USED_NONCE
    assert done == subjects
