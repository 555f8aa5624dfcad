"""What every chain must do alike: one suite, run on the embedded chain and on anvil behind JSON-RPC."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from eth_hash.auto import keccak

from node.net.chain.embedded import EmbeddedChain
from node.net.chain.interface import Chain, NoState, Reverted
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.transaction import address_of, raw_address

pytestmark = pytest.mark.anyio

# The first account of every anvil: public, so worth nothing anywhere.
KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
CODE = bytes.fromhex(json.loads((Path(__file__).parents[4] / "node/anchor/TreeHeads.json").read_text())["bytecode"][2:])
ANCHOR = keccak(b"anchor(uint64,bytes32)")[:4]
HEAD = keccak(b"head(address)")[:4] + raw_address(address_of(KEY)).rjust(32, b"\0")
NOWHERE = "0x" + "12" * 20


def anchor(size: int) -> bytes:
    return ANCHOR + size.to_bytes(32, "big") + bytes([size]) * 32


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "trio"


@pytest.fixture(scope="module", params=["embedded", "anvil"])
async def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Chain]:
    if request.param == "embedded":
        async with EmbeddedChain.open(tmp_path_factory.mktemp("chain"), KEY) as embedded:
            yield embedded
    else:
        async with JsonRpcChain.open(request.getfixturevalue("anvil"), KEY, 31337) as remote:
            yield remote


@pytest.fixture
async def contract(chain: Chain) -> str:
    made = await chain.send(None, CODE)
    assert made.contract
    return made.contract


async def test_it_names_itself(chain: Chain) -> None:
    assert chain.sender == address_of(KEY)
    assert chain.chain_id in (24225, 31337)


async def test_a_contracts_life(chain: Chain, contract: str) -> None:
    code = await chain.code(contract)
    assert code
    assert code in CODE
    for size in (3, 5):
        sent = await chain.send(contract, anchor(size))
        assert (await chain.call(contract, HEAD))[:32] == size.to_bytes(32, "big")
        assert (await chain.head()).number == sent.block
    assert (sent.contract, 34_000 < sent.gas < 36_000) == (None, True)
    assert (await chain.call(contract, HEAD, sent.block - 1))[:32] == (3).to_bytes(32, "big")
    (event,) = await chain.events(contract, sent.block)
    assert (event.transaction, event.block, event.data) == (sent.hash, sent.block, bytes([5]) * 32)
    assert event.topics == (
        keccak(b"Anchored(address,uint64,bytes32)"),
        raw_address(address_of(KEY)).rjust(32, b"\0"),
        (5).to_bytes(32, "big"),
    )


async def test_a_refused_transaction_leaves_no_trace(chain: Chain, contract: str) -> None:
    await chain.send(contract, anchor(7))
    before = await chain.head()
    with pytest.raises(Reverted) as refusal:
        await chain.send(contract, anchor(7))
    assert refusal.value.data[:4] == keccak(b"NotGrowing(uint64,uint64)")[:4]
    assert await chain.head() == before
    await chain.send(contract, anchor(8))
    assert (await chain.head()).number == before.number + 1


async def test_a_refused_view(chain: Chain, contract: str) -> None:
    with pytest.raises(Reverted):
        await chain.call(contract, anchor(0))


async def test_what_is_not_there(chain: Chain) -> None:
    assert await chain.call(NOWHERE, HEAD) == b""
    assert await chain.code(NOWHERE) == b""
    assert await chain.events(NOWHERE, (await chain.head()).number) == []
    with pytest.raises(NoState):
        await chain.call(NOWHERE, HEAD, 1_000_000)


async def test_events_of_a_block_that_does_not_exist(chain: Chain) -> None:
    with pytest.raises(NoState):
        await chain.events(NOWHERE, 1_000_000)


async def test_blocks_move_forward_in_number_and_time(chain: Chain) -> None:
    heads = [await chain.head()]
    for _ in range(3):
        await chain.send(NOWHERE, b"")
        heads.append(await chain.head())
    assert [head.number - heads[0].number for head in heads] == [0, 1, 2, 3]
    assert [head.time for head in heads] == sorted(head.time for head in heads)
    assert len({head.hash for head in heads}) == 4
