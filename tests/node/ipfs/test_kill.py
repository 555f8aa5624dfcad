"""SIGKILL before flushes, renames, removals and commits all along a message's life: all of it is there, or garbage that
is found."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.store import messages, parts
from node.store.database import Database
from tests.node.ipfs.killed_house import MESSAGE, house_of
from tests.node.ipfs.test_offload import House, furnish

pytestmark = pytest.mark.anyio

KILLS = 20
FOREVER = 1 << 30


class Executioner:
    """Imports once, then forks a process for each life."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "tests.node.ipfs.killed_house"]
        self.process = subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=1)

    def run(self, folder: Path, step: int) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{folder} {step}\n")
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(30)


@pytest.fixture
def executioner() -> Iterator[Executioner]:
    one = Executioner()
    yield one
    one.close()


async def check(house: House) -> bool:
    """What holds after any end; true when the message is there."""
    uids = await house.database.read(lambda tx: list(messages.uids(tx, house.inbox)))
    for row in await house.database.read(lambda tx: messages.rows(tx, house.inbox, uids)):
        assert await house.blobs.read(row.blob_id) == MESSAGE
        assert await house.blobs.read(row.blob_id, 1000, 2000) == MESSAGE[1000:3000]
    await house.blobs.collect()
    await house.offload.sweep()
    await house.offload.collect_garbage()
    assert await house.database.read(parts.loose) == []
    assert await house.block_ids() == await house.needed()
    await house.expunge_all()
    await house.blobs.collect()
    await house.offload.sweep()
    assert await house.block_ids() == set(), "nothing is left to find once the message is gone"
    return bool(uids)


async def test_killed_at_any_step(executioner: Executioner, tmp_path: Path) -> None:
    async with Database.open(tmp_path / "waxseal.db") as database:
        await furnish(database, tmp_path)
    for _ in range(2):  # the first life makes folders that later ones find
        assert executioner.run(tmp_path, FOREVER) == "lived"
    steps = int((tmp_path / "steps").read_text())
    assert steps > 2 * KILLS, "a life has many steps; test_offload.py stops at each of the larger ones"
    kept = []
    for step in range(0, steps, -(-steps // KILLS)):
        ended = executioner.run(tmp_path, step)
        # Flushes that come together are one: a life may be a few steps shorter than the one that was counted.
        assert ended == "killed" or (ended == "lived" and step > steps * 9 // 10)
        async with Database.open(tmp_path / "waxseal.db") as database:
            kept.append(await check(await house_of(database)))
    assert sum(kept) > KILLS // 3
    assert not kept[0], "killed before delivery"
    assert not kept[-1], "and after deletion"
