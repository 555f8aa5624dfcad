"""One journal, several senders of one node: the keeper and commands beside it share an account, and take turns."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import trio

from node.anchor.journal import StoredJournal
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.sending import Rules
from node.net.chain.transaction import address_of
from node.store import anchors
from node.store.database import Database

pytestmark = pytest.mark.anyio

CHAIN = 31337
KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")  # every anvil's first
ME = address_of(KEY)
RULES = Rules(stuck_seconds=20, patience_seconds=50, poll_seconds=0.01)


async def test_a_command_sends_beside_the_running_node_and_neither_takes_the_other_for_a_rival(
    database: Database, anvil_with: Callable[..., AbstractContextManager[str]], rpc: Callable[..., Any]
) -> None:
    sent: list[bytes] = []

    async def send(url: str, name: int) -> None:
        async with Database.open(database.path) as another:
            journal = StoredJournal(another, CHAIN, ME)
            async with JsonRpcChain.open(url, KEY, CHAIN, journal, RULES) as chain:
                for number in range(4):
                    data = bytes([name, number])
                    await chain.send("0x" + "12" * 20, data)
                    sent.append(data)

    async def mine(url: str) -> None:
        while True:
            await trio.to_thread.run_sync(rpc, url, "anvil_mine", "0x1")
            await trio.sleep(0.05)

    with anvil_with("--no-mining") as url, trio.fail_after(60):
        async with trio.open_nursery() as miner:
            miner.start_soon(mine, url)
            async with trio.open_nursery() as nursery:
                for name in range(3):
                    nursery.start_soon(send, url, name)
            miner.cancel_scope.cancel()
        held = [
            each["input"]
            for number in range(int(rpc(url, "eth_blockNumber"), 16) + 1)
            for each in rpc(url, "eth_getBlockByNumber", hex(number), True)["transactions"]
        ]
    assert sorted(held) == sorted("0x" + data.hex() for data in sent)
    assert len(held) == 12
    assert await database.read(lambda tx: anchors.pending(tx, CHAIN, ME)) == []
