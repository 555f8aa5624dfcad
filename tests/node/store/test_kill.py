"""What was acknowledged is there after SIGKILL: once, whole, in a sound database."""

from __future__ import annotations

import hashlib
import random
import sys
import textwrap
from collections import Counter
from pathlib import Path

import apsw
import pytest
import trio

from node.store.blobs import Blobs
from node.store.database import Database

pytestmark = pytest.mark.anyio

ROUNDS = 10

# Delivers small and large messages from many tasks and prints each one's hash once it is told that it is kept.
PROGRAM = """
    import os, sys
    from pathlib import Path
    import trio
    from node.base.address import Address
    from node.store import accounts, blobs, mailboxes, messages
    from node.store.database import Database
    from node.store.messages import Summary

    SUMMARY = Summary(b"e", b"b", b"s", b"l")

    async def task(database, directory, box, size):
        while True:
            prepared = await blobs.prepare(directory, os.urandom(size))
            def work(tx):
                messages.add(tx, box, blobs.add(tx, prepared), prepared.size, SUMMARY, internaldate=1)
            await database.write(work)
            os.write(1, prepared.sha256.hex().encode() + b"\\n")

    async def main():
        path = Path(sys.argv[1])
        async with Database.open(path) as database:
            address = Address("ann", "example.org")
            account = await database.write(lambda tx: accounts.find(tx, address) or accounts.add(tx, address))
            box = await database.read(lambda tx: mailboxes.find(tx, account.id, "INBOX"))
            async with trio.open_nursery() as nursery:
                for number in range(12):
                    size = 1_100_000 if number == 0 else 3000
                    nursery.start_soon(task, database, path.parent, box.id, size)

    trio.run(main)
"""


@pytest.mark.slow
async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "waxseal.db"
    rng = random.Random(3)
    acknowledged: list[str] = []
    for _ in range(ROUNDS):
        acknowledged += await _run_and_kill(path, rng.randint(1, 400))
    assert len(acknowledged) > ROUNDS

    checked = apsw.Connection(str(path))
    assert checked.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert checked.execute("PRAGMA foreign_key_check").fetchall() == []
    rows = checked.execute("SELECT hex(sha256), blob_id, b.size FROM message JOIN blob b ON b.id = blob_id").fetchall()
    assert checked.execute("SELECT messages, uidnext - 1 FROM mailbox WHERE name = 'INBOX'").fetchall() == [
        (len(rows), len(rows))
    ]
    checked.close()
    kept = Counter(sha256.lower() for sha256, _, _ in rows)
    assert set(acknowledged) <= set(kept)
    assert max(kept.values()) == 1
    async with Database.open(path) as database:
        store = Blobs(database, tmp_path)
        for sha256, blob_id, size in rows:
            content = await store.read(blob_id)
            assert (hashlib.sha256(content).hexdigest(), len(content)) == (sha256.lower(), size)


async def _run_and_kill(path: Path, after: int) -> list[str]:
    """Let the program acknowledge so many messages, then kill it; return every hash it printed."""
    process = await trio.lowlevel.open_process([sys.executable, "-c", textwrap.dedent(PROGRAM), str(path)], stdout=-1)
    assert process.stdout is not None
    printed = b""
    with trio.fail_after(60):
        async for chunk in process.stdout:
            printed += chunk
            if process.returncode is None and printed.count(b"\n") >= after:
                process.kill()
        await process.wait()
    return [line.decode() for line in printed.split(b"\n") if len(line) == 64]
