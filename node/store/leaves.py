"""The transparency log's rows beside the tree: leaves of messages, signed checkpoints."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from node.store import schema
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a message's entry in the log was made of.

    Attributes:
        salt, message_sha256: b"" once they were forgotten.
        direction: "received" or "submitted".
        time: unix seconds.
        outcome: code of what became of the message; None for a leaf that does not say, as is `policy`.
        policy: hash of the policy that was in force.
    """

    index: int
    salt: bytes
    message_sha256: bytes
    direction: str
    time: int
    outcome: int | None = None
    policy: bytes | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed head: `note` is the whole signed note for a tree of `size` leaves."""

    size: int
    note: bytes
    time: int


_LEAF, _CHECKPOINT = schema.leaf, schema.checkpoint

_PUT_LEAF = Statement(adding(_LEAF))
_WHOLE = select(*(c for c in _LEAF.c if c.name != "policy"), schema.policy.c.hash).outerjoin(
    schema.policy, schema.policy.c.number == _LEAF.c.policy
)
_GET_LEAF = Statement(_WHOLE.where(same(_LEAF.c.index)))
_FIND = Statement(_WHOLE.where(same(_LEAF.c.message_sha256)).order_by(_LEAF.c.index))
_RANGE = Statement(
    _WHOLE.where(_LEAF.c.index >= bindparam("start"), _LEAF.c.index < bindparam("stop")).order_by(_LEAF.c.index)
)
_FORGETTING = update(_LEAF).values(salt=bindparam("no_salt", b""), message_sha256=bindparam("no_hash", b""))
_FORGET = Statement(_FORGETTING.where(same(_LEAF.c.index, "leaf_index")))
_FORGET_MESSAGE = Statement(
    _FORGETTING.where(
        same(_LEAF.c.message_sha256, "message"),
        or_(_LEAF.c.direction == "received", _LEAF.c.time < bindparam("sent_before")),
    )
)
_FORGET_SENT = Statement(  # of those in a window of the log, what is on this node no longer in any mailbox or queue
    _FORGETTING.where(
        _LEAF.c.index.between(bindparam("first"), bindparam("last")),
        _LEAF.c.message_sha256 != bindparam("empty", b""),
        _LEAF.c.direction == "submitted",
        _LEAF.c.time < bindparam("before"),
        _LEAF.c.message_sha256.not_in(
            select(schema.blob.c.sha256).where(schema.blob.c.sha256 == _LEAF.c.message_sha256)
        ),
    ).returning(_LEAF.c.index)
)
_NEXT = (
    select(_LEAF.c.index, _LEAF.c.time)
    .where(_LEAF.c.index >= bindparam("first"))
    .order_by(_LEAF.c.index)
    .limit(bindparam("limit"))
    .subquery()
)
_LAST_BEFORE = Statement(select(func.max(_NEXT.c.index)).where(_NEXT.c.time < bindparam("before")))
_PUT_CHECKPOINT = Statement(
    (
        _put := upsert(_CHECKPOINT).values(size=bindparam("size"), note=bindparam("note"), time=bindparam("time"))
    ).on_conflict_do_update(index_elements=["size"], set_={"note": _put.excluded.note, "time": _put.excluded.time})
)
_LATEST_CHECKPOINT = Statement(select(_CHECKPOINT).order_by(_CHECKPOINT.c.size.desc()).limit(1))
_CHECKPOINT_OF = Statement(select(_CHECKPOINT).where(same(_CHECKPOINT.c.size)))


def put_leaf(tx: Writing, leaf: Leaf, policy: int | None = None) -> None:
    """Write what an entry was made of; writing it twice is a bug. `policy`: number of the one the leaf names."""
    tx.execute(
        _PUT_LEAF,
        index=leaf.index,
        salt=leaf.salt,
        message_sha256=leaf.message_sha256,
        direction=leaf.direction,
        time=leaf.time,
        outcome=leaf.outcome,
        policy=policy,
    )


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


def forget_message(tx: Writing, message_sha256: bytes, sent_before: int) -> None:
    """Shred the salts of a message that was deleted for good: all where it was received, and where it was submitted
    before `sent_before` (unix seconds); its sender may want a receipt of the others yet."""
    tx.execute(_FORGET_MESSAGE, message=message_sha256, sent_before=sent_before)


def forget_sent(tx: Writing, first: int, before: int, limit: int) -> tuple[int, int]:
    """Shred the salts of messages that were submitted before `before` and are on this node no longer.

    Args:
        first: index to begin at.
        limit: leaves looked at.

    Returns:
        The index to begin at next time, and how many salts went.
    """
    last = tx.value(_LAST_BEFORE, first=first, limit=limit, before=before)
    if last is None:
        return first, 0
    return last + 1, len(tx.execute(_FORGET_SENT, first=first, last=last, before=before))


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
