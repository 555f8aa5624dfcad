"""What an anchor costs: gas, milliseconds from "anchor now" to the noted anchor, and coins for each message of a batch.

On the embedded chain, and on anvil where it is installed (`npm install`), which makes a block for each transaction at
once: so the times are our own work and the chain's. On a public chain one waits for the next block besides.

    .venv/bin/python benchmarks/anchors.py [--rounds N] [--gwei PRICE] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import trio

from node.anchor.journal import StoredJournal
from node.anchor.keeper import Keeper, Plan
from node.anchor.keys import LogKeys, open_keys
from node.anchor.log import Log
from node.base.log import configure
from node.net.chain.embedded import CHAIN_ID, EmbeddedChain
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.sending import Rules
from node.net.chain.signer import KeySigner
from node.store.database import Database, Writing

BATCHES = (1, 100, 10_000)
ANVIL = 31337
RICH = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")  # every anvil's first
GWEI = 1e-9


@dataclass(frozen=True, slots=True)
class Figure:
    """One chain, one batch: medians of the rounds; coins at the price that was asked for."""

    chain: str
    batch: int
    anchor_ms: float
    append_ms: float
    gas: float
    gas_per_message: float
    coins_per_message: float


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--gwei", type=float, default=10.0, help="price of one gas for the cost of a message")
    parser.add_argument("--json", action="store_true", help="print nothing else")
    arguments = parser.parse_args()
    configure("critical")
    figures = []
    with tempfile.TemporaryDirectory() as name:
        figures += trio.run(_measure, Path(name), "embedded", "", arguments.rounds, arguments.gwei)
    with tempfile.TemporaryDirectory() as name, _anvil() as url:
        if url:
            figures += trio.run(_measure, Path(name), "anvil", url, arguments.rounds, arguments.gwei)
    if not arguments.json:
        sys.stdout.write(
            f"{'chain':9} {'batch':>7} {'anchor ms':>10} {'gas':>8} {'gas/message':>12} {'coins/message':>14}\n"
        )
        for one in figures:
            sys.stdout.write(
                f"{one.chain:9} {one.batch:7,} {one.anchor_ms:10.1f} {one.gas:8,.0f} {one.gas_per_message:12,.2f} "
                f"{one.coins_per_message:14.3g}\n"
            )
    sys.stdout.write(json.dumps([asdict(one) for one in figures]) + "\n")


@contextmanager
def _anvil() -> Iterator[str]:
    folder = Path(__file__).parents[1] / "node_modules" / "@foundry-rs"
    binary = next(iter(folder.glob("anvil-*/bin/anvil")), None)
    if binary is None:
        yield ""
        return
    command = [str(binary), "--port", "0", "--host", "127.0.0.1", "--chain-id", str(ANVIL)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        yield "http://" + next(line for line in lines if line.startswith("Listening on ")).split()[-1]
    finally:
        process.kill()
        process.communicate()


async def _measure(folder: Path, chain: str, url: str, rounds: int, gwei: float) -> list[Figure]:
    keys = LogKeys(open_keys(folder / "keys", "waxseal.test").signer, RICH)
    async with Database.open(folder / "mail.sqlite") as database, trio.open_nursery() as nursery:
        keeper = Keeper(database, keys, [_plan(folder, url, database)], 86_400, 1 << 60)
        nursery.start_soon(keeper.run)
        await _round(database, keeper, 1)  # deployment, and the first head, which takes twice the gas
        figures = [await _figure(database, keeper, chain, batch, rounds, gwei) for batch in BATCHES]
        nursery.cancel_scope.cancel()
    return figures


def _plan(folder: Path, url: str, database: Database) -> Plan:
    signer = KeySigner(RICH)
    if not url:
        return Plan(CHAIN_ID, signer.address, partial(EmbeddedChain.open, folder / "chain", RICH), own=True)
    journal = StoredJournal(database, ANVIL, signer.address)
    opening = partial(JsonRpcChain.open, url, signer, ANVIL, journal, Rules(poll_seconds=0.005))
    return Plan(ANVIL, signer.address, opening, confirmations=1, check_seconds=3600)


async def _figure(database: Database, keeper: Keeper, chain: str, batch: int, rounds: int, gwei: float) -> Figure:
    appends, anchors, gases = zip(*[await _round(database, keeper, batch) for _ in range(rounds)], strict=True)
    gas = statistics.median(gases)
    times = statistics.median(anchors) * 1000, statistics.median(appends) * 1000
    return Figure(chain, batch, *times, gas, gas / batch, gas / batch * gwei * GWEI)


async def _round(database: Database, keeper: Keeper, batch: int) -> tuple[float, float, int]:
    def work(tx: Writing) -> None:
        log = Log()
        for _ in range(batch):
            log.append(tx, os.urandom(32))

    began = time.perf_counter()
    await database.write(work)
    appended = time.perf_counter()
    anchor = await keeper.anchor_now()
    assert anchor is not None
    return appended - began, time.perf_counter() - appended, anchor.gas


if __name__ == "__main__":
    main()
