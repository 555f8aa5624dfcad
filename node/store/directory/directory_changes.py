"""What was changed in the directory, when and by whom."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, delete, select

from node.store.schema import directory_change
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing

KEPT_SECONDS = 400 * 86400


class DirectoryChange(NamedTuple):
    """One change.

    Attributes:
        time: unix seconds.
        actor: "operator", or the address of a tenant's administrator.
        tenant: whose domain or person it is about, "" for the node's own.
        kind: "domain-added", "alias-removed" and so on.
        target: the domain or address.
        details: what is new.
    """

    time: int
    actor: str
    tenant: str
    kind: str
    target: str
    details: str


_C = directory_change.c
_ADD = Statement(adding(directory_change, "id"))
_WHOLE = select(*(column for column in _C if column.name != "id")).order_by(_C.id.desc()).limit(bindparam("limit"))
_RECENT = Statement(_WHOLE)
_OF_TENANT = Statement(_WHOLE.where(same(_C.tenant)))
_EXPIRE = Statement(delete(directory_change).where(_C.time < bindparam("before")).returning(_C.id))


def add(tx: Writing, change: DirectoryChange) -> None:
    """Keep a change."""
    tx.execute(_ADD, **change._asdict())


def recent(tx: Reading, tenant: str | None = None, limit: int = 100) -> list[DirectoryChange]:
    """The newest changes first; with `tenant`, only those about that tenant."""
    rows = tx.execute(_RECENT, limit=limit) if tenant is None else tx.execute(_OF_TENANT, tenant=tenant, limit=limit)
    return [DirectoryChange(*row) for row in rows]


def expire(tx: Writing, now: int) -> int:
    """Forget what is older than `KEPT_SECONDS`; returns how many went."""
    return len(tx.execute(_EXPIRE, before=now - KEPT_SECONDS))
