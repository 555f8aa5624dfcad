"""What the store alone costs: deliveries a second, and the scans that IMAP asks for.

    python -m benchmarks.store [--tasks 50] [--messages 20000] [--size 4096] [--dir DIR]

A delivery is what `flow.deliver` does to the store: hash and compress, then blob, message, summary and log leaf in one
unit of work.
Every message is distinct and compresses about like mail.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from node.anchor import message_leaves
from node.anchor.leaf import Direction, Leaf
from node.anchor.log import Log
from node.base.address import Address
from node.store import accounts, blobs, mailboxes, messages
from node.store.database import Database, Reading, Writing
from node.store.messages import Flag, Message, Summary

WORDS = [hashlib.sha256(str(n).encode()).hexdigest()[: 3 + n % 9] for n in range(5000)]
SUMMARY = Summary(b"(envelope)" * 40, b"(body)" * 30, b"(bodystructure)" * 20, b"layout" * 10)


def text(size: int, rng: random.Random) -> bytes:
    """A distinct text that compresses to about half."""
    return " ".join(rng.choices(WORDS, k=size // 7 + 1)).encode()[:size]


def processor() -> float:
    """Seconds of processor this process used, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def deliver(tx: Writing, mailbox_id: int, prepared: blobs.Prepared, salt: bytes) -> Message:
    """One delivery's unit of work."""
    blob_id = blobs.add(tx, prepared)
    message = messages.add(tx, mailbox_id, blob_id, prepared.size, SUMMARY, internaldate=1_790_000_000)
    message_leaves.append(tx, Log(), Leaf(prepared.sha256, Direction.RECEIVED, 1_790_000_000, salt))
    return message


async def deliveries(database: Database, boxes: list[int], contents: list[bytes]) -> None:
    """Every task delivers into its own mailbox, one message after the other."""
    waiting = iter(contents)

    async def task(box: int) -> None:
        for content in waiting:
            prepared = await blobs.prepare(database, content)
            await database.write(partial(deliver, mailbox_id=box, prepared=prepared, salt=os.urandom(32)))

    async with trio.open_nursery() as nursery:
        for box in boxes:
            nursery.start_soon(task, box)


async def scans(database: Database, box: int) -> None:
    """Print what reading a mailbox of 10,000 costs."""
    everything = range(1, 10_001)
    some = list(range(1, 10_001, 7))
    queries: list[tuple[str, Callable[[Reading], object]]] = [
        ("uids", lambda tx: messages.uids(tx, box)),
        ("flag_rows", lambda tx: messages.flag_rows(tx, box, everything)),
        ("flag_rows, every 7th", lambda tx: messages.flag_rows(tx, box, some)),
        ("rows", lambda tx: messages.rows(tx, box, everything)),
        ("summaries", lambda tx: list(messages.summaries(tx, box, everything))),
        ("mailbox by id", lambda tx: mailboxes.get(tx, box)),
    ]
    for name, query in queries:
        best = 1e9
        for _ in range(5):
            started = time.perf_counter()
            await database.read(query)
            best = min(best, time.perf_counter() - started)
        print(f"{name:24} {best * 1e3:8.2f} ms")
    started = time.perf_counter()
    await database.write(lambda tx: messages.store(tx, box, everything, "add", Flag.SEEN))
    print(f"{'store 10,000 flags':24} {(time.perf_counter() - started) * 1e3:8.2f} ms")
    target = await database.write(lambda tx: mailboxes.create(tx, 1, "Target"))
    started = time.perf_counter()
    await database.write(lambda tx: messages.copy(tx, box, everything, target.id))
    print(f"{'copy 10,000':24} {(time.perf_counter() - started) * 1e3:8.2f} ms")
    started = time.perf_counter()
    await database.write(lambda tx: messages.remove(tx, target.id, everything))
    print(f"{'remove 10,000':24} {(time.perf_counter() - started) * 1e3:8.2f} ms")


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tasks", type=int, default=50)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--dir", type=Path)
    options = parser.parse_args()
    rng = random.Random(1)
    contents = [text(options.size, rng) for _ in range(options.messages)]
    with tempfile.TemporaryDirectory(dir=options.dir) as directory:
        async with Database.open(Path(directory) / "waxseal.db") as database:
            boxes = []
            for number in range(options.tasks):
                address = Address(f"person{number}", "example.org")
                account = await database.write(partial(accounts.add, address=address))
                box = await database.read(partial(mailboxes.find, account_id=account.id, name="INBOX"))
                assert box is not None
                boxes.append(box.id)
            before, started = processor(), time.perf_counter()
            await deliveries(database, boxes, contents)
            seconds, used = time.perf_counter() - started, processor() - before
            rate = options.messages / seconds
            print(f"{rate:,.0f} deliveries/s, {used / options.messages * 1e6:.0f} µs of processor each")
            full = await database.write(lambda tx: mailboxes.create(tx, 1, "Full"))
            await deliveries(database, [full.id] * options.tasks, [text(options.size, rng) for _ in range(10_000)])
            await scans(database, full.id)


if __name__ == "__main__":
    trio.run(main)
