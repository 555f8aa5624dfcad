"""App passwords: what a mail client logs in with. The store keeps hashes, never passwords."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sqlalchemy import bindparam, delete, select, update

from node.store.schema import app_password
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class AppPassword:
    """One app password. `created` and `last_used` are unix seconds; `last_used` is None until the first login.

    Attributes:
        scram: its keys for SCRAM, packed; None for one that was made before there were any.
    """

    id: int
    account_id: int
    name: str
    scopes: frozenset[str]
    hash: str
    created: int
    last_used: int | None
    scram: bytes | None = field(default=None, repr=False)


_C = app_password.c
_ADD = Statement(adding(app_password, "id").returning(_C.id))
_LISTING = Statement(select(app_password).order_by(_C.id))
_OF_ACCOUNT = Statement(select(app_password).where(same(_C.account_id)).order_by(_C.id))
_REVOKE = Statement(delete(app_password).where(same(_C.id), same(_C.account_id)).returning(_C.id))
_USED = Statement(update(app_password).where(same(_C.id, "password_id")).values(last_used=bindparam("when")))
_SCRAM = Statement(update(app_password).where(same(_C.id, "password_id")).values(scram=bindparam("keys")))


def add(
    tx: Writing, account_id: int, name: str, scopes: frozenset[str], hash: str, *, scram: bytes | None = None
) -> AppPassword:
    """Keep a new app password's hash, and its keys for SCRAM, under a name its owner chose.

    Raises:
        ValueError: a scope is empty or holds a space.
    """
    if any(not scope or " " in scope for scope in scopes):
        raise ValueError("a scope is one word")
    created = int(time.time())
    packed = " ".join(sorted(scopes))
    row = {"account_id": account_id, "name": name, "scopes": packed, "hash": hash, "scram": scram}
    id = tx.value(_ADD, **row, created=created, last_used=None)
    return AppPassword(id, account_id, name, scopes, hash, created, None, scram)


def listing(tx: Reading) -> list[AppPassword]:
    """All app passwords of the node, oldest first."""
    return [_made(row) for row in tx.execute(_LISTING)]


def of_account(tx: Reading, account_id: int) -> list[AppPassword]:
    """One account's, oldest first."""
    return [_made(row) for row in tx.execute(_OF_ACCOUNT, account_id=account_id)]


def revoke(tx: Writing, account_id: int, id: int) -> bool:
    """Remove one of the account's app passwords; False when it has none by this id."""
    return tx.one(_REVOKE, account_id=account_id, id=id) is not None


def mark_used(tx: Writing, id: int, when: int) -> None:
    """Note a login. Callers do this now and then, not at each login."""
    tx.execute(_USED, password_id=id, when=when)


def set_scram(tx: Writing, id: int, keys: bytes) -> None:
    """Give one that was made before there were any its keys for SCRAM."""
    tx.execute(_SCRAM, password_id=id, keys=keys)


def _made(row: Row) -> AppPassword:
    id, account_id, name, scopes, hash, created, last_used, scram = row
    return AppPassword(id, account_id, name, frozenset(scopes.split()), hash, created, last_used, scram)
