"""Rows of witnessing: cosignatures on our checkpoints, logs we cosign for, checkpoints seen of any log, forks found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.dialects.sqlite import insert as upsert

from node.store.schema_witness import cosignature, log_fork, seen_checkpoint, witnessed_log
from node.store.statement import Statement, chosen, same
from node.store.transaction import Reading, Writing

MAX_SEEN = 64  # checkpoints kept of one log: the newest, and those of the largest trees
MAX_ROOTS = 4  # of one size; two are a fork already
MAX_FORKS = 16  # kept of one log; one is enough to convict it


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The newest checkpoint we cosigned of a log; `time` is the cosignature's."""

    origin: str
    size: int
    root: bytes
    note: str
    time: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A checkpoint that a log has signed, and when it was shown to us first (seconds since 1970)."""

    origin: str
    size: int
    root: bytes
    note: str
    time: int


@dataclass(frozen=True, slots=True)
class Line:
    """A witness's cosignature on one of our checkpoints, as a line of the note."""

    witness: str
    line: str
    time: int


_PUT_LINE = Statement(
    (_line := upsert(cosignature).values({c.name: bindparam(c.name) for c in cosignature.c})).on_conflict_do_update(
        index_elements=["size", "root", "witness"], set_={"line": _line.excluded.line, "time": _line.excluded.time}
    )
)
_LINES = Statement(
    select(cosignature.c.witness, cosignature.c.line, cosignature.c.time)
    .where(same(cosignature.c.size), same(cosignature.c.root))
    .order_by(cosignature.c.witness)
)
_LAST_SIZE = Statement(select(func.coalesce(func.max(cosignature.c.size), 0)).where(same(cosignature.c.witness)))
_QUORATE = Statement(
    select(cosignature.c.size)
    .where(cosignature.c.witness.in_(chosen("names")))
    .group_by(cosignature.c.size, cosignature.c.root)
    .having(func.count() >= bindparam("number"))
    .order_by(cosignature.c.size.desc())
    .limit(1)
)
_COVERING = Statement(select(func.min(cosignature.c.size)).where(cosignature.c.size > bindparam("index")))
_WITNESSED = Statement(select(witnessed_log).where(same(witnessed_log.c.origin)))
_PUT_WITNESSED = Statement(
    (_log := upsert(witnessed_log).values({c.name: bindparam(c.name) for c in witnessed_log.c})).on_conflict_do_update(
        index_elements=["origin"],
        set_={name: getattr(_log.excluded, name) for name in ("size", "root", "note", "time")},
    )
)
_PUT_SEEN = Statement(
    upsert(seen_checkpoint)
    .values({c.name: bindparam(c.name) for c in seen_checkpoint.c})
    .on_conflict_do_nothing(index_elements=["origin", "size", "root"])
)
_SEEN_AT = Statement(
    select(seen_checkpoint)
    .where(same(seen_checkpoint.c.origin), same(seen_checkpoint.c.size))
    .order_by(seen_checkpoint.c.time, seen_checkpoint.c.root)
)
_SEEN = Statement(
    select(seen_checkpoint)
    .where(same(seen_checkpoint.c.origin))
    .order_by(seen_checkpoint.c.size.desc(), seen_checkpoint.c.root)
    .limit(bindparam("limit"))
)
_TRIM_SEEN = Statement(
    delete(seen_checkpoint).where(
        same(seen_checkpoint.c.origin),
        seen_checkpoint.c.size
        < select(seen_checkpoint.c.size)
        .where(seen_checkpoint.c.origin == bindparam("origin"))
        .order_by(seen_checkpoint.c.size.desc())
        .offset(bindparam("kept", MAX_SEEN - 1))
        .limit(1)
        .scalar_subquery(),
    )
)
_PUT_FORK = Statement(
    upsert(log_fork)
    .values({c.name: bindparam(c.name) for c in log_fork.c})
    .on_conflict_do_nothing(index_elements=["origin", "digest"])
)
_FORKS = Statement(
    select(log_fork.c.document).where(same(log_fork.c.origin)).order_by(log_fork.c.time, log_fork.c.digest)
)
_COUNT_FORKS = Statement(select(func.count()).select_from(log_fork).where(same(log_fork.c.origin)))


def put_line(tx: Writing, size: int, root: bytes, line: Line) -> None:
    """Keep a witness's cosignature on our checkpoint; a newer one takes its place."""
    tx.execute(_PUT_LINE, size=size, root=root, witness=line.witness, line=line.line, time=line.time)


def lines(tx: Reading, size: int, root: bytes) -> list[Line]:
    """The cosignatures on our checkpoint of this size and root, by witness."""
    return [Line(*row) for row in tx.execute(_LINES, size=size, root=root)]


def last_size(tx: Reading, witness: str) -> int:
    """The largest tree of ours that this witness cosigned; 0 for none."""
    size: int = tx.value(_LAST_SIZE, witness=witness)
    return size


def quorate_size(tx: Reading, names: Iterable[str], number: int) -> int:
    """The largest tree of ours that so many of these witnesses cosigned; 0 for none."""
    return tx.value(_QUORATE, names=json.dumps(sorted(names)), number=number) or 0


def cosigned_size(tx: Reading, index: int) -> int:
    """The smallest tree of ours that holds this entry and that any witness cosigned; 0 for none."""
    return tx.value(_COVERING, index=index) or 0


def witnessed(tx: Reading, origin: str) -> Witnessed | None:
    """The newest checkpoint we cosigned of a log."""
    row = tx.one(_WITNESSED, origin=origin)
    return Witnessed(*row) if row else None


def put_witnessed(tx: Writing, log: Witnessed) -> None:
    """Remember what is cosigned now; whoever calls has compared it with what was, in this same transaction."""
    values = {"size": log.size, "root": log.root, "note": log.note, "time": log.time}
    tx.execute(_PUT_WITNESSED, origin=log.origin, **values)


def put_seen(tx: Writing, seen: Seen) -> list[Seen]:
    """Keep a checkpoint and return what is known of this log at this size: two roots are a fork."""
    if len(found := _seen_at(tx, seen)) < MAX_ROOTS and all(other.root != seen.root for other in found):
        values = {"size": seen.size, "root": seen.root, "note": seen.note, "time": seen.time}
        tx.execute(_PUT_SEEN, origin=seen.origin, **values)
        tx.execute(_TRIM_SEEN, origin=seen.origin)
        found.append(seen)
    return found


def _seen_at(tx: Reading, seen: Seen) -> list[Seen]:
    return [Seen(*row) for row in tx.execute(_SEEN_AT, origin=seen.origin, size=seen.size)]


def seen(tx: Reading, origin: str, limit: int) -> list[Seen]:
    """Checkpoints seen of a log, largest tree first."""
    return [Seen(*row) for row in tx.execute(_SEEN, origin=origin, limit=limit)]


def put_fork(tx: Writing, origin: str, document: str, time: int) -> None:
    """Keep evidence of a fork, for ever; of one log no more than `MAX_FORKS` documents."""
    if tx.value(_COUNT_FORKS, origin=origin) < MAX_FORKS:
        digest = hashlib.sha256(document.encode()).digest()
        tx.execute(_PUT_FORK, origin=origin, digest=digest, document=document, time=time)


def forks(tx: Reading, origin: str) -> list[str]:
    """The evidence against a log, oldest first."""
    return [row[0] for row in tx.execute(_FORKS, origin=origin)]
