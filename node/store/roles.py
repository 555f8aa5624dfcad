"""Who runs the node: its owner, and those who administer it."""

from __future__ import annotations

import time
from enum import StrEnum

from sqlalchemy import delete, select

from node.store.schema_passwords import account_role
from node.store.statement import Statement, replacing, same
from node.store.transaction import Reading, Writing


class Role(StrEnum):
    """What an account may do beyond its own mail."""

    OWNER = "owner"  # everything an administrator may, and name administrators
    ADMIN = "admin"


_C = account_role.c
_PUT = Statement(replacing(account_role))
_GET = Statement(select(_C.role).where(same(_C.account_id)))
_LISTING = Statement(select(_C.account_id, _C.role).order_by(_C.account_id))
_REMOVE = Statement(delete(account_role).where(same(_C.account_id)).returning(_C.role))


def give(tx: Writing, account_id: int, role: Role) -> None:
    """Give an account a role, in place of the one it had."""
    tx.execute(_PUT, account_id=account_id, role=role.value, since=int(time.time()))


def of_account(tx: Reading, account_id: int) -> Role | None:
    """An account's role; None for people who only have mail here."""
    role = tx.value(_GET, account_id=account_id)
    return None if role is None else Role(role)


def listing(tx: Reading) -> dict[int, Role]:
    """Everybody with a role, by account."""
    return {account_id: Role(role) for account_id, role in tx.execute(_LISTING)}


def take(tx: Writing, account_id: int) -> bool:
    """Take an account's role away; False when it had none."""
    return tx.one(_REMOVE, account_id=account_id) is not None
