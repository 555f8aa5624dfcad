"""What logins cost: app passwords remembered and not, SCRAM, a web password; one process, real store.

    python benchmarks/logins.py --connections 50 --seconds 5

Prints a line each: what, logins/s, CPU ms a login (of this process, threads included).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio
from scramp import ScramClient

from identity.scram import MECHANISM
from node.auth.app_passwords import AppPasswords
from node.auth.gate import Entry, Gate
from node.auth.memory import Memory
from node.auth.password_hash import Hasher
from node.auth.scram_login import Passed, ScramExchange, ScramLogin
from node.base.address import parse_address
from node.store import accounts, domains
from node.store.accounts import Account
from node.store.database import Database, Writing

PEER = "192.0.2.7"
Once = Callable[[], Awaitable[None]]


async def measure(name: str, once: Once, connections: int, seconds: float) -> None:
    """Log in from so many connections at a time, and print what it took."""
    done = 0
    await once()
    wall, cpu = time.monotonic(), time.process_time()

    async def client() -> None:
        nonlocal done
        while time.monotonic() - wall < seconds:
            await once()
            done += 1

    async with trio.open_nursery() as nursery:
        for _ in range(connections):
            nursery.start_soon(client)
    took, used = time.monotonic() - wall, time.process_time() - cpu
    print(f"{name}\t{done / took:.0f} logins/s\t{used / done * 1000:.3f} CPU ms")


def people(tx: Writing) -> Account:
    """One person."""
    domains.add(tx, "waxseal.test")
    return accounts.add(tx, parse_address("ann@waxseal.test"))


async def main(connections: int, seconds: float) -> None:
    """All of them, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        async with Database.open(Path(folder) / "node.sqlite") as database:
            ann = await database.write(people)
            made = await AppPasswords(database).create(ann, "phone", {"imap"})
            gate, hasher = Gate(database), Hasher()
            scram = ScramLogin(database, gate)
            hashed = await hasher.hash("tulip anchor mosaic gravel")

            async def remembered() -> None:
                assert isinstance(await gate.enter(ann.address, made.password, "imap", PEER), Entry)

            async def unknown() -> None:
                gate._memory = Memory()
                await remembered()

            async def proved() -> None:
                client = ScramClient([MECHANISM], ann.address, made.password)
                begun = await scram.begin(MECHANISM, client.get_client_first().encode(), "imap", PEER, {})
                assert isinstance(begun, ScramExchange)
                client.set_server_first(begun.challenge.decode())
                assert isinstance(await begun.finish(client.get_client_final().encode()), Passed)

            async def password() -> None:
                assert await hasher.fits("tulip anchor mosaic gravel", hashed)

            await measure("app password, remembered", remembered, connections, seconds)
            await measure("app password, derived", unknown, connections, seconds)
            await measure("SCRAM, the client's share included", proved, connections, seconds)
            await measure("web password (Argon2id 64 MiB)", password, 2, seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=5)
    options = parser.parse_args()
    trio.run(main, options.connections, options.seconds)
