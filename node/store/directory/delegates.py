"""Shared mailboxes: accounts that other people open with their own app passwords."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select

from node.store.accounts import Account
from node.store.schema import account, delegate
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing


@dataclass(frozen=True, slots=True)
class Delegate:
    """Somebody who may open an account that is not theirs, and maybe send as its address."""

    person: Account
    may_send: bool


_C = delegate.c
_ADD = Statement(adding(delegate))
_REMOVE = Statement(delete(delegate).where(same(_C.account_id), same(_C.person_id)).returning(_C.person_id))
_FIND = Statement(select(_C.may_send).where(same(_C.account_id), same(_C.person_id)))
_OF = Statement(
    select(account.c.id, account.c.address, account.c.name, _C.may_send)
    .join_from(delegate, account, account.c.id == _C.person_id)
    .where(same(_C.account_id))
    .order_by(account.c.key)
)

_person = account.alias("person")
_EVERYTHING = Statement(
    select(account.c.id, account.c.address, account.c.name, _person.c.id, _person.c.address, _person.c.name)
    .join_from(delegate, account, account.c.id == _C.account_id)
    .join(_person, _person.c.id == _C.person_id)
    .order_by(account.c.key, _person.c.key)
)


def put(tx: Writing, account_id: int, person_id: int, *, may_send: bool) -> None:
    """Let a person open an account, or change what they may there."""
    tx.execute(_REMOVE, account_id=account_id, person_id=person_id)
    tx.execute(_ADD, account_id=account_id, person_id=person_id, may_send=int(may_send))


def remove(tx: Writing, account_id: int, person_id: int) -> bool:
    """End that; false when they might not."""
    return tx.one(_REMOVE, account_id=account_id, person_id=person_id) is not None


def may_open(tx: Reading, account_id: int, person_id: int) -> bool:
    """True when the person may open the account."""
    return tx.one(_FIND, account_id=account_id, person_id=person_id) is not None


def may_send(tx: Reading, account_id: int, person_id: int) -> bool:
    """True when the person may also send as it."""
    row = tx.one(_FIND, account_id=account_id, person_id=person_id)
    return row is not None and bool(row[0])


def of_account(tx: Reading, account_id: int) -> list[Delegate]:
    """Who may open an account beside its owner."""
    return [Delegate(Account(*row), bool(may)) for *row, may in tx.execute(_OF, account_id=account_id)]


def everything(tx: Reading) -> list[tuple[Account, Account]]:
    """Every shared account with each of the people who may open it."""
    return [(Account(*row[:3]), Account(*row[3:])) for row in tx.execute(_EVERYTHING)]
