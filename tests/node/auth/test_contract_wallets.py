"""Contract wallets against a real chain: deployed or not, honest or odd; and servers that hang, lie and babble."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from eth_abi import encode
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct

from identity import contract_wallet
from identity.contract_wallet import Signature
from identity.ethereum import keccak, personal_hash
from identity.refusal import Reason as Proof
from node.auth.contract_wallets import QUESTIONS, ContractWallets
from node.auth.refusal import Reason, Refusal
from node.net.chain.jsonrpc import JsonRpcChain

pytestmark = pytest.mark.anyio

CHAIN = 31337
# The first account of every anvil: public, so worth nothing anywhere.
KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
OWNER = Wallet.from_key(b"\x01" * 32)
MALLORY = Wallet.from_key(b"\x03" * 32)
TEXT = b"hello"
DIGEST = personal_hash(TEXT)
SALT = b"\x07" * 32
CONTRACTS = Path(__file__).parents[2] / "contracts"


def code(name: str) -> bytes:
    return bytes.fromhex(json.loads((CONTRACTS / f"{name}.json").read_text())["bytecode"][2:])


def called(signature: str, kinds: list[str], *values: Any) -> bytes:
    return keccak(signature.encode())[:4] + encode(kinds, values)


def sign(wallet: Any = OWNER, text: bytes = TEXT) -> bytes:
    return bytes(wallet.sign_message(encode_defunct(text)).signature)


def raw(address: str) -> bytes:
    return bytes.fromhex(address[2:])


@dataclass
class World:
    """A chain with a factory, a deployed wallet of `OWNER`, and the address of one that is not there yet."""

    url: str
    chain: JsonRpcChain
    factory: bytes
    deployed: bytes
    undeployed: bytes
    preparation: bytes


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "trio"


@pytest.fixture(scope="module")
async def world(anvil: str) -> AsyncIterator[World]:
    async with JsonRpcChain.open(anvil, KEY, CHAIN) as chain:
        factory = (await chain.send(None, code("WalletFactory"))).contract
        deployed = (await chain.send(None, code("OwnedWallet") + encode(["address"], [OWNER.address]))).contract
        assert factory
        assert deployed
        where = called("where(address,bytes32)", ["address", "bytes32"], OWNER.address, SALT)
        undeployed = (await chain.call(factory, where))[12:]
        make = called("make(address,bytes32)", ["address", "bytes32"], OWNER.address, SALT)
        yield World(anvil, chain, raw(factory), raw(deployed), undeployed, make)


def asking(url: str, deadline: float = 20) -> Callable[..., Any]:
    contracts = ContractWallets({f"eip155:{CHAIN}": url, "solana:x": "https://localhost"}, deadline)
    assert contracts.chain_ids == (CHAIN,)
    return partial(contracts.refusal, CHAIN)


async def test_a_deployed_wallet_signs_by_its_owners_key(world: World) -> None:
    ask = asking(world.url)
    assert await ask(world.deployed, DIGEST, Signature(sign())) is None
    for signature in (sign(MALLORY), sign(OWNER, b"other"), b"", sign()[:64], bytes(8000)):
        refusal = await ask(world.deployed, DIGEST, Signature(signature))
        assert (refusal.reason, refusal.temporary) == (Proof.WRONG_SIGNER, False)
        assert "says that it did not sign" in refusal.words


async def test_a_wallet_that_is_not_there_yet_signs_with_its_deployment(world: World) -> None:
    ask = asking(world.url)
    wrapped = contract_wallet.wrap(Signature(sign(), world.factory, world.preparation))
    signature = contract_wallet.unwrap(wrapped)
    assert await ask(world.undeployed, DIGEST, signature) is None
    assert await world.chain.code("0x" + world.undeployed.hex()) == b"", "the question deploys nothing"
    bare = await ask(world.undeployed, DIGEST, Signature(sign()))
    assert "no wallet contract at this address" in bare.words
    theirs = await ask(world.undeployed, DIGEST, Signature(sign(MALLORY), world.factory, world.preparation))
    assert "says that it did not sign" in theirs.words


async def test_another_factory_deploys_nothing_at_that_address(world: World) -> None:
    ask = asking(world.url)
    mine = called("make(address,bytes32)", ["address", "bytes32"], MALLORY.address, SALT)
    for factory, preparation in (
        (world.factory, mine),  # CREATE2 binds the address to the owner
        (world.factory, b""),
        (world.deployed, world.preparation),
        (raw(MALLORY.address), world.preparation),
        (bytes(19) + b"\x01", b""),  # a precompiled contract
    ):
        refusal = await ask(world.undeployed, DIGEST, Signature(sign(MALLORY), factory, preparation))
        assert "cannot be deployed" in refusal.words


async def test_a_preparation_cannot_take_a_deployed_wallet_over(world: World) -> None:
    give = called("give(address)", ["address"], MALLORY.address)
    refusal = await asking(world.url)(world.deployed, DIGEST, Signature(sign(MALLORY), world.deployed, give))
    assert refusal.reason is Proof.WRONG_SIGNER


async def test_a_deployed_wallet_signs_with_its_deployment_still_attached(world: World) -> None:
    signature = Signature(sign(), world.factory, world.preparation)
    assert await asking(world.url)(world.deployed, DIGEST, signature) is None


@pytest.mark.parametrize("habit", [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12])
async def test_a_contract_of_bad_habits_has_not_signed(world: World, habit: int) -> None:
    made = (await world.chain.send(None, code("OddWallet") + encode(["uint256"], [habit]))).contract
    assert made
    for signature in (Signature(sign()), Signature(sign(), raw(made), b"prepare")):
        refusal = await asking(world.url)(raw(made), DIGEST, signature)
        assert (refusal.reason, refusal.temporary) == (Proof.WRONG_SIGNER, False)


async def test_a_right_answer_with_much_behind_it_is_a_right_answer(world: World) -> None:
    made = (await world.chain.send(None, code("OddWallet") + encode(["uint256"], [8]))).contract
    assert made
    assert await asking(world.url)(raw(made), DIGEST, Signature(sign())) is None


async def test_nobodys_address_has_not_signed(world: World) -> None:
    for address in (raw(OWNER.address), bytes(20), bytes(19) + b"\x02"):
        refusal = await asking(world.url)(address, DIGEST, Signature(sign()))
        assert "no wallet contract" in refusal.words


async def test_a_server_of_another_chain_lets_nobody_in(world: World) -> None:
    contracts = ContractWallets({"eip155:1": world.url})
    refusal = await contracts.refusal(1, world.deployed, DIGEST, Signature(sign()))
    assert isinstance(refusal, Refusal)
    assert (refusal.reason, refusal.temporary) == (Reason.CHAIN_AWAY, True)


async def test_nobody_answers() -> None:
    refusal = await asking("http://127.0.0.1:9")(bytes(20), DIGEST, Signature(sign()))
    assert (refusal.reason, refusal.temporary) == (Reason.CHAIN_AWAY, True)


def answering(*bodies: bytes) -> Any:
    """A habit: to each request the next answer, the last one for ever; `%d` becomes the request's id."""

    async def habit(stream: trio.SocketStream) -> None:
        request, number = b"", 0
        async for chunk in stream:
            request += chunk
            head, _, content = request.partition(b"\r\n\r\n")
            if not head or not content.endswith(b"}"):
                continue
            body = bodies[min(number, len(bodies) - 1)].replace(b"%d", str(json.loads(content)["id"]).encode())
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            request, number = b"", number + 1

    return habit


THIS_CHAIN = b'{"jsonrpc": "2.0", "id": %d, "result": "0x7a69"}'
YES = b'"0x' + b"00" * 31 + b'01"'


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b'{"id": %d, "result": "0x"}', Proof.WRONG_SIGNER),
        (b'{"id": %d, "result": "0x01"}', Proof.WRONG_SIGNER),
        (b'{"id": %d, "result": "0x' + b"00" * 32 + b'"}', Proof.WRONG_SIGNER),
        (b'{"id": %d, "result": "0x' + b"ff" * 32 + b'"}', Proof.WRONG_SIGNER),
        (b'{"id": %d, "result": "0x1626ba7e' + b"00" * 28 + b'"}', Proof.WRONG_SIGNER),
        (b'{"id": %d, "error": {"code": 3, "message": "execution reverted"}}', Proof.WRONG_SIGNER),
        (b'{"id": %d, "error": {"code": -32000, "message": "busy"}}', Reason.CHAIN_AWAY),
        (b'{"id": %d, "result": true}', Reason.CHAIN_AWAY),
        (b'{"id": %d, "result": 1}', Reason.CHAIN_AWAY),
        (b'{"id": %d}', Reason.CHAIN_AWAY),
        (b'{"id": 99, "result": ' + YES + b"}", Reason.CHAIN_AWAY),
        (b"[]", Reason.CHAIN_AWAY),
        (b"", Reason.CHAIN_AWAY),
        (b"[" * 100_000, Reason.CHAIN_AWAY),
        (b'{"id": %d, "result": "0x' + b"00" * (5 << 20) + b'"}', Reason.CHAIN_AWAY),
    ],
)
async def test_a_babbling_server_lets_nobody_in(serving: Any, answer: bytes, reason: object) -> None:
    async with serving(answering(THIS_CHAIN, answer)) as server:
        refusal = await asking(f"http://{server.place}")(bytes(20), DIGEST, Signature(sign()))
        assert refusal.reason is reason


async def test_a_yes_from_the_server_is_believed(serving: Any) -> None:
    # Whoever runs the server can say this for any wallet: docs/identity.md says so, too.
    async with serving(answering(THIS_CHAIN, b'{"id": %d, "result": ' + YES + b"}")) as server:
        assert await asking(f"http://{server.place}")(bytes(20), DIGEST, Signature(sign())) is None


async def test_a_hanging_server_costs_one_deadline_and_a_few_turns(serving: Any) -> None:
    async def hang(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    found: list[Refusal] = []
    async with serving(hang) as server:
        ask = asking(f"http://{server.place}", deadline=3)

        async def one() -> None:
            found.append(await ask(bytes(20), DIGEST, Signature(sign())))

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for _ in range(QUESTIONS + 3):
                    nursery.start_soon(one)
    assert [refusal.reason for refusal in found] == [Reason.BUSY] * 3 + [Reason.CHAIN_AWAY] * QUESTIONS
    assert all(refusal.temporary for refusal in found)
