"""The log in a real database: it grows with the transaction it is in, and with nothing else."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable, Callable

import pytest
import trio

from node.anchor import merkle, message_leaves
from node.anchor.leaf import Direction, Leaf
from node.anchor.log import Log
from node.store import leaves, tree
from node.store.database import Database, Reading, Writing

pytestmark = pytest.mark.anyio

Grow = Callable[[int], Awaitable[list[bytes]]]


def made_up() -> Leaf:
    return Leaf(os.urandom(32), Direction.SUBMITTED, 1, os.urandom(32))


def hashes_of(tx: Reading, size: int) -> list[bytes]:
    return [merkle.leaf_hash(tree.entry(tx, index) or b"") for index in range(size)]


def root_in_memory(hashes: list[bytes]) -> bytes:
    nodes: dict[tuple[int, int], bytes] = {}
    for index, value in enumerate(hashes):
        nodes.update({node[:2]: node[2] for node in merkle.appended(index, value, lambda *at: nodes[at])})
    return merkle.root(len(hashes), lambda *at: nodes[at])


async def test_roots_and_proofs_of_every_size(database: Database, log: Log, grow: Grow) -> None:
    await grow(21)

    def check(tx: Reading) -> None:
        hashes = hashes_of(tx, 21)
        for size in range(22):
            root = log.root(tx, size)
            assert root == root_in_memory(hashes[:size])
            for index in range(size):
                proof = log.inclusion_proof(tx, index, size)
                assert merkle.verify_inclusion(hashes[index], index, size, proof, root)
            for old in range(1, size + 1):
                proof = log.consistency_proof(tx, old, size)
                assert merkle.verify_consistency(old, size, log.root(tx, old), root, proof)
        assert log.size(tx) == 21

    await database.read(check)


async def test_a_refused_delivery_leaves_no_leaf_and_no_wrong_memory(database: Database, log: Log, grow: Grow) -> None:
    await grow(5)

    def refused(tx: Writing) -> None:
        for _ in range(7):
            log.append(tx, os.urandom(32))
        raise RuntimeError("recipient gone")

    with pytest.raises(RuntimeError, match="gone"):
        await database.write(refused)
    await grow(4)

    def check(tx: Reading) -> None:
        assert log.size(tx) == 9
        assert log.root(tx, 9) == root_in_memory(hashes_of(tx, 9))

    await database.read(check)


async def test_deliveries_that_share_a_commit_each_get_their_own_index(database: Database, log: Log) -> None:
    given: list[int] = []

    async def deliver() -> None:
        given.append(await database.write(lambda tx: log.append(tx, os.urandom(32))))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(deliver)
    assert sorted(given) == list(range(50))


async def test_a_message_is_found_by_its_hash_with_everything_its_leaf_says(database: Database, log: Log) -> None:
    leaf = made_up()
    await database.write(lambda tx: [message_leaves.append(tx, log, one) for one in (made_up(), leaf, leaf)])
    assert await database.read(lambda tx: message_leaves.find(tx, leaf.message_sha256)) == [(1, leaf), (2, leaf)]
    assert await database.read(lambda tx: message_leaves.find(tx, bytes(32))) == []
    await database.write(lambda tx: leaves.forget(tx, 1))
    assert await database.read(lambda tx: message_leaves.find(tx, leaf.message_sha256)) == [(2, leaf)]
    assert await database.read(lambda tx: tree.entry(tx, 1)) == leaf.entry


async def test_what_stands_in_the_database_is_what_the_encoding_says(database: Database, log: Log, grow: Grow) -> None:
    (message,) = await grow(1)

    def check(tx: Reading) -> None:
        ((index, leaf),) = message_leaves.find(tx, hashlib.sha256(message).digest())
        assert (index, leaf.entry, leaf.direction) == (0, tree.entry(tx, 0), Direction.RECEIVED)
        assert log.root(tx, 1) == leaf.hash

    await database.read(check)


async def test_a_root_beyond_the_log_is_a_lookup_error(database: Database, log: Log, grow: Grow) -> None:
    await grow(3)
    with pytest.raises(LookupError):
        await database.read(lambda tx: log.root(tx, 4))


async def test_an_entry_has_32_bytes(database: Database, log: Log) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        await database.write(lambda tx: log.append(tx, b"short"))
    assert await database.read(log.size) == 0
