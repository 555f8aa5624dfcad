"""Which addresses another directory told us of, and whether it still lists them."""

from __future__ import annotations

from sqlalchemy import delete, select

from node.store.schema import mirrored
from node.store.statement import Statement, replacing, same
from node.store.transaction import Reading, Writing

GONE = 0
"""In the place of a time: it was listed once, and is no longer."""

_C = mirrored.c
_PUT = Statement(replacing(mirrored))
_SEEN = Statement(select(_C.seen).where(same(_C.key)))
_REMOVE = Statement(delete(mirrored).where(same(_C.key)))


def put(tx: Writing, key: str, seen: int) -> None:
    """Note when an address was listed (unix seconds), or `GONE`."""
    tx.execute(_PUT, key=key, seen=seen)


def seen(tx: Reading, key: str) -> int | None:
    """When it was listed last, `GONE`, or None for what the node knows by itself."""
    row = tx.one(_SEEN, key=key)
    return None if row is None else int(row[0])


def remove(tx: Writing, key: str) -> None:
    """Forget where it came from."""
    tx.execute(_REMOVE, key=key)
