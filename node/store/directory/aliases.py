"""Aliases: further addresses of an account."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select

from node.base.address import Address
from node.store.accounts import Account
from node.store.schema import account, alias
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class Alias:
    """One alias.

    Attributes:
        address: as it was written.
        account: whose mail it is.
        may_send: the account may send as this address.
    """

    address: str
    account: Account
    may_send: bool


_C = alias.c
_WHOLE = select(_C.address, account.c.id, account.c.address, account.c.name, _C.may_send).join_from(
    alias, account, account.c.id == _C.account_id
)
_ADD = Statement(adding(alias))
_REMOVE = Statement(delete(alias).where(same(_C.key)).returning(_C.key))
_FIND = Statement(_WHOLE.where(same(_C.key)))
_OF = Statement(_WHOLE.where(same(_C.account_id)).order_by(_C.key))
_LISTING = Statement(_WHOLE.order_by(_C.key))


def add(tx: Writing, address: Address, account_id: int, *, may_send: bool) -> None:
    """Give an account another address. Who calls has seen to it that the address is free."""
    tx.execute(_ADD, key=address.key, address=str(address), account_id=account_id, may_send=int(may_send))


def remove(tx: Writing, key: str) -> bool:
    """Take an alias away; false when there was none."""
    return tx.one(_REMOVE, key=key) is not None


def find(tx: Reading, key: str) -> Alias | None:
    """The alias with this key (`Address.key`)."""
    row = tx.one(_FIND, key=key)
    return None if row is None else _made(row)


def of_account(tx: Reading, account_id: int) -> list[Alias]:
    """An account's aliases, in order."""
    return [_made(row) for row in tx.execute(_OF, account_id=account_id)]


def listing(tx: Reading) -> list[Alias]:
    """All aliases, in order."""
    return [_made(row) for row in tx.execute(_LISTING)]


def _made(row: Row) -> Alias:
    address, id, owner, name, may_send = row
    return Alias(address, Account(id, owner, name), bool(may_send))
