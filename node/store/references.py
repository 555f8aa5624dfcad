"""How many rows need a blob. At zero it is garbage, which `Blobs.collect` takes away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import bindparam, update

from node.store.schema import blob
from node.store.statement import Statement, same
from node.store.transaction import Writing

_CHANGE = Statement(update(blob).where(same(blob.c.id, "blob_id")).values(refs=blob.c.refs + bindparam("by")))


def hold(tx: Writing, blob_id: int) -> None:
    """One more row needs the blob."""
    tx.execute(_CHANGE, blob_id=blob_id, by=1)


def release(tx: Writing, blob_id: int) -> None:
    """One row fewer needs it."""
    tx.execute(_CHANGE, blob_id=blob_id, by=-1)


def change_many(tx: Writing, blob_ids: Iterable[int], sign: int) -> None:
    """Hold (`sign` 1) or release (-1) one reference for each mention of a blob."""
    counts = Counter(blob_ids)
    tx.execute_many(_CHANGE, ({"blob_id": id, "by": sign * number} for id, number in counts.items()))
