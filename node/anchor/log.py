"""The log: appending inside a delivery's own transaction, and roots and proofs from what is stored."""

from __future__ import annotations

from node.anchor import merkle
from node.anchor.leaf import Direction, Leaf
from node.store import leaves
from node.store.database import Reading, Writing


class Log:
    """The node's one Merkle tree. It keeps nothing in memory: a transaction that is undone takes its leaf along.

    Leaf hashes stand in the leaves' own rows, the nodes above them in the node table: an append writes one row and on
    average one node.
    """

    def append(self, tx: Writing, leaf: Leaf) -> int:
        """Add a leaf within the caller's transaction and return its index. About 15 µs."""
        size = leaves.count(tx)
        (_, _, value), *parents = merkle.appended(size, leaf.hash, _reader(tx))
        leaves.put_leaf(tx, size, value, leaf.salt, leaf.message_sha256, leaf.direction.value, leaf.time)
        for level, index, node in parents:
            leaves.put_node(tx, level, index, node)
        return size

    def size(self, tx: Reading) -> int:
        """How many leaves there are."""
        return leaves.count(tx)

    def root(self, tx: Reading, size: int) -> bytes:
        """The tree's hash when it had `size` leaves."""
        return merkle.root(size, _reader(tx))

    def inclusion_proof(self, tx: Reading, index: int, size: int) -> list[bytes]:
        """The audit path of a leaf in the tree of `size` leaves; see `merkle.inclusion_proof`."""
        return merkle.inclusion_proof(index, size, _reader(tx))

    def consistency_proof(self, tx: Reading, old: int, new: int) -> list[bytes]:
        """The proof that the tree of `new` leaves continues the tree of `old`; see `merkle.consistency_proof`."""
        return merkle.consistency_proof(old, new, _reader(tx))

    def find(self, tx: Reading, message_sha256: bytes) -> list[tuple[int, Leaf]]:
        """Index and leaf of each time this message was accepted, oldest first; not those whose salt is gone."""
        return [
            (row.index, Leaf(row.message_sha256, Direction(row.direction), row.time, row.salt))
            for row in leaves.find(tx, message_sha256)
            if row.salt
        ]


def _reader(tx: Reading) -> merkle.Read:
    def read(level: int, index: int) -> bytes:
        if level:
            return leaves.node(tx, level, index)
        row = leaves.leaf(tx, index)
        if row is None:
            raise LookupError(f"the log has no leaf {index}")
        return row.leaf_hash

    return read
