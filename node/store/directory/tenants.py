"""Tenants: who shares this node, and who administers each tenant's domains."""

from __future__ import annotations

from sqlalchemy import delete, select

from node.store import part_keys
from node.store.accounts import Account
from node.store.schema import account, tenant, tenant_admin
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing

_T, _A = tenant.c, tenant_admin.c
_ADD = Statement(adding(tenant))
_REMOVE = Statement(delete(tenant).where(same(_T.name)).returning(_T.name))
_EXISTS = Statement(select(_T.name).where(same(_T.name)))
_LISTING = Statement(select(_T.name).order_by(_T.name))
_ADD_ADMIN = Statement(adding(tenant_admin))
_REMOVE_ADMIN = Statement(delete(tenant_admin).where(same(_A.tenant), same(_A.account_id)).returning(_A.account_id))
_ADMINS = Statement(
    select(account.c.id, account.c.address, account.c.name)
    .join_from(tenant_admin, account, account.c.id == _A.account_id)
    .where(same(_A.tenant))
    .order_by(account.c.key)
)
_OF = Statement(select(_A.tenant).where(same(_A.account_id)).order_by(_A.tenant))


def add(tx: Writing, name: str) -> None:
    """Make a tenant; who calls has seen that the name is free."""
    tx.execute(_ADD, name=name)


def remove(tx: Writing, name: str) -> bool:
    """Take a tenant away with its administrators' rights and its secret; false when there was none."""
    part_keys.remove_secret(tx, name)
    return tx.one(_REMOVE, name=name) is not None


def exists(tx: Reading, name: str) -> bool:
    """True when there is such a tenant."""
    return tx.one(_EXISTS, name=name) is not None


def listing(tx: Reading) -> list[str]:
    """All tenants, in order."""
    return [name for (name,) in tx.execute(_LISTING)]


def put_admin(tx: Writing, name: str, account_id: int) -> None:
    """Let an account administer a tenant; again changes nothing."""
    remove_admin(tx, name, account_id)
    tx.execute(_ADD_ADMIN, tenant=name, account_id=account_id)


def remove_admin(tx: Writing, name: str, account_id: int) -> bool:
    """End that; false when it did not."""
    return tx.one(_REMOVE_ADMIN, tenant=name, account_id=account_id) is not None


def admins(tx: Reading, name: str) -> list[Account]:
    """Who administers a tenant."""
    return [Account(*row) for row in tx.execute(_ADMINS, tenant=name)]


def administered_by(tx: Reading, account_id: int) -> list[str]:
    """The tenants that an account administers."""
    return [name for (name,) in tx.execute(_OF, account_id=account_id)]
