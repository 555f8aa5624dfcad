"""The domains this node is host of."""

from __future__ import annotations

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from node.base.address import normalize_domain
from node.store.schema import domain
from node.store.statement import Statement, same
from node.store.transaction import Reading, Writing

_ADD = Statement(upsert(domain).values(name=bindparam("name")).on_conflict_do_nothing())
_REMOVE = Statement(delete(domain).where(same(domain.c.name)))
_LISTING = Statement(select(domain.c.name).order_by(domain.c.name))
_EXISTS = Statement(select(domain.c.name).where(same(domain.c.name)))


def add(tx: Writing, name: str) -> None:
    """Make the node host of a domain; adding it again changes nothing.

    Raises:
        AddressError: when it is no domain.
    """
    tx.execute(_ADD, name=normalize_domain(name))


def remove(tx: Writing, name: str) -> None:
    """Be host of a domain no longer; its accounts stay."""
    tx.execute(_REMOVE, name=normalize_domain(name))


def listing(tx: Reading) -> list[str]:
    """All domains, in order, as A-labels."""
    return [name for (name,) in tx.execute(_LISTING)]


def exists(tx: Reading, name: str) -> bool:
    """True when the node is host of the domain, given in lower-case A-labels (`Address.domain`)."""
    return tx.one(_EXISTS, name=name) is not None
