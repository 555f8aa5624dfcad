"""The log's tree in rows: entries, and the nodes above them. `node.anchor.log` knows what they mean.

Full tiles leave these tables for the blob store (`node.store.packs`); what is here is the newest end of each level.
"""

from __future__ import annotations

from sqlalchemy import bindparam, delete, func, select

from node.store.schema import checkpoint, log_entry, node
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing

_SIZE = Statement(select(func.coalesce(func.max(log_entry.c.index) + 1, 0)))
_PUT_ENTRY = Statement(adding(log_entry))
_GET_ENTRY = Statement(select(log_entry.c.entry).where(same(log_entry.c.index)))
_PUT_NODE = Statement(adding(node))
_GET_NODE = Statement(select(node.c.hash).where(same(node.c.level), same(node.c.index)))
_ENTRIES = Statement(
    select(log_entry.c.entry)
    .where(log_entry.c.index >= bindparam("start"), log_entry.c.index < bindparam("stop"))
    .order_by(log_entry.c.index)
)
_NODES = Statement(
    select(node.c.hash)
    .where(same(node.c.level), node.c.index >= bindparam("start"), node.c.index < bindparam("stop"))
    .order_by(node.c.index)
)
_FIRST_ENTRY = Statement(select(func.min(log_entry.c.index)))
_FIRST_NODE = Statement(select(func.min(node.c.index)).where(same(node.c.level)))
_NOTES = Statement(select(checkpoint.c.note).order_by(checkpoint.c.size.desc()).limit(bindparam("limit")))
_DROP_ENTRIES = Statement(delete(log_entry).where(log_entry.c.index < bindparam("stop")))
_DROP_NODES = Statement(delete(node).where(same(node.c.level), node.c.index < bindparam("stop")))


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


def entries(tx: Reading, start: int, stop: int) -> list[bytes]:
    """The entries from `start` up to but not including `stop` that are in the rows, in order."""
    return [entry for (entry,) in tx.execute(_ENTRIES, start=start, stop=stop)]


def nodes(tx: Reading, level: int, start: int, stop: int) -> list[bytes]:
    """The hashes of a level's nodes from `start` up to but not including `stop` that are in the rows, in order."""
    return [hash for (hash,) in tx.execute(_NODES, level=level, start=start, stop=stop)]


def drop(tx: Writing, level: int, stop: int, limit: int) -> bool:
    """Delete up to `limit` of a level's oldest rows before `stop`; level 0 is the entries. True when some are left.

    Call it for what stands in a pack, and never for the newest entry.
    """
    first: int | None = tx.value(_FIRST_NODE, level=level) if level else tx.value(_FIRST_ENTRY)
    if first is None or first >= stop:
        return False
    until = min(first + limit, stop)
    if level:
        tx.execute(_DROP_NODES, level=level, stop=until)
    else:
        tx.execute(_DROP_ENTRIES, stop=until)
    return until < stop


def newest_notes(tx: Reading, limit: int) -> list[bytes]:
    """The signed notes of the largest trees, largest first."""
    return [note for (note,) in tx.execute(_NOTES, limit=limit)]
