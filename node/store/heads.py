"""Heads as they are kept: bytes, with what they were made from. Everything here can be made again from the lessons."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, func, select, update

from node.store.schema import head
from node.store.statement import Statement, adding
from node.store.transaction import Reading, Writing


@dataclass(frozen=True, slots=True)
class Stored:
    """One head.

    Attributes:
        account_id: whose; None for the node's own.
        version: rises with every change of any head of the node.
        last: the lesson it was taught last.
        floor: lessons up to it count no more.
        spoils: lessons it was taught and that were taken back since; above 0 it has to be made again.
        content: `ai.heads.Head`, b"" for an empty one.
    """

    account_id: int | None
    version: int
    last: int
    floor: int
    spoils: int
    content: bytes


_C = head.c
_ROW = (_C.account_id, _C.version, _C.last, _C.floor, _C.stale, _C.content)
_OWNER = _C.account_id.is_(bindparam("account_id"))
_GET = Statement(select(*_ROW).where(_OWNER))
_CHANGED = Statement(
    select(_C.account_id, _C.version).where(_C.version > bindparam("version")).order_by(_C.version).limit(1000)
)
_VERSION = Statement(select(func.coalesce(func.max(_C.version), 0)))
_ADD = Statement(adding(head, "id"))
_PUT = Statement(
    update(head)
    .where(_C.account_id.is_(bindparam("owner")))
    .values(
        version=bindparam("new_version"),
        last=bindparam("new_last"),
        floor=bindparam("new_floor"),
        stale=bindparam("new_stale"),
        content=bindparam("new_content"),
    )
    .returning(_C.id)
)
_SPOIL = Statement(update(head).where(_C.account_id.is_(bindparam("owner"))).values(stale=_C.stale + 1))
_SPOILED = Statement(select(_C.account_id).where(_C.stale > 0))
_BEHIND = Statement(select(_C.account_id, _C.last))


def get(tx: Reading, account_id: int | None) -> Stored | None:
    """The head of an owner; None when it was never made."""
    row = tx.one(_GET, account_id=account_id)
    return None if row is None else Stored(*row)


def put(tx: Writing, made_from: Stored | None, new: Stored) -> bool:
    """Keep a head, unless somebody changed it since `made_from` was read; `new.version` does not matter.

    Returns False where it was changed: read again, and make it again.
    """
    present = get(tx, new.account_id)
    if (present is None) != (made_from is None):
        return False
    if present and made_from and (present.version, present.spoils) != (made_from.version, made_from.spoils):
        return False
    _write(tx, new)
    return True


def reset(tx: Writing, account_id: int | None, last: int) -> None:
    """Empty the head; what was taught up to lesson `last` counts no more."""
    _write(tx, Stored(account_id, 0, last, last, 0, b""))


def spoil(tx: Writing, account_id: int | None) -> None:
    """Say that a lesson the head was taught is no more."""
    tx.execute(_SPOIL, owner=account_id)


def states(tx: Reading) -> dict[int | None, int]:
    """The last lesson that each head was taught."""
    return dict(tx.execute(_BEHIND))


def spoiled(tx: Reading) -> list[int | None]:
    """Whose heads have to be made again."""
    return [account_id for (account_id,) in tx.execute(_SPOILED)]


def changed(tx: Reading, version: int) -> list[tuple[int | None, int]]:
    """(owner, version) of heads with a higher version, in its order; at most 1,000."""
    return tx.execute(_CHANGED, version=version)


def _write(tx: Writing, new: Stored) -> None:
    version = tx.value(_VERSION) + 1
    values = {"last": new.last, "floor": new.floor, "stale": new.spoils, "content": new.content}
    changes = {f"new_{name}": value for name, value in values.items()}
    if tx.one(_PUT, owner=new.account_id, new_version=version, **changes) is None:
        tx.execute(_ADD, account_id=new.account_id, version=version, **values)
