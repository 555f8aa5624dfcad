"""A life of one message, from delivery to deletion, in a process that is killed at a given step: `python -m` this.

Each line on standard input is `FOLDER STEP`; the answer is "killed" or "lived". SIGKILL comes before that flush,
rename, removal or commit; nothing of Python runs after it. `FOLDER/steps` then says how many a whole life has.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import trio

from node.base.address import Address
from node.ipfs.blockstore import LocalBlocks
from node.ipfs.keys import Keys
from node.ipfs.offload import Offload
from node.store import accounts, mailboxes
from node.store.blobs import Blobs
from node.store.database import Database
from node.store.transaction import Writing
from tests.node.ipfs.test_offload import LONG_AGO, TINY, House, age, attachment, lines, multipart, noise

MESSAGE = multipart([attachment(lines(noise(300_000))), attachment(b"not base64!\r\n" * 90), b"\r\nshort\r\n"])


class Fuse:
    """Kills the process at its last step."""

    def __init__(self, steps: int) -> None:
        self.left = self.all = steps

    def step(self) -> None:
        self.left -= 1
        if self.left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def before(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def stepping(*arguments: Any, **named: Any) -> Any:
            self.step()
            return work(*arguments, **named)

        return stepping


class FusedDatabase:
    """A step before and after each commit."""

    def __init__(self, database: Database, fuse: Fuse) -> None:
        self._database, self._fuse = database, fuse
        self.path, self.read = database.path, database.read

    async def write(self, work: Callable[[Writing], Any]) -> Any:
        self._fuse.step()
        result = await self._database.write(work)
        self._fuse.step()
        return result


async def house_of(database: Database) -> House:
    """The house in a store that `test_offload.furnish` made."""

    def look(tx: Any) -> tuple[int, int]:
        account = accounts.find(tx, Address("ann", "waxseal.test"))
        assert account
        inbox = mailboxes.find(tx, account.id, "INBOX")
        assert inbox
        return account.id, inbox.id

    directory = database.path.parent
    return House(database, directory, *await database.read(look), LocalBlocks(directory / "blocks"), Keys(bytes(32)))


async def live(folder: Path, fuse: Fuse) -> None:
    async with Database.open(folder / "waxseal.db") as database:
        house = await house_of(database)
        house.database = cast("Database", FusedDatabase(database, fuse))
        offload = Offload(house.database, house.blocks, house.keys, TINY)
        stored = await house.deliver(MESSAGE)
        await offload.cut(stored)
        await age(house, stored)
        await offload.archive(LONG_AGO + 1)
        await house.expunge_all()
        await Blobs(house.database, folder).collect()
        await offload.sweep()


def fused(folder: Path, steps: int) -> None:
    fuse = Fuse(steps)
    os.fsync = fuse.before(os.fsync)
    Path.rename = fuse.before(Path.rename)  # type: ignore[method-assign]
    Path.unlink = fuse.before(Path.unlink)  # type: ignore[method-assign]
    trio.run(partial(live, folder, fuse))
    (folder / "steps").write_text(str(fuse.all - fuse.left))


def main() -> None:
    for line in sys.stdin:
        folder, steps = line.split()
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            fused(Path(folder), int(steps))
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print("killed" if os.WIFSIGNALED(status) else "lived" if not status else "failed", flush=True)


if __name__ == "__main__":
    main()
