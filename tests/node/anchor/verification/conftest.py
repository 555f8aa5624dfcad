"""A log whose messages are proved in every way there is: anchored, with a key in the registry, and witnessed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import trio

from node.anchor import add_checkpoint, checkpoint, cosignature, message_leaves, proof, registry
from node.anchor.anchoring import Plan
from node.anchor.checkpoint import Checkpoint
from node.anchor.cosignature import CosignatureSigner
from node.anchor.keeper import Keeper
from node.anchor.keys import LogKeys, open_keys
from node.anchor.leaf import Direction, Leaf
from node.anchor.log import Log
from node.anchor.receipt import Receipt, make
from node.anchor.steps import RegistryAt, Step, Trust
from node.anchor.verify import verify
from node.net.chain.embedded import EmbeddedChain
from node.net.chain.interface import Chain
from node.store.database import Database

MESSAGE = (
    b"Return-Path: <nora@other.test>\r\nReceived: from other.test by waxseal.test; Sat, 21 Nov 2026 20:00:00 +0000\r\n"
    b"From: nora@other.test\r\nSubject: tea\r\n\r\nSee you on Tuesday.\r\n\r\nFrom here on it is downhill.\r\n"
)
TIME = 1_763_676_000
ANVIL_KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")  # public: worth nothing


@dataclass(frozen=True)
class World:
    """All that a receipt can be checked against."""

    message: bytes
    receipt: Receipt
    keys: LogKeys
    database: Database
    chain: EmbeddedChain
    registry: str
    witnesses: tuple[CosignatureSigner, ...]

    def trust(self, **changes: Any) -> Trust:
        """What a verifier brings along at the least."""
        trust = Trust(keys=(self.keys.log_key,), keeper=self.keys.sender, chains={self.chain.chain_id: self.chain})
        return replace(trust, **changes)

    @property
    def registered(self) -> RegistryAt:
        return RegistryAt(self.chain.chain_id, self.registry)

    async def steps(self, trust: Trust | None = None, message: bytes | None = None, **changes: Any) -> tuple[Step, ...]:
        """The steps for the receipt with some fields changed."""
        claim = self.receipt.model_copy(update=changes)
        return await verify(self.message if message is None else message, claim, trust or self.trust())

    async def head(self, size: int) -> Checkpoint:
        """The log's head at a size."""
        root = await self.database.read(lambda tx: Log().root(tx, size))
        return Checkpoint(self.keys.origin, size, root)

    async def signed(self, size: int) -> str:
        """The log's checkpoint at a size."""
        return checkpoint.sign(await self.head(size), self.keys.signer)

    async def consistency(self, old: int, new: int) -> list[bytes]:
        return await self.database.read(lambda tx: Log().consistency_proof(tx, old, new))

    async def later(self, old: int, new: int) -> str:
        """A later checkpoint with its proof, as a file."""
        return add_checkpoint.write(old, await self.consistency(old, new), await self.signed(new)).decode()

    def cosigned(self, by: int, time: int = TIME) -> Receipt:
        """The receipt with the cosignatures of the first so many witnesses in its checkpoint."""
        path = proof.parse(self.receipt.proof)
        text = path.signed.rpartition("\n\n")[0] + "\n"
        lines = [witness.cosign(text, time) for witness in self.witnesses[:by]]
        signed = cosignature.with_lines(path.signed, lines)
        return self.receipt.model_copy(update={"proof": replace(path, signed=signed).text})


async def anchor(database: Database, keys: LogKeys, chain: Chain) -> None:
    """Sign and anchor the log as it stands."""

    @asynccontextmanager
    async def open_chain() -> AsyncIterator[Chain]:
        yield chain

    keeper = Keeper(database, keys, [Plan(chain.chain_id, keys.sender, open_chain)], 3600, 100_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        with trio.fail_after(60):
            await keeper.anchor_now()
        nursery.cancel_scope.cancel()


async def accept(database: Database, contents: list[bytes]) -> None:
    """These messages come in."""

    def work(tx: Any) -> None:
        tx.touch(1)
        for content in contents:
            digest = hashlib.sha256(content).digest()
            message_leaves.append(tx, Log(), Leaf(digest, Direction.RECEIVED, TIME, os.urandom(32)))

    await database.write(work)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "trio"


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Anchored at 7 and 700 entries on the embedded chain, the log's key in the registry there."""
    folder = tmp_path_factory.mktemp("world")
    keys = open_keys(folder / "keys", "waxseal.test")
    names = ("witness.one/w", "witness.two/w", "witness.three/w")
    witnesses = tuple(CosignatureSigner(name, os.urandom(32)) for name in names)
    async with (
        Database.open(folder / "mail.sqlite") as database,
        EmbeddedChain.open(folder / "chain", keys.chain_key) as chain,
    ):
        await accept(database, [b"Subject: %d\r\n\r\n" % number for number in range(4)] + [MESSAGE, b"a", b"b"])
        await anchor(database, keys, chain)
        await accept(database, [b"later %d" % number for number in range(693)])
        await anchor(database, keys, chain)
        await registry.CONTRACT.deploy(chain)
        await registry.register(chain, registry.ADDRESS, keys.origin, keys.log_key.public)
        made = await database.read(lambda tx: make(tx, hashlib.sha256(MESSAGE).digest(), keys))
        assert made is not None
        yield World(MESSAGE, made, keys, database, chain, registry.ADDRESS, witnesses)
