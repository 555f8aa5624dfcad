"""Attachments: how fast they are named, sealed, stored and read back, and how long a small read far inside takes.

    .venv/bin/python benchmarks/ipfs.py [--mib 256]

Everything runs in this process against the embedded block store in a temporary folder. The last line is JSON.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parent.parent))

from node.base import log
from node.base.address import Address
from node.ipfs.blockstore import LocalBlocks
from node.ipfs.cid import Cid
from node.ipfs.offload import Offload
from node.ipfs.seal import new_header, new_key
from node.ipfs.sealed_file import Lock, read_leaves, write
from node.ipfs.unixfs import CLASSIC, V1_2025, Builder, Profile
from node.store import accounts, blobs
from node.store.blobs import Blobs
from node.store.database import Database
from node.store.incoming import Incoming
from node.store.parts import Candidate

MIB = 1 << 20
WINDOW = 64 << 10  # octets of a partial read
READS = 50


def content(size: int) -> Iterator[bytes]:
    """Octets that do not compress, made from one random MiB and a counter."""
    block = os.urandom(MIB)
    for number in range(0, size, MIB):
        yield number.to_bytes(8, "big") + block[8 : min(MIB, size - number)]


def name(size: int, profile: Profile) -> Cid:
    """Only hash and build."""
    builder = Builder(profile)
    for chunk in content(size):
        for at in range(0, len(chunk), profile.chunk):
            builder.leaf(chunk[at : at + profile.chunk])
    return builder.finish()[1].cid


def seal(size: int) -> None:
    """Only encrypt."""
    header, key = new_header(size, CLASSIC.chunk), new_key()
    leaf = os.urandom(header.room(1))
    for index in range(1, header.leaves - 1):
        header.seal(key, index, leaf)


def message(size: int) -> Iterator[bytes]:
    """A message around one base64 attachment, in pieces."""
    yield b"From: a@b.example\r\nSubject: large\r\nMIME-Version: 1.0\r\n"
    yield b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    for chunk in content(size):
        whole = len(chunk) // 57 * 57  # the rest of each chunk is left out, so that every line is full
        text = base64.b64encode(chunk[:whole])
        yield b"".join(text[at : at + 76] + b"\r\n" for at in range(0, len(text), 76))


def anonymous_mib() -> float:
    """This process's own memory; files mapped into it do not count, the system takes them back at will."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon:"))
    return int(line.split()[1]) / 1024


async def watch_memory(peak: list[float]) -> None:
    """Keep the highest figure in `peak`."""
    while True:
        peak[0] = max(peak[0], anonymous_mib())
        await trio.sleep(0.02)


async def timed(work: Callable[[], Awaitable[object]]) -> float:
    """Seconds."""
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def measure(folder: Path, size: int) -> dict[str, float]:
    """All figures; rates are decimal megabytes a second."""
    figures: dict[str, float] = {}

    def rate(label: str, seconds: float) -> None:
        figures[label] = round(size / 1e6 / seconds, 1)

    in_thread = trio.to_thread.run_sync
    rate("name, 256 KiB leaves", await timed(partial(in_thread, name, size, CLASSIC)))
    rate("name, 1 MiB leaves", await timed(partial(in_thread, name, size, V1_2025)))
    rate("seal", await timed(partial(in_thread, seal, size)))
    blocks = LocalBlocks(folder / "plain")
    lock = Lock(new_header(size, CLASSIC.chunk), new_key())
    roots: list[Cid] = []

    async def store() -> None:
        roots.append((await write(blocks, lock, content(size), [])).cid)

    async def load() -> None:
        async for _ in read_leaves(blocks, lock, roots[0]):
            pass

    rate("seal, store, flush", await timed(store))
    rate("read, check, open", await timed(load))
    await offload(folder, size, figures, rate)
    return figures


async def offload(folder: Path, size: int, figures: dict[str, float], rate: Callable[[str, float], None]) -> None:
    """The same through a stored message: cut its attachment out, read it back whole and in windows."""
    async with Database.open(folder / "waxseal.db") as database:
        moving = Offload.open(database, folder / "blocks", folder / "keys")
        stored = Blobs(database, folder, moving.parts)
        incoming = Incoming(folder)
        for piece in message(size):
            await incoming.write(piece)
        with incoming.view() as view:
            prepared = await blobs.prepare(database, view)
        await incoming.aclose()
        account = await database.write(lambda tx: accounts.add(tx, Address("ann", "waxseal.test")))
        blob_id = await database.write(partial(blobs.add, prepared=prepared))
        before, peak = anonymous_mib(), [0.0]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch_memory, peak)
            rate("cut a message's attachment", await timed(lambda: moving.cut(Candidate(blob_id, account.id))))
            nursery.cancel_scope.cancel()
        figures["memory it took, MiB"] = round(peak[0] - before, 1)

        async def load() -> None:
            async for _ in stored.stream(blob_id):
                pass

        rate("read the message again", await timed(load))
        waits = []
        for number in range(READS):
            fresh = Blobs(database, folder, Offload.open(database, folder / "blocks", folder / "keys").parts)
            start = prepared.size * (number + 1) // (READS + 2)
            waits.append(await timed(partial(fresh.read, blob_id, start, WINDOW)))
        figures["64 KiB read far inside, ms"] = round(statistics.median(waits) * 1000, 2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print nothing but the last line")
    parser.add_argument("--mib", type=int, default=128)
    options = parser.parse_args()
    log.configure("warning")
    with tempfile.TemporaryDirectory(prefix="waxseal-") as folder:
        figures = trio.run(measure, Path(folder), options.mib * MIB)
    if not options.json:
        for label, value in figures.items():
            print(f"{label:34}{value:10.1f}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
