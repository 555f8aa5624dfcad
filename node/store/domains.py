"""The domains this node is host of, and how each reads the addresses in it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from node.base.address import normalize_domain
from node.store.schema import domain
from node.store.statement import Statement, same
from node.store.transaction import Reading, Writing


@dataclass(frozen=True, slots=True)
class Domain:
    """One domain.

    Attributes:
        name: lower-case A-labels.
        separator: a character between a name and its tag (RFC 5233 §1), "" where names have none.
        tag_folders: a tag that names a mailbox delivers there.
        catch_all: the key of the address that gets what is nobody's, "" for none.
        tenant: whose it is, "" for the node's own.
    """

    name: str
    separator: str = "+"
    tag_folders: bool = False
    catch_all: str = ""
    tenant: str = ""


_C = domain.c
_ADD = Statement(upsert(domain).values(name=bindparam("name")).on_conflict_do_nothing())
_REMOVE = Statement(delete(domain).where(same(_C.name)))
_LISTING = Statement(select(_C.name).order_by(_C.name))
_EXISTS = Statement(select(_C.name).where(same(_C.name)))
_GET = Statement(select(domain).where(same(_C.name)))
_ALL = Statement(select(domain).order_by(_C.name))
_OF_TENANT = Statement(select(domain).where(same(_C.tenant)).order_by(_C.name))
_SET = Statement(
    update(domain).where(same(_C.name, "which")).values({c.name: bindparam(c.name) for c in _C if not c.primary_key})
)


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


def get(tx: Reading, name: str) -> Domain | None:
    """A domain by its lower-case A-labels, with its settings; None when the node is not its host."""
    row = tx.one(_GET, name=name)
    return None if row is None else _made(row)


def everything(tx: Reading, tenant: str | None = None) -> list[Domain]:
    """All domains with their settings, in order; with `tenant`, only that tenant's."""
    rows = tx.execute(_ALL) if tenant is None else tx.execute(_OF_TENANT, tenant=tenant)
    return [_made(row) for row in rows]


def put(tx: Writing, new: Domain) -> None:
    """Set a domain's settings; it must be there."""
    tx.execute(
        _SET,
        which=new.name,
        separator=new.separator,
        tag_folders=int(new.tag_folders),
        catch_all=new.catch_all,
        tenant=new.tenant,
    )


def _made(row: tuple[object, ...]) -> Domain:
    name, separator, tag_folders, catch_all, tenant = row
    return Domain(str(name), str(separator), bool(tag_folders), str(catch_all), str(tenant))
