"""Attachments: how fast they are named, sealed, stored and read back, what that costs in memory, and what it saves.

    .venv/bin/python benchmarks/ipfs.py [--mib 256]

Everything runs in this process against the embedded block store in a temporary folder (about five times the size given
is needed there). The last line is JSON.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, closing
from functools import partial
from pathlib import Path

import trio

sys.path.insert(0, str(Path(__file__).parent.parent))

from node.base import log
from node.base.address import Address
from node.base.memory import give_back_large
from node.ipfs.blockstore import LocalBlocks
from node.ipfs.cid import Cid
from node.ipfs.convergent import new_secret
from node.ipfs.keys import Keys
from node.ipfs.offload import Offload
from node.ipfs.seal import Cipher, new_header, new_key
from node.ipfs.sealed_file import BATCH, Lock, read_leaves, write
from node.ipfs.unixfs import CLASSIC, PROFILES, Block, Builder, Profile, Root, read
from node.store import accounts, blobs, part_keys
from node.store.blobs import Blobs
from node.store.database import Database
from node.store.incoming import Incoming
from node.store.parts import Candidate

MIB = 1 << 20
WINDOW = 64 << 10  # octets of a partial read
READS = 50
FAR = 100_000_000  # where a partial read begins
PEOPLE = 10
LETTERS = 50


def content(size: int) -> Iterator[bytes]:
    """Octets that do not compress, made from one random MiB and a counter."""
    block = os.urandom(MIB)
    for number in range(0, size, MIB):
        yield number.to_bytes(8, "big") + block[8 : min(MIB, size - number)]


def name(size: int, profile: Profile) -> Cid:
    """Only hash and build, from one leaf's octets again and again: making content is not what is measured."""
    builder, leaf = Builder(profile), os.urandom(profile.chunk)
    for _ in range(0, size, profile.chunk):
        builder.leaf(leaf)
    return builder.finish()[1].cid


def seal(size: int, cipher: Cipher) -> None:
    """Only encrypt."""
    header, key = new_header(size, CLASSIC.chunk, cipher), new_key()
    leaf = os.urandom(header.room(1))
    for index in range(1, header.leaves - 1):
        header.seal(key, index, leaf)


def message(size: int, attachment: bytes = b"", subject: str = "large") -> Iterator[bytes]:
    """A message around one base64 attachment, in pieces: `attachment`, or `size` octets that are made for it."""
    yield b"From: a@b.example\r\nSubject: %s\r\nMIME-Version: 1.0\r\n" % subject.encode()
    yield b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    for chunk in [attachment] if attachment else content(size):
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


class Figures(dict[str, float]):
    """What was measured, by its name; rates are decimal megabytes a second."""

    def rate(self, label: str, size: int, seconds: float) -> None:
        """Note how fast `size` octets went."""
        self[label] = round(size / 1e6 / seconds, 1)


@asynccontextmanager
async def memory(figures: Figures, label: str) -> AsyncIterator[None]:
    """Note how far this process's own memory rises inside, MiB."""
    before, peak = anonymous_mib(), [0.0]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch_memory, peak)
        yield
        nursery.cancel_scope.cancel()
    figures[label] = round(max(0.0, peak[0] - before), 1)


async def measure(folder: Path, size: int) -> Figures:
    """All figures."""
    figures = Figures()
    in_thread = trio.to_thread.run_sync
    for profile in PROFILES:
        seconds = await timed(partial(in_thread, name, size, profile))
        figures.rate(f"name, {profile.name}", size, seconds)
    for cipher in Cipher:
        figures.rate(f"seal only, {cipher.name}", size, await timed(partial(in_thread, seal, size, cipher)))
    await blocks(folder, size, figures)
    await offload(folder, size, figures)
    await deduplicate(folder / "once", figures)
    await growth(folder / "grown", figures)
    return figures


async def blocks(folder: Path, size: int, figures: Figures) -> None:
    """Trees in the embedded store, as they are and sealed with each cipher."""
    store = LocalBlocks(folder / "plain")

    async def keep(root: list[Root]) -> None:
        builder = Builder(CLASSIC)
        batch: list[Block] = []
        for chunk in content(size):
            for at in range(0, len(chunk), CLASSIC.chunk):
                batch += builder.leaf(chunk[at : at + CLASSIC.chunk])
            if len(batch) >= BATCH // CLASSIC.chunk:
                await store.put(batch)
                batch = []
        last, found = builder.finish()
        await store.put([*batch, *last])
        root.append(found)

    roots: list[Root] = []
    figures.rate("store with flush, unsealed", size, await timed(partial(keep, roots)))
    figures.rate("read and check, unsealed", size, await timed(partial(drain, read(store.get, roots[0].cid, size))))
    for cipher in Cipher:
        sealed_store = LocalBlocks(folder / cipher.name)
        lock = Lock(new_header(size, CLASSIC.chunk, cipher), new_key())
        sealed: list[Root] = []

        async def keep_sealed(
            store: LocalBlocks = sealed_store, lock: Lock = lock, sealed: list[Root] = sealed
        ) -> None:
            sealed.append(await write(store, lock, content(size), []))

        async with memory(figures, f"memory while storing, {cipher.name}, MiB"):
            figures.rate(f"store with flush, {cipher.name}", size, await timed(keep_sealed))
        reading = read_leaves(sealed_store, lock, sealed[0].cid)
        figures.rate(f"read and check, {cipher.name}", size, await timed(partial(drain, reading)))
        shutil.rmtree(folder / cipher.name)
    shutil.rmtree(folder / "plain")


async def drain(chunks: AsyncGenerator[bytes, None]) -> None:
    """Take everything."""
    async with aclosing(chunks):
        async for _ in chunks:
            pass


async def keep_message(database: Database, text: Iterator[bytes]) -> tuple[int, int]:
    """Store a message as a delivery does: by way of a file when it is large; (blob, its size)."""
    incoming = Incoming(database.path.parent)
    for piece in text:
        await incoming.write(piece)
    with incoming.view() as view:
        prepared = await blobs.prepare(database, view)
    await incoming.aclose()
    return await database.write(partial(blobs.add, prepared=prepared)), prepared.size


async def offload(folder: Path, size: int, figures: Figures) -> None:
    """A stored message: cut its attachment out, read it back whole and in windows."""
    async with Database.open(folder / "waxseal.db") as database:
        moving = Offload.open(database, folder / "blocks", folder / "keys")
        account = await database.write(lambda tx: accounts.add(tx, Address("ann", "waxseal.test")))
        async with memory(figures, "memory while a message is stored, MiB"):
            blob_id, length = await keep_message(database, message(size))
        async with memory(figures, "memory while its attachment is cut, MiB"):
            cut = await timed(partial(moving.cut, Candidate(blob_id, account.id)))
        figures.rate("cut a message's attachment", size, cut)
        stored = Blobs(database, folder, moving.parts)
        async with memory(figures, "memory while it is read, MiB"):
            figures.rate("read the message again", length, await timed(partial(drain, stored.stream(blob_id))))
        waits = []
        for number in range(READS):
            fresh = Blobs(database, folder, Offload.open(database, folder / "blocks", folder / "keys").parts)
            start = min(FAR, length // 2) + number * WINDOW
            waits.append(await timed(partial(fresh.read, blob_id, start, WINDOW)))
        figures["64 KiB at 100 MB, median ms"] = round(statistics.median(waits) * 1000, 2)


async def deduplicate(folder: Path, figures: Figures) -> None:
    """Ten people of one tenant get the same attachment in messages of their own, with and without deduplication."""
    for once in (False, True):
        place = folder / str(once)
        place.mkdir(parents=True)
        async with Database.open(place / "waxseal.db") as database:
            moving = Offload.open(database, place / "blocks", place / "keys")
            if once:
                secret = new_secret(Keys.open(place / "keys"), "")
                await database.write(partial(part_keys.put_secret, tenant="", sealed=secret))
            attachment = os.urandom(4 * MIB)
            for number in range(PEOPLE):
                person = Address(f"person{number}", "waxseal.test")
                account = await database.write(partial(accounts.add, address=person))
                blob_id, _ = await keep_message(database, message(0, attachment, f"to {number}"))
                await moving.cut(Candidate(blob_id, account.id))
        kept = sum(path.stat().st_size for path in (place / "blocks").rglob("*") if path.is_file())
        label = "with" if once else "without"
        figures[f"octets sent by octets kept, {label} deduplication"] = round(PEOPLE * len(attachment) / kept, 2)


async def growth(folder: Path, figures: Figures) -> None:
    """Fifty messages with 700 KB attached, which the database itself takes: its size with and without the cut."""
    sizes = []
    for number in (0, LETTERS):
        place = folder / str(number)
        place.mkdir(parents=True)
        path = place / "waxseal.db"
        async with Database.open(path) as database:
            account = await database.write(lambda tx: accounts.add(tx, Address("ann", "waxseal.test")))
            letters = [message(0, os.urandom(700_000), str(n)) for n in range(number)]
            ids = [(await keep_message(database, letter))[0] for letter in letters]
        vacuum(path)
        sizes.append(path.stat().st_size / 1e6)
    async with Database.open(path) as database:
        moving = Offload.open(database, folder / "blocks", folder / "keys", threshold=64 << 10)
        for blob_id in ids:
            await moving.cut(Candidate(blob_id, account.id))
    vacuum(path)
    figures["database growth without offload, MB"] = round(sizes[1] - sizes[0], 1)
    figures["database growth with offload, MB"] = round(path.stat().st_size / 1e6 - sizes[0], 2)


def vacuum(path: Path) -> None:
    """Give free pages back, so that only what is needed is counted."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print nothing but the last line")
    parser.add_argument("--mib", type=int, default=128)
    options = parser.parse_args()
    log.configure("warning")
    give_back_large()  # as the node does
    with tempfile.TemporaryDirectory(prefix="waxseal-") as folder:
        figures = trio.run(measure, Path(folder), options.mib * MIB)
    if not options.json:
        for label, value in figures.items():
            print(f"{label:48}{value:10.1f}")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
