"""Messages in the log: the entry goes into the tree, what it was made of beside it."""

from __future__ import annotations

from dataclasses import replace

from node.anchor.leaf import Direction, Leaf, Outcome
from node.anchor.log import Log
from node.store import leaves, policies
from node.store.database import Reading, Writing


def append(tx: Writing, log: Log, leaf: Leaf, outcome: Outcome | None = None) -> int:
    """Add a message's leaf within the caller's transaction and return its index.

    With an outcome, the leaf also names the policy in force, as this very transaction sees it; before the node's first
    start there is none, and the leaf is one of kind 1.
    """
    number = None
    if outcome is not None and (policy := policies.name(tx)) is not None:
        number, hashed = policy
        leaf = replace(leaf, outcome=outcome, policy=hashed)
    index = log.append(tx, leaf.entry)
    row = leaves.Leaf(
        *(index, leaf.salt, leaf.message_sha256, leaf.direction.value, leaf.time),
        leaf.outcome.code if leaf.outcome else None,
    )
    leaves.put_leaf(tx, row, number)
    return index


def find(tx: Reading, message_sha256: bytes) -> list[tuple[int, Leaf]]:
    """Index and leaf of each time this message was accepted, oldest first; not those whose salt is gone."""
    return [(row.index, made(row)) for row in leaves.find(tx, message_sha256) if row.salt]


def made(row: leaves.Leaf) -> Leaf:
    """The leaf that a row stands for; not for one that was forgotten."""
    outcome = None if row.outcome is None else Outcome.of(row.outcome)
    return Leaf(row.message_sha256, Direction(row.direction), row.time, row.salt, outcome, row.policy or b"")
