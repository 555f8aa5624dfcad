"""Messages in the log: the entry goes into the tree, what it was made of beside it."""

from __future__ import annotations

from node.anchor.leaf import Direction, Leaf
from node.anchor.log import Log
from node.store import leaves
from node.store.database import Reading, Writing


def append(tx: Writing, log: Log, leaf: Leaf) -> int:
    """Add a message's leaf within the caller's transaction and return its index."""
    index = log.append(tx, leaf.entry)
    leaves.put_leaf(tx, index, leaf.salt, leaf.message_sha256, leaf.direction.value, leaf.time)
    return index


def find(tx: Reading, message_sha256: bytes) -> list[tuple[int, Leaf]]:
    """Index and leaf of each time this message was accepted, oldest first; not those whose salt is gone."""
    return [
        (row.index, Leaf(row.message_sha256, Direction(row.direction), row.time, row.salt))
        for row in leaves.find(tx, message_sha256)
        if row.salt
    ]
