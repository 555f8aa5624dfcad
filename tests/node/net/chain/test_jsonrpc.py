"""The JSON-RPC client against a real anvil, and against servers that answer nonsense."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
from eth_hash.auto import keccak

from node.base.errors import Permanent, Temporary
from node.net.chain.interface import NoState, Reverted
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.transaction import address_of, raw_address

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[4]
ANVIL = next(iter(ROOT.glob("node_modules/@foundry-rs/anvil-*/bin/anvil")), None)
CHAIN_ID = 31337
# The first account of every anvil: public, so worth nothing anywhere.
KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
CODE = bytes.fromhex(json.loads((ROOT / "node/anchor/TreeHeads.json").read_text())["bytecode"][2:])
ANCHOR = keccak(b"anchor(uint64,bytes32)")[:4]
HEAD = keccak(b"head(address)")[:4] + raw_address(address_of(KEY)).rjust(32, b"\0")


@pytest.fixture
def anvil() -> Iterator[str]:
    if ANVIL is None:
        pytest.skip("anvil is not installed: run `npm install` (needs the npm registry once)")
    command = [str(ANVIL), "--port", "0", "--host", "127.0.0.1", "--chain-id", str(CHAIN_ID)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        yield "http://" + next(line for line in lines if line.startswith("Listening on ")).split()[-1]
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
async def chain(anvil: str) -> AsyncIterator[JsonRpcChain]:
    async with JsonRpcChain.open(anvil, KEY, CHAIN_ID) as opened:
        yield opened


async def test_a_contracts_life_on_a_real_chain(chain: JsonRpcChain) -> None:
    made = await chain.send(None, CODE)
    assert made.contract
    assert (await chain.code(made.contract)).hex() in CODE.hex()
    for size in (3, 5):
        sent = await chain.send(made.contract, ANCHOR + size.to_bytes(32, "big") + bytes([size]) * 32)
        assert (await chain.call(made.contract, HEAD))[:32] == size.to_bytes(32, "big")
    assert (await chain.call(made.contract, HEAD, sent.block - 1))[:32] == (3).to_bytes(32, "big")
    (event,) = await chain.events(made.contract, sent.block)
    assert (event.transaction, event.data) == (sent.hash, bytes([5]) * 32)
    assert (await chain.head()).number == sent.block
    with pytest.raises(Reverted) as refusal:
        await chain.send(made.contract, ANCHOR + (5).to_bytes(32, "big") + bytes(32))
    assert refusal.value.data[:4] == keccak(b"NotGrowing(uint64,uint64)")[:4]
    assert (await chain.head()).number == sent.block


async def test_what_is_not_there(chain: JsonRpcChain) -> None:
    nowhere = "0x" + "12" * 20
    assert await chain.call(nowhere, HEAD) == b""
    assert await chain.code(nowhere) == b""
    with pytest.raises(NoState):
        await chain.call(nowhere, HEAD, 10_000)


async def test_another_chain_than_the_settings_say(anvil: str) -> None:
    with pytest.raises(Permanent, match="serves chain 31337"):
        async with JsonRpcChain.open(anvil, KEY, 1):
            pass


async def test_nobody_answers() -> None:
    with pytest.raises(Temporary, match="no answer"):
        async with JsonRpcChain.open("http://127.0.0.1:9", KEY, 1):
            pass


@asynccontextmanager
async def answering(body: bytes, *, chunked: bool = False) -> AsyncIterator[str]:
    """A server that gives every request the same answer; `%d` becomes the request's id."""
    form = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n%s"

    async def serve(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            request = b""
            async for chunk in stream:
                request += chunk
                head, _, content = request.partition(b"\r\n\r\n")
                if not head or not content.endswith(b"}"):
                    continue
                answer = body.replace(b"%d", str(json.loads(content)["id"]).encode())
                await stream.send_all(b"HTTP/1.1 200 OK\r\n" + form % (len(answer), answer))
                request = b""

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"id": %d}',
        b'{"id": 0, "result": "0x1"}',
        b'{"id": %d, "result": 1}',
        b'{"id": %d, "result": "one"}',
        b'{"id": %d, "result": "-0x1"}',
        b'{"id": %d, "result": {"number": "0x1"}}',
        b'{"id": %d, "error": "no"}',
        b'{"id": %d, "error": {"code": -32000, "message": "busy"}}',
        b'{"id": %d, "result": "' + b"0" * (5 << 20) + b'"}',
        b"[" * 100_000,
    ],
)
async def test_nonsense_is_a_temporary_failure(body: bytes) -> None:
    async with answering(body) as url:
        with pytest.raises(Temporary):
            async with JsonRpcChain.open(url, None, 1):
                pass


async def test_a_good_id_and_nonsense_after_it() -> None:
    async with answering(b'{"id": %d, "result": "0x1"}') as url, JsonRpcChain.open(url, KEY, 1) as chain:
        for question in (chain.head, partial(chain.events, "0x" + "12" * 20, 1)):
            with pytest.raises(Temporary):
                await question()


# The HTTP library drops the generator it read from when we stop reading; it is closed all the same.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_an_endless_answer_is_cut_off() -> None:
    async with answering(b'{"id": %d, "result": "' + b"0" * (5 << 20) + b'"}', chunked=True) as url:
        with pytest.raises(Temporary, match="too long"):
            async with JsonRpcChain.open(url, None, 1):
                pass
