"""What the transparency log costs: appends a second, proofs, their size and verification, memory and disk.

    python benchmarks/log.py [--leaves 100000] [--proofs 500] [--json] [--dir DIR]

Entries are appended as deliveries do under load: many to a commit (256, the writer's largest batch), on disk before the
next. Meanwhile full tiles are sealed into files, as a running node does. Proofs are read back from random places in
trees of random sizes. JSON: appends_per_s, proof_ms, proof_bytes, verify_us, rss_mb, and what the text shows besides.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import trio

from node.anchor import checkpoint, merkle
from node.anchor.checkpoint import Checkpoint
from node.anchor.log import Log
from node.anchor.note import NoteSigner
from node.anchor.proof import Proof
from node.anchor.sealer import Sealer
from node.base.log import configure
from node.store.database import Database, Reading, Writing

BATCH = 256
SIGNER = NoteSigner("waxseal.test/log", bytes(32))


def entry(index: int) -> bytes:
    """A distinct entry."""
    return hashlib.sha256(index.to_bytes(8, "big")).digest()


async def append(database: Database, leaves: int) -> float:
    """Append so many; returns the seconds it took."""
    log = Log()

    def batch(tx: Writing, *, entries: list[bytes]) -> None:
        for one in entries:
            log.append(tx, one)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_sealing, database)
        started = time.perf_counter()
        for start in range(0, leaves, BATCH):
            entries = [entry(index) for index in range(start, min(start + BATCH, leaves))]
            await database.write(partial(batch, entries=entries))
        seconds = time.perf_counter() - started
        nursery.cancel_scope.cancel()
    await Sealer(database).seal()
    return seconds


async def keep_sealing(database: Database) -> None:
    """As a node does, more often."""
    while True:
        await Sealer(database).seal()
        await trio.sleep(1)


def one_proof(tx: Reading, *, index: int, size: int) -> tuple[float, float, list[bytes], bytes]:
    """Seconds for an inclusion proof and for a consistency proof; the former, and its root."""
    log = Log()
    started = time.perf_counter()
    path = log.inclusion_proof(tx, index, size)
    middle = time.perf_counter()
    log.consistency_proof(tx, index + 1, size)
    return middle - started, time.perf_counter() - middle, path, log.root(tx, size)


async def proofs(database: Database, leaves: int, number: int) -> dict[str, float]:
    """Medians over random proofs, each verified."""
    rng = random.Random(1)
    inclusion, consistency, sizes, verify = [], [], [], []
    for _ in range(number):
        size = rng.randint(leaves // 2 + 1, leaves)
        index = rng.randrange(size)
        seconds, more, path, root = await database.read(partial(one_proof, index=index, size=size))
        head = checkpoint.sign(Checkpoint(SIGNER.name, size, root), SIGNER)
        leaf = merkle.leaf_hash(entry(index))
        started = time.perf_counter()
        is_right = merkle.verify_inclusion(leaf, index, size, path, root)
        verify.append(time.perf_counter() - started)
        assert is_right
        inclusion.append(seconds)
        consistency.append(more)
        sizes.append(len(Proof(index, tuple(path), head).text))
    return {
        "proof_ms": statistics.median(inclusion) * 1e3,
        "proof_ms_99": statistics.quantiles(inclusion, n=100)[98] * 1e3,
        "consistency_ms": statistics.median(consistency) * 1e3,
        "proof_bytes": statistics.median(sizes),
        "verify_us": statistics.median(verify) * 1e6,
    }


def disk(directory: Path) -> dict[str, float]:
    """Megabytes in the database with its write-ahead log, and in files of tiles."""
    database = sum(path.stat().st_size for path in directory.glob("waxseal.db*"))
    files = sum(path.stat().st_size for path in directory.glob("blobs/*/*"))
    return {"database_mb": database / 1e6, "tiles_mb": files / 1e6}


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--leaves", type=int, default=100_000)
    parser.add_argument("--proofs", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--dir", type=Path)
    options = parser.parse_args()
    configure("error")
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        async with Database.open(Path(directory) / "waxseal.db") as database:
            seconds = await append(database, options.leaves)
            figures = {"leaves": options.leaves, "appends_per_s": options.leaves / seconds}
            figures |= await proofs(database, options.leaves, options.proofs)
            figures["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            figures |= disk(Path(directory))
    if not options.json:
        for name, value in figures.items():
            print(f"{name:16} {value:14,.2f}")
    print(json.dumps(figures))


if __name__ == "__main__":
    trio.run(main)
