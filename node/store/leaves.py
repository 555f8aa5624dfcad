"""The transparency log's rows beside the tree: leaves of messages, signed checkpoints, anchors."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from node.store import schema
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a message's entry was made of. `direction` is "received" or "submitted"; `time` is unix seconds."""

    index: int
    salt: bytes
    message_sha256: bytes
    direction: str
    time: int


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed head: `note` is the whole signed note for a tree of `size` leaves."""

    size: int
    note: bytes
    time: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head that stands in a contract: `tx_hash` and `block` say where on `chain` (its id)."""

    id: int
    size: int
    root: bytes
    chain: int
    contract: str
    tx_hash: str
    block: int
    time: int


_LEAF, _CHECKPOINT, _ANCHOR = schema.leaf, schema.checkpoint, schema.anchor

_PUT_LEAF = Statement(adding(_LEAF))
_GET_LEAF = Statement(select(_LEAF).where(same(_LEAF.c.index)))
_FIND = Statement(select(_LEAF).where(same(_LEAF.c.message_sha256)).order_by(_LEAF.c.index))
_RANGE = Statement(
    select(_LEAF).where(_LEAF.c.index >= bindparam("start"), _LEAF.c.index < bindparam("stop")).order_by(_LEAF.c.index)
)
_FORGET = Statement(update(_LEAF).where(same(_LEAF.c.index, "leaf_index")).values(salt=bindparam("no_salt", b"")))
_PUT_CHECKPOINT = Statement(
    (
        _put := upsert(_CHECKPOINT).values(size=bindparam("size"), note=bindparam("note"), time=bindparam("time"))
    ).on_conflict_do_update(index_elements=["size"], set_={"note": _put.excluded.note, "time": _put.excluded.time})
)
_LATEST_CHECKPOINT = Statement(select(_CHECKPOINT).order_by(_CHECKPOINT.c.size.desc()).limit(1))
_CHECKPOINT_OF = Statement(select(_CHECKPOINT).where(same(_CHECKPOINT.c.size)))
_PUT_ANCHOR = Statement(adding(_ANCHOR, "id").returning(_ANCHOR.c.id))
_LATEST_ANCHOR = Statement(select(_ANCHOR).order_by(_ANCHOR.c.size.desc(), _ANCHOR.c.id.desc()).limit(1))
_ANCHOR_COVERING = Statement(
    select(_ANCHOR).where(_ANCHOR.c.size > bindparam("index")).order_by(_ANCHOR.c.size, _ANCHOR.c.id).limit(1)
)
_ANCHORS = Statement(select(_ANCHOR).order_by(_ANCHOR.c.id.desc()).limit(bindparam("limit")))


def put_leaf(  # noqa: PLR0917
    tx: Writing, index: int, salt: bytes, message_sha256: bytes, direction: str, time: int
) -> None:
    """Write what the entry at `index` was made of; writing it twice is a bug."""
    tx.execute(_PUT_LEAF, index=index, salt=salt, message_sha256=message_sha256, direction=direction, time=time)


def leaf(tx: Reading, index: int) -> Leaf | None:
    """The leaf at `index`."""
    row = tx.one(_GET_LEAF, index=index)
    return Leaf(*row) if row else None


def find(tx: Reading, message_sha256: bytes) -> list[Leaf]:
    """The leaves of a message, oldest first; the same bytes may have come more than once."""
    return [Leaf(*row) for row in tx.execute(_FIND, message_sha256=message_sha256)]


def leaves(tx: Reading, start: int, stop: int) -> list[Leaf]:
    """The leaves from `start` up to but not including `stop`, in order."""
    return [Leaf(*row) for row in tx.execute(_RANGE, start=start, stop=stop)]


def forget(tx: Writing, index: int) -> None:
    """Shred a leaf's salt: the log stays whole, and nobody can connect the leaf with its message any more."""
    tx.execute(_FORGET, leaf_index=index)


def put_checkpoint(tx: Writing, size: int, note: bytes, time: int) -> None:
    """Keep a signed head; a later one for the same size takes its place."""
    tx.execute(_PUT_CHECKPOINT, size=size, note=note, time=time)


def latest_checkpoint(tx: Reading) -> Checkpoint | None:
    """The signed head of the largest tree."""
    row = tx.one(_LATEST_CHECKPOINT)
    return Checkpoint(*row) if row else None


def checkpoint(tx: Reading, size: int) -> Checkpoint | None:
    """The signed head of a tree of exactly `size` leaves."""
    row = tx.one(_CHECKPOINT_OF, size=size)
    return Checkpoint(*row) if row else None


def put_anchor(  # noqa: PLR0917
    tx: Writing, size: int, root: bytes, chain: int, contract: str, tx_hash: str, block: int, time: int
) -> Anchor:
    """Keep where a head stands on-chain."""
    values = {"size": size, "root": root, "chain": chain, "contract": contract, "tx_hash": tx_hash, "block": block}
    id = tx.value(_PUT_ANCHOR, **values, time=time)
    return Anchor(id, size, root, chain, contract, tx_hash, block, time)


def latest_anchor(tx: Reading) -> Anchor | None:
    """The anchor of the largest tree."""
    return _anchor(tx.one(_LATEST_ANCHOR))


def anchor_covering(tx: Reading, index: int) -> Anchor | None:
    """The smallest anchored tree that holds the leaf at `index`."""
    return _anchor(tx.one(_ANCHOR_COVERING, index=index))


def anchors(tx: Reading, limit: int = 100) -> list[Anchor]:
    """The newest anchors, newest first."""
    return [Anchor(*row) for row in tx.execute(_ANCHORS, limit=limit)]


def _anchor(row: Row | None) -> Anchor | None:
    return Anchor(*row) if row is not None else None
