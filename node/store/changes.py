"""The change feed: every change of a mailbox is a numbered row, and everything downstream listens.

`modseq` rises within an account and serves IMAP MODSEQ (RFC 7162 §3.1), JMAP state and sync tokens alike;
`seq` rises over the whole node and serves listeners, each with a cursor of its own.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import bindparam, delete, func, literal_column, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from node.store import schema
from node.store.schema import account, change
from node.store.statement import Statement, adding, chosen, same
from node.store.transaction import Reading, Row, Writing

Kind = Literal["added", "flags", "expunged", "mailbox"]

KINDS: tuple[Kind, ...] = get_args(Kind)
_NUMBER: dict[Kind, int] = {kind: number for number, kind in enumerate(KINDS)}

DELIVERED = 0
"""Where an added message came from: the node; else `APPENDED`, or the id of the mailbox it was copied or moved from."""
APPENDED = -1  # by a mail client


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `uid` is 0 for a change of the mailbox itself (made, renamed, removed, subscribed)."""

    seq: int
    account_id: int
    modseq: int
    mailbox_id: int
    uid: int
    kind: Kind


_NEXT = Statement(
    update(account)
    .where(same(account.c.id, "account_id"))
    .values(modseq=account.c.modseq + 1)
    .returning(account.c.modseq)
)
_ADD = Statement(adding(change, "seq"))
_ADD_MANY = Statement(
    change.insert().from_select(
        ["account_id", "modseq", "mailbox_id", "uid", "kind", "origin"],
        select(
            bindparam("account_id"),
            bindparam("modseq"),
            bindparam("mailbox_id"),
            literal_column("value"),
            bindparam("kind"),
            bindparam("origin"),
        ).select_from(chosen().subquery()),
    )
)
_ROW = (change.c.seq, change.c.account_id, change.c.modseq, change.c.mailbox_id, change.c.uid, change.c.kind)
_SINCE = Statement(
    select(*_ROW)
    .where(same(change.c.account_id), change.c.modseq > bindparam("modseq"))
    .order_by(change.c.modseq, change.c.seq)
    .limit(bindparam("limit"))
)
_AFTER = Statement(
    select(*_ROW).where(change.c.seq > bindparam("seq")).order_by(change.c.seq).limit(bindparam("limit"))
)
_LAST = Statement(select(func.coalesce(func.max(change.c.seq), 0)))
_MODSEQ = Statement(select(account.c.modseq).where(same(account.c.id, "account_id")))
_CURSOR = Statement(select(schema.cursor.c.seq).where(same(schema.cursor.c.name)))
_ADVANCE = Statement(
    (_put := upsert(schema.cursor).values(name=bindparam("name"), seq=bindparam("seq"))).on_conflict_do_update(
        index_elements=["name"], set_={"seq": _put.excluded.seq}, where=schema.cursor.c.seq < _put.excluded.seq
    )
)
_TRIM = Statement(
    delete(change).where(
        change.c.seq <= bindparam("seq"), change.c.seq < select(func.max(change.c.seq)).scalar_subquery()
    )
)


def next_modseq(tx: Writing, account_id: int) -> int:
    """Take the account's next modification number; one serves everything a command changes."""
    modseq: int = tx.value(_NEXT, account_id=account_id)
    return modseq


def record(  # noqa: PLR0917
    tx: Writing, account_id: int, modseq: int, mailbox_id: int, uid: int, kind: Kind, origin: int = DELIVERED
) -> None:
    """Write one change and wake the account's watchers after the commit."""
    change = {"account_id": account_id, "modseq": modseq, "mailbox_id": mailbox_id, "uid": uid}
    tx.execute(_ADD, **change, kind=_NUMBER[kind], origin=origin)
    tx.touch(account_id)


def record_many(  # noqa: PLR0917
    tx: Writing,
    account_id: int,
    modseq: int,
    mailbox_id: int,
    uids: Iterable[int],
    kind: Kind,
    origin: int = DELIVERED,
) -> None:
    """Write one change for each uid, in the order given."""
    change = {"account_id": account_id, "modseq": modseq, "mailbox_id": mailbox_id, "uids": as_json(uids)}
    tx.execute(_ADD_MANY, **change, kind=_NUMBER[kind], origin=origin)
    tx.touch(account_id)


def as_json(numbers: Iterable[int]) -> str:
    """Integers as the parameter `chosen` reads."""
    return f"[{','.join(map(str, numbers))}]"


def since(tx: Reading, account_id: int, modseq: int, limit: int = 10_000) -> list[Change]:
    """The account's changes with a higher modseq, oldest first.

    A command's changes share one modseq: when `limit` rows come back, the last modseq may be cut off in the middle; ask
    again from the one before.
    """
    return _changes(tx.execute(_SINCE, account_id=account_id, modseq=modseq, limit=limit))


def after(tx: Reading, seq: int, limit: int = 1000) -> list[Change]:
    """The whole node's changes behind `seq`, oldest first: what a listener has not seen."""
    return _changes(tx.execute(_AFTER, seq=seq, limit=limit))


def last(tx: Reading) -> int:
    """The newest `seq`, 0 when nothing ever changed."""
    seq: int = tx.value(_LAST)
    return seq


def modseq(tx: Reading, account_id: int) -> int:
    """The account's highest modification number."""
    number: int | None = tx.value(_MODSEQ, account_id=account_id)
    return number or 0


def cursor(tx: Reading, name: str) -> int:
    """How far a listener has come; 0 for a new one."""
    seq: int | None = tx.value(_CURSOR, name=name)
    return seq or 0


def advance(tx: Writing, name: str, seq: int) -> None:
    """Remember that a listener has dealt with everything up to `seq`; it never goes back."""
    tx.execute(_ADVANCE, name=name, seq=seq)


def trim(tx: Writing, seq: int) -> None:
    """Forget changes up to `seq`. Clients that were away longer resynchronise in full; the newest row always stays."""
    tx.execute(_TRIM, seq=seq)


def _changes(rows: list[Row]) -> list[Change]:
    return [
        Change(seq, account_id, modseq, mailbox_id, uid, KINDS[kind])
        for seq, account_id, modseq, mailbox_id, uid, kind in rows
    ]
