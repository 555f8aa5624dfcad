"""How the log grew, as far as its checkpoints tell: a sample that is as quick to read however long the log is."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from node.store.schema import checkpoint
from node.store.statement import Statement
from node.store.transaction import Reading

_C = checkpoint.c
_FIRST = Statement(select(_C.size, _C.time).order_by(_C.size).limit(1))
_LAST = Statement(select(_C.size, _C.time).order_by(_C.size.desc()).limit(1))
_FROM = Statement(select(_C.size, _C.time).where(_C.size >= bindparam("size")).order_by(_C.size).limit(1))


def growth(tx: Reading, samples: int) -> list[tuple[int, int]]:
    """Size and time (unix seconds) of up to so many checkpoints, evenly spread by size, first and last among them."""
    first, last = tx.one(_FIRST), tx.one(_LAST)
    if first is None or last is None:
        return []
    low, high = first[0], last[0]
    wanted = sorted({low + (high - low) * place // max(samples - 1, 1) for place in range(samples)})
    rows = (tx.one(_FROM, size=size) for size in wanted)
    return sorted({(row[0], row[1]) for row in rows if row is not None})
