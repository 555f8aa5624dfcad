"""The Merkle tree of RFC 9162 §2.1 (SHA-256) as arithmetic on stored subtrees. Pure.

A tree of n leaves is kept as its *perfect* subtrees: node (level, index) covers the leaves
`index << level` up to `(index + 1) << level`, so level 0 is the leaf hashes. Such a node never changes once
it is complete; an append writes the nodes it completes (two on average), and roots and proofs of *any*
size up to n are read from them with about 2·log2(n) look-ups. `read(level, index)` is the caller's storage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256().digest()  # RFC 9162 §2.1.1: the hash of an empty list

Read = Callable[[int, int], bytes]
Node = tuple[int, int, bytes]  # level, index, hash


def leaf_hash(entry: bytes) -> bytes:
    """Hash one log entry (RFC 9162 §2.1.1)."""
    # The prefix bytes keep an inner node from being passed off as a leaf (second preimage), RFC 9162 §2.1.1.
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees into their parent (RFC 9162 §2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def appended(size: int, leaf: bytes, read: Read) -> list[Node]:
    """The nodes that a new leaf completes, lowest first; the first is the leaf itself.

    Args:
        size: leaves before this one, so its index.
        leaf: its leaf hash.
        read: storage; asked only for the left siblings of completed nodes.
    """
    level, index, value = 0, size, leaf
    nodes = [(level, index, value)]
    while index & 1:  # a right child completes its parent
        value = node_hash(read(level, index - 1), value)
        level, index = level + 1, index >> 1
        nodes.append((level, index, value))
    return nodes


def root(size: int, read: Read) -> bytes:
    """The tree's hash at `size` leaves (RFC 9162 §2.1.1)."""
    return _subtree(0, size, read) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: Read) -> list[bytes]:
    """The audit path of a leaf in the tree of `size` leaves, leaf's sibling first (RFC 9162 §2.1.3.1).

    Raises:
        ValueError: the tree of that size has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    start, end, path = 0, size, []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_subtree(middle, end, read))
            end = middle
        else:
            path.append(_subtree(start, middle, read))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, read: Read) -> list[bytes]:
    """The proof that the tree of `old` leaves is the beginning of the tree of `new` (RFC 9162 §2.1.4.1).

    Empty when the sizes are equal.

    Raises:
        ValueError: `old` is zero (nothing to prove) or greater than `new`.
    """
    if not 0 < old <= new:
        raise ValueError(f"no consistency proof leads from {old} to {new} leaves")
    start, end, path = 0, new, []
    whole = True  # the old tree's part of this subtree is the old tree itself: its hash is known to the verifier
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_subtree(middle, end, read))
            end = middle
        else:
            path.append(_subtree(start, middle, read))
            start, whole = middle, False
    if not whole:
        path.append(_subtree(start, end, read))
    return path[::-1]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes) -> bool:
    """Whether `proof` leads from the leaf hash at `index` to the root of `size` leaves (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False  # longer than the path to the root
        if position & 1 or position == last:
            value = node_hash(sibling, value)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            value = node_hash(value, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and value == expected


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows that the old tree is the beginning of the new one (RFC 9162 §2.1.4.2).

    An empty old tree is the beginning of every tree, with an empty proof.
    """
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    if not 0 < old < new:
        return False
    hashes = list(proof)
    if old & (old - 1) == 0:  # a perfect old tree is itself the first node
        hashes.insert(0, old_root)
    return bool(hashes) and _fold_consistency(old, new, hashes) == (old_root, new_root)


def _fold_consistency(old: int, new: int, hashes: list[bytes]) -> tuple[bytes, bytes] | None:
    """Both roots that the path leads to, or None when its length is wrong (RFC 9162 §2.1.4.2 steps 3-7)."""
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_value = new_value = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return None
        if position & 1 or position == last:
            old_value, new_value = node_hash(sibling, old_value), node_hash(sibling, new_value)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new_value = node_hash(new_value, sibling)
        position, last = position >> 1, last >> 1
    return (old_value, new_value) if last == 0 else None


def _split(count: int) -> int:
    """The largest power of two smaller than `count` (RFC 9162 §2.1.1: k)."""
    return 1 << ((count - 1).bit_length() - 1)


def _subtree(start: int, end: int, read: Read) -> bytes:
    """The hash over leaves start..end, where start is a multiple of the largest power of two within."""
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append(read(level, start >> level))
        start += 1 << level
    value = parts.pop()
    while parts:
        value = node_hash(parts.pop(), value)
    return value
