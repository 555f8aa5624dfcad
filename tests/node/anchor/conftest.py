"""What the tests of the log share: a real database, the log, and a way to fill it with made-up messages."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from node.anchor import message_leaves
from node.anchor.leaf import Direction, Leaf
from node.anchor.log import Log
from node.store.database import Database, Writing

TIME = 1_763_676_000

Grow = Callable[[int], Awaitable[list[bytes]]]


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "mail.sqlite") as opened:
        yield opened


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def grow(database: Database, log: Log) -> Grow:
    """`await grow(n)`: n messages are accepted; their bytes come back."""
    return growing(database)


@pytest.fixture(scope="session")
def growing_of() -> Callable[[Database], Grow]:
    """The same for a database of one's own."""
    return growing


def growing(database: Database) -> Grow:
    serial, log = 0, Log()

    async def deliver(count: int) -> list[bytes]:
        nonlocal serial
        messages = [f"Subject: number {serial + n}\r\n\r\nHello\r\n".encode() for n in range(count)]
        serial += count

        def work(tx: Writing) -> None:
            tx.touch(1)
            for message in messages:
                leaf = Leaf(hashlib.sha256(message).digest(), Direction.RECEIVED, TIME, os.urandom(32))
                message_leaves.append(tx, log, leaf)

        await database.write(work)
        return messages

    return deliver
