"""The log: appending inside a delivery's own transaction, and roots and proofs from what is stored."""

from __future__ import annotations

from node.anchor import merkle
from node.store import tree
from node.store.database import Reading, Writing


class Log:
    """The node's one Merkle tree, of 32-byte entries; what they stand for is `message_leaves`' and others' business.

    It keeps nothing in memory: a transaction that is undone takes its entry along. An append writes one row and on
    average one node.
    """

    def append(self, tx: Writing, entry: bytes) -> int:
        """Add an entry within the caller's transaction and return its index. About 15 µs."""
        if len(entry) != merkle.HASH_SIZE:
            raise ValueError(f"an entry of the log has {merkle.HASH_SIZE} bytes")
        size = tree.size(tx)
        _, *parents = merkle.appended(size, merkle.leaf_hash(entry), _reader(tx))
        tree.put_entry(tx, size, entry)
        for level, index, node in parents:
            tree.put_node(tx, level, index, node)
        return size

    def size(self, tx: Reading) -> int:
        """How many entries there are."""
        return tree.size(tx)

    def root(self, tx: Reading, size: int) -> bytes:
        """The tree's hash when it had `size` entries."""
        return merkle.root(size, _reader(tx))

    def inclusion_proof(self, tx: Reading, index: int, size: int) -> list[bytes]:
        """The audit path of an entry in the tree of `size` entries; see `merkle.inclusion_proof`."""
        return merkle.inclusion_proof(index, size, _reader(tx))

    def consistency_proof(self, tx: Reading, old: int, new: int) -> list[bytes]:
        """The proof that the tree of `new` entries continues the tree of `old`; see `merkle.consistency_proof`."""
        return merkle.consistency_proof(old, new, _reader(tx))


def _reader(tx: Reading) -> merkle.Read:
    def read(level: int, index: int) -> bytes:
        if level:
            found = tree.find_node(tx, level, index)
        else:
            entry = tree.entry(tx, index)
            found = None if entry is None else merkle.leaf_hash(entry)
        if found is None:
            raise LookupError(f"the log has no node {index} at level {level}")
        return found

    return read
