"""The log's tree in rows: entries, and the nodes above them. `node.anchor.log` knows what they mean.

Full tiles leave these tables for the blob store (`node.store.packs`); what is here is the newest end of each level.
"""

from __future__ import annotations

from sqlalchemy import func, select

from node.store.schema import log_entry, node
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing

_SIZE = Statement(select(func.coalesce(func.max(log_entry.c.index) + 1, 0)))
_PUT_ENTRY = Statement(adding(log_entry))
_GET_ENTRY = Statement(select(log_entry.c.entry).where(same(log_entry.c.index)))
_PUT_NODE = Statement(adding(node))
_GET_NODE = Statement(select(node.c.hash).where(same(node.c.level), same(node.c.index)))


def size(tx: Reading) -> int:
    """How many entries the log has."""
    value: int = tx.value(_SIZE)
    return value


def put_entry(tx: Writing, index: int, entry: bytes) -> None:
    """Write the entry at `index`; the log is append-only, so writing one twice is a bug."""
    tx.execute(_PUT_ENTRY, index=index, entry=entry)


def entry(tx: Reading, index: int) -> bytes | None:
    """The entry at `index`, while it is in the rows."""
    found: bytes | None = tx.value(_GET_ENTRY, index=index)
    return found


def put_node(tx: Writing, level: int, index: int, hash: bytes) -> None:
    """Write a completed node of the tree, level 1 or higher: level 0 is the entries' own hashes."""
    tx.execute(_PUT_NODE, level=level, index=index, hash=hash)


def find_node(tx: Reading, level: int, index: int) -> bytes | None:
    """A completed node's hash, while it is in the rows."""
    found: bytes | None = tx.value(_GET_NODE, level=level, index=index)
    return found
