"""Legal holds: while one lasts, what is deleted from a person's mailboxes, or from one of them, stays on the node.

The person sees it go. Its content keeps a reference, so that neither its blob nor its keys nor its blocks are removed.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, or_, select

from node.store import references
from node.store.schema import blob, mailbox
from node.store.schema_holds import held_back, legal_hold
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold; times are unix seconds.

    Attributes:
        mailbox: its name when the hold began, "" for all of the person's.
        messages, octets: what was deleted since and is kept.
    """

    id: int
    account_id: int
    address: str
    mailbox: str
    reason: str
    since: int
    messages: int
    octets: int


@dataclass(frozen=True, slots=True)
class KeptBack:
    """A message that was deleted under a hold."""

    id: int
    blob_id: int
    sha256: bytes
    mailbox: str
    uid: int
    size: int
    deleted: int


_H, _K = legal_hold.c, held_back.c
_ADD = Statement(adding(legal_hold, "id").returning(_H.id))
_KEEP = Statement(adding(held_back, "id"))
_SELECT = (
    select(_H.id, _H.account_id, _H.address, _H.mailbox, _H.reason, _H.since, func.count(_K.id), func.sum(_K.size))
    .join_from(legal_hold, held_back, _K.hold_id == _H.id, isouter=True)
    .group_by(_H.id)
    .order_by(_H.id)
)
_LISTING = Statement(_SELECT)
_GET = Statement(_SELECT.where(same(_H.id)))
_ANY = Statement(select(_H.id).limit(1))
_OVER = Statement(
    select(_H.id, _H.mailbox_id, mailbox.c.account_id, mailbox.c.name)
    .join_from(legal_hold, mailbox, mailbox.c.account_id == _H.account_id)
    .where(same(mailbox.c.id), or_(_H.mailbox_id == 0, _H.mailbox_id == mailbox.c.id))
)
_OF_PERSON = Statement(select(_H.id).where(same(_H.account_id), _H.mailbox_id == 0))
_KEPT = Statement(
    select(_K.id, _K.blob_id, blob.c.sha256, _K.mailbox, _K.uid, _K.size, _K.deleted)
    .join_from(held_back, blob, blob.c.id == _K.blob_id)
    .where(same(_K.hold_id), _K.id > bindparam("after"))
    .order_by(_K.id)
    .limit(bindparam("limit"))
)
_BLOBS = Statement(select(_K.blob_id).where(same(_K.hold_id)))
_REMOVE = Statement(delete(legal_hold).where(same(_H.id)))


def add(tx: Writing, account_id: int, address: str, box: tuple[int, str], reason: str) -> int:
    """Begin a hold; return its number.

    Args:
        box: a mailbox's id and name, or (0, "") for all that the person has and will have.
    """
    values = {"account_id": account_id, "address": address, "mailbox_id": box[0], "mailbox": box[1], "reason": reason}
    number: int = tx.value(_ADD, **values, since=int(time.time()))
    return number


def listing(tx: Reading) -> list[Hold]:
    """All holds, oldest first."""
    return [_made(row) for row in tx.execute(_LISTING)]


def get(tx: Reading, id: int) -> Hold | None:
    """One hold, or None when it is over."""
    row = tx.one(_GET, id=id)
    return _made(row) if row else None


def kept(tx: Reading, id: int, after: int = 0, limit: int = 100) -> list[KeptBack]:
    """What a hold keeps, with a number above `after`, in the order of deletion."""
    return [KeptBack(*row) for row in tx.execute(_KEPT, hold_id=id, after=after, limit=limit)]


def remove(tx: Writing, id: int) -> None:
    """End a hold: what it alone kept is garbage now."""
    references.change_many(tx, (blob_id for (blob_id,) in tx.execute(_BLOBS, hold_id=id)), -1)
    tx.execute(_REMOVE, id=id)


def keep_removed(
    tx: Writing, mailbox_id: int, messages: Iterable[tuple[int, int, int]], moved_to: int | None = None
) -> None:
    """Keep messages (uid, blob, octets) that go out of a mailbox, once for each hold over it.

    Args:
        moved_to: the account whose mailbox they go to; a hold over a whole person is not concerned by what they move
            among their own.
    """
    if tx.one(_ANY) is None:
        return
    for hold_id, of_mailbox, owner, name in tx.execute(_OVER, id=mailbox_id):
        if of_mailbox or moved_to != owner:
            for uid, blob_id, size in messages:
                _keep(tx, hold_id, blob_id, name, uid, size)


def keep_undecided(tx: Writing, account_ids: Iterable[int], blob_id: int, size: int) -> None:
    """Likewise a message that was kept back for an administrator and goes without reaching a mailbox."""
    if tx.one(_ANY) is None:
        return
    for account_id in account_ids:
        for (hold_id,) in tx.execute(_OF_PERSON, account_id=account_id):
            _keep(tx, hold_id, blob_id, "", 0, size)


def _keep(tx: Writing, hold_id: int, blob_id: int, name: str, uid: int, size: int) -> None:  # noqa: PLR0917
    tx.execute(_KEEP, hold_id=hold_id, blob_id=blob_id, mailbox=name, uid=uid, size=size, deleted=int(time.time()))
    references.hold(tx, blob_id)


def _made(row: Row) -> Hold:
    id, account_id, address, name, reason, since, messages, octets = row
    return Hold(id, account_id, address, name, reason, since, messages, octets or 0)
