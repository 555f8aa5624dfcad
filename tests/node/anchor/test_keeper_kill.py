"""The keeper killed fifty times on anvil, at every point between signing, sending and noting, and in between.

Nothing is anchored twice, nothing backwards, no transaction is wasted, and nothing that was noted is forgotten.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from node.anchor.journal import StoredJournal
from node.anchor.keeper import Keeper, Plan
from node.anchor.keys import open_keys
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.signer import KeySigner
from node.store import anchors
from node.store.database import Database

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # every anvil's first
ANVIL = 31337
ROUNDS = 5  # of ten kills each; the chain itself is stopped and started between them

# A process with many children, each a fork of it, so that no time goes into imports. What is killed is the real thing;
# the points only say when.
KILLING = """
import os, random, signal, sys, time
from functools import partial
from pathlib import Path
import trio
from node.anchor.journal import StoredJournal
from node.anchor.keeper import Keeper, Plan
from node.anchor.keys import LogKeys, open_keys
from node.anchor.log import Log
from node.base.log import configure
from node.net.chain import rpc
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.sending import Rules
from node.net.chain.signer import KeySigner
from node.store import anchors
from node.store.database import Database

POINTS = ("before-journal", "journalled", "sent", "mined", "finished", "noted")
folder, url, key, kills = Path(sys.argv[1]), sys.argv[2], bytes.fromhex(sys.argv[3]), int(sys.argv[4])
configure("critical")
signer = KeySigner(key)

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Dying(StoredJournal):
    point = ""
    async def put(self, signed):
        if self.point == "before-journal":
            die()
        await super().put(signed)
        if self.point == "journalled":
            die()
    async def finish(self, nonce, result, failed=b""):
        if self.point == "mined":
            die()
        await super().finish(nonce, result, failed)
        if self.point == "finished":
            die()

def dying_at(point, ask):
    async def asked(self, read, method, *params):
        answer = await ask(self, read, method, *params)
        if point == "sent" and method == "eth_sendRawTransaction":
            die()
        return answer
    return asked

async def live(point, told):
    async with Database.open(folder / "mail.sqlite") as database, trio.open_nursery() as nursery:
        keys = LogKeys(open_keys(folder / "keys", "waxseal.test").signer, key)
        journal = Dying(database, 31337, signer.address)
        rpc.Server.ask = dying_at(point, rpc.Server.ask)
        opening = partial(JsonRpcChain.open, url, signer, 31337, journal, Rules(poll_seconds=0.01))
        plan = Plan(31337, signer.address, opening, confirmations=2, check_seconds=0.02)
        keeper = Keeper(database, keys, [plan], 3600, 100_000)
        nursery.start_soon(keeper.run)
        while True:
            await database.write(lambda tx: Log().append(tx, os.urandom(32)))
            anchor = await keeper.anchor_now()
            told(anchor.size)
            if point == "noted":
                die()
            journal.point = point  # the first round clears up after the last death

def child(point, pipe):
    try:
        trio.run(live, point, lambda size: os.write(pipe, b"%d\\n" % size))
    except BaseException as error:
        os.write(2, repr(error).encode())
    finally:
        os._exit(1)

chance = random.Random(5)
for number in range(kills):
    point = POINTS[number] if number < len(POINTS) else ""
    receive, send = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(receive)
        child(point, send)
    os.close(send)
    if not point:
        time.sleep(chance.uniform(0.05, 0.5))
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(receive, "rb") as pipe:
        sizes = pipe.read().split()
    _, status = os.waitpid(pid, 0)
    print(int(os.WIFSIGNALED(status)), max(map(int, sizes), default=0), flush=True)
"""


@pytest.mark.slow
async def test_fifty_kills(
    tmp_path: Path, anvil_with: Callable[..., AbstractContextManager[str]], rpc: Callable[..., Any]
) -> None:
    killed, told, port = 0, 0, 0
    state = ("--state", str(tmp_path / "state.json"))
    for _ in range(ROUNDS):
        with anvil_with(*state, port=port) as url:
            port = int(url.rpartition(":")[2])
            command = [sys.executable, "-c", KILLING, str(tmp_path), url, KEY, "10"]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)  # noqa: ASYNC221
            for line in done.stdout.splitlines():
                was_killed, size = map(int, line.split())
                killed, told = killed + was_killed, max(told, size)
            assert not done.stderr, done.stderr
    assert killed == 10 * ROUNDS
    with anvil_with(*state, port=port) as url:
        await _nothing_twice(tmp_path, url, told, rpc)


async def _nothing_twice(folder: Path, url: str, told: int, rpc: Callable[..., Any]) -> None:
    signer = KeySigner(bytes.fromhex(KEY))
    keys = replace(open_keys(folder / "keys", "waxseal.test"), chain_key=signer.key)
    async with Database.open(folder / "mail.sqlite") as database:
        journal = StoredJournal(database, ANVIL, signer.address)
        async with JsonRpcChain.open(url, signer, ANVIL, journal) as chain:
            await _finish(Keeper(database, keys, [Plan(ANVIL, signer.address, lambda: _open(chain), confirmations=1)]))
            rows = (await database.read(lambda tx: anchors.anchors(tx, 10_000)))[::-1]
            events = [
                event
                for number in range((await chain.head()).number + 1)
                for event in await chain.events(rows[0].contract, number)
            ]
        assert not await journal.pending()
    sent = [(int.from_bytes(event.topics[2], "big"), "0x" + event.transaction.hex()) for event in events]
    sizes = [size for size, _ in sent]
    assert sizes == sorted(set(sizes))
    assert told <= sizes[-1]
    assert len(sizes) > 5 * ROUNDS
    assert [(row.size, row.tx_hash) for row in rows] == sent
    used = int(rpc(url, "eth_getTransactionCount", signer.address, "latest"), 16)
    assert used == 1 + len(sent), json.dumps(sent)  # the contract, and each head once


async def _finish(keeper: Keeper) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        with trio.fail_after(60):
            assert await keeper.anchor_now()
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _open(chain: JsonRpcChain) -> AsyncIterator[JsonRpcChain]:
    yield chain
