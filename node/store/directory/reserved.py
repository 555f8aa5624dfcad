"""Addresses of people who left: nobody gets them for a while, so that nobody reads what was meant for them."""

from __future__ import annotations

import time

from sqlalchemy import bindparam, delete, select

from node.store.schema_directory import reserved_address
from node.store.statement import Statement, replacing, same
from node.store.transaction import Reading, Writing

FOREVER = 253_402_300_799  # the last second of the year 9999

_C = reserved_address.c
_PUT = Statement(replacing(reserved_address))
_GET = Statement(select(_C.until).where(same(_C.key), _C.until > bindparam("now")))
_LISTING = Statement(select(_C.key, _C.until).where(_C.until > bindparam("now")).order_by(_C.key))
_REMOVE = Statement(delete(reserved_address).where(same(_C.key)).returning(_C.key))
_EXPIRE = Statement(delete(reserved_address).where(_C.until <= bindparam("now")))


def put(tx: Writing, key: str, until: int) -> None:
    """Keep an address (`Address.key`) back until then, unix seconds."""
    tx.execute(_EXPIRE, now=int(time.time()))
    tx.execute(_PUT, key=key, until=until)


def until(tx: Reading, key: str) -> int | None:
    """Until when an address is kept back; None when it is free."""
    found: int | None = tx.value(_GET, key=key, now=int(time.time()))
    return found


def listing(tx: Reading) -> list[tuple[str, int]]:
    """All addresses that are kept back, and until when."""
    return [(key, until) for key, until in tx.execute(_LISTING, now=int(time.time()))]


def remove(tx: Writing, key: str) -> bool:
    """Free an address; False when it was not kept back."""
    return tx.one(_REMOVE, key=key) is not None
