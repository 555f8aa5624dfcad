"""Reading at one pinned block: a real chain that is reorganised, and servers that hang, lie, fork and lag."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from identity.gates.tokens import BALANCE_OF, DECIMALS, Balance, Call, Fault, Question
from node.base.config_chains import Chains
from node.base.errors import Temporary
from node.net.chain.reader import BATCH, Moved, Reader, Tag, open_readers

pytestmark = pytest.mark.anyio

CHAIN = "eip155:31337"


@asynccontextmanager
async def reading(url: str, fresh: float = 0, **options: Any) -> AsyncIterator[Reader]:
    async with open_readers(Chains(rpc={CHAIN: url, "solana:mainnet": url}, **options), fresh) as readers:
        assert list(readers) == [CHAIN]
        yield readers[CHAIN]


def octets(address: str) -> bytes:
    return bytes.fromhex(address[2:])


async def test_everything_is_read_at_one_block(token_chain: Any) -> None:
    ann, coin = octets(token_chain.people[1]), token_chain.deploy("Coin", 6)
    odd = [token_chain.deploy("Odd", habit, b"\0" * 31) for habit in range(4)]
    async with reading(token_chain.url) as reader:
        block = await reader.head(Tag.LATEST, time.time())
        assert (await reader.head(Tag.FINALIZED, time.time())).number == block.number - 2
        asked: list[Question] = [Call(octets(each), DECIMALS) for each in (coin, *odd, "0x" + "12" * 20)]
        assert await reader.answers(block, [Balance(ann), *asked]) == [
            (10_000 * 10**18).to_bytes(32, "big"),
            (6).to_bytes(32, "big"),
            b"\0" * 31,
            Fault.REVERTED,
            Fault.BROKEN,
            Fault.BROKEN,
            b"",
        ]
        held = Call(octets(coin), BALANCE_OF + ann.rjust(32, b"\0"))
        token_chain.send(coin, "mint(address,uint256)", token_chain.people[1], 5)
        assert await reader.answers(block, [held]) == [bytes(32)]
        many = await reader.answers(await reader.head(Tag.LATEST, time.time()), [held] * (BATCH * 2 + 1))
        assert many == [(5).to_bytes(32, "big")] * (BATCH * 2 + 1)


async def test_a_block_that_was_replaced_is_not_believed(token_chain: Any) -> None:
    token_chain.finalize()
    async with reading(token_chain.url, fresh=3600) as reader:
        block = await reader.head(Tag.LATEST, time.time())
        token_chain.ask("anvil_reorg", 1, [])
        assert await reader.head(Tag.LATEST, time.time()) == block  # remembered
        with pytest.raises(Moved):
            await reader.answers(block, [Balance(octets(token_chain.people[1]))])
        newer = await reader.head(Tag.LATEST, time.time(), anew=True)
        assert newer.hash != block.hash
        await reader.answers(newer, [Balance(octets(token_chain.people[1]))])


async def test_a_final_block_that_is_replaced_is_told_once(token_chain: Any) -> None:
    token_chain.finalize()
    async with reading(token_chain.url) as reader:
        before = await reader.head(Tag.FINALIZED, time.time())
        token_chain.ask("anvil_reorg", 4, [])
        with pytest.raises(Temporary, match="was replaced"):
            await reader.head(Tag.FINALIZED, time.time())
        after = await reader.head(Tag.FINALIZED, time.time())
        assert after.number == before.number
        assert after.hash != before.hash


async def test_a_head_is_remembered_for_a_moment_and_asked_once_by_many(token_chain: Any) -> None:
    async with reading(token_chain.url, fresh=10) as reader:
        found = []

        async def look() -> None:
            found.append(await reader.head(Tag.LATEST, time.time()))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(look)
        token_chain.ask("anvil_mine", "0x1")
        await look()
        assert len(set(found)) == 1


async def test_another_chain_or_an_old_block(token_chain: Any) -> None:
    async with open_readers(Chains(rpc={"eip155:1": token_chain.url}), 0) as readers:
        with pytest.raises(Temporary, match="serves chain 31337"):
            await readers["eip155:1"].head(Tag.LATEST, time.time())
    async with reading(token_chain.url, oldest_block_minutes=10) as reader:
        with pytest.raises(Temporary, match="s old"):
            await reader.head(Tag.LATEST, time.time() + 3600)
        with pytest.raises(Temporary, match="s old"):
            await reader.head(Tag.LATEST, time.time() - 3600)


Answers = Callable[[list[dict[str, Any]]], Any]


def http(answer: Answers) -> Callable[[trio.SocketStream], Any]:
    """The habit of a server that answers every batch with what `answer` makes of it."""

    async def habit(stream: trio.SocketStream) -> None:
        request = b""
        async for chunk in stream:
            request += chunk
            head, _, body = request.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            if length is None or len(body) < int(length[1]):
                continue
            made = answer(json.loads(body))
            content = made if isinstance(made, bytes) else json.dumps(made).encode()
            await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(content), content))
            request = b""

    return habit


def well(number: int = 9, hash: str = "0x" + "ab" * 32, age: float = 0) -> Answers:
    def answer(batch: list[dict[str, Any]]) -> Any:
        block = {"number": hex(number), "hash": hash, "timestamp": hex(int(time.time() - age))}
        results = {"eth_chainId": "0x7a69", "eth_getBlockByNumber": block, "eth_getBalance": "0x5", "eth_call": "0x"}
        return [{"jsonrpc": "2.0", "id": item["id"], "result": results[item["method"]]} for item in reversed(batch)]

    return answer


@pytest.mark.parametrize(
    "nonsense",
    [
        b"",
        b"[]",
        b"{}",
        b"[" * 100_000,
        b'[{"id":0,"result":"0x7a69"}]',
        b'[{"id":0,"result":"0x7a69"},{"id":0,"result":{}}]',
        b'[{"id":0,"result":"0x7a69"},{"id":1,"result":null}]',
        b'[{"id":0,"result":"0x7a69"},{"id":1,"result":{"number":"0x1","hash":"0x12","timestamp":"0x1"}}]',
        b'[{"id":0,"result":1},{"id":1,"result":{}}]',
        b'[{"id":true,"result":1},{"id":1,"result":{}}]',
        b'[{"id":0,"result":"0x7a69"},{"id":1,"error":{"code":-32005,"message":"limit exceeded"}}]',
        b'[{"id":0,"result":"' + b"0" * (5 << 20) + b'"}]',
    ],
)
async def test_nonsense_is_a_temporary_failure(serving: Any, nonsense: bytes) -> None:
    async with serving(http(lambda _batch: nonsense)) as server, reading("http://" + server.place) as reader:
        with pytest.raises(Temporary):
            await reader.head(Tag.LATEST, time.time())


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"error": {"code": 3, "message": "execution reverted"}}, Fault.REVERTED),
        ({"error": {"code": -32000, "message": "out of gas"}}, Fault.BROKEN),
        ({"error": {"code": -32005, "message": "limit exceeded"}}, Fault.AWAY),
        ({"error": "no"}, Fault.AWAY),
        ({"error": {"code": -32000, "message": "header not found"}}, Moved),
        ({"error": {"code": -32000, "message": "hash is not currently canonical"}}, Moved),
        ({"result": "0x0"}, Temporary),
        ({"result": None}, Temporary),
        ({"result": "0xzz"}, Temporary),
        ({"result": "12"}, Temporary),
        ({"result": 12}, Temporary),
    ],
)
async def test_what_a_server_says_of_a_view(serving: Any, item: dict[str, Any], expected: Any) -> None:
    good = well()

    def answer(batch: list[dict[str, Any]]) -> Any:
        return [{"id": 0, **item}] if batch[0]["method"] == "eth_call" else good(batch)

    async with serving(http(answer)) as server, reading("http://" + server.place) as reader:
        block = await reader.head(Tag.LATEST, time.time())
        if isinstance(expected, Fault):
            assert await reader.answers(block, [Call(b"\1" * 20, DECIMALS)]) == [expected]
        else:
            with pytest.raises(expected):
                await reader.answers(block, [Call(b"\1" * 20, DECIMALS)])


async def test_a_server_that_takes_final_blocks_back(serving: Any) -> None:
    say = [well(9), well(8)]

    def answer(batch: list[dict[str, Any]]) -> Any:
        return say[0](batch)

    async with serving(http(answer)) as server, reading("http://" + server.place) as reader:
        assert (await reader.head(Tag.FINALIZED, time.time())).number == 9
        say.pop(0)
        with pytest.raises(Temporary, match="went back from 9 to 8"):
            await reader.head(Tag.FINALIZED, time.time())
        say[0] = well(10)
        with pytest.raises(Temporary, match="replaced"):  # its block 9 is not the one it named before
            await reader.head(Tag.FINALIZED, time.time())


async def test_a_server_that_hangs_is_asked_once_in_a_while(serving: Any) -> None:
    async def silent(stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with serving(silent) as server, reading("http://" + server.place, fresh=60, deadline_seconds=0.3) as reader:
        began = trio.current_time()
        for _ in range(20):
            with pytest.raises(Temporary, match=r"within 0\.3 s"):
                await reader.head(Tag.LATEST, time.time())
        assert trio.current_time() - began < 3
        assert server.visits == 1
