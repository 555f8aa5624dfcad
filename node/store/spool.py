"""The spool: mail on its way out, one row a recipient. A promise kept across a crash."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, func, select, update

from node.store import references
from node.store.schema import spool
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class Entry:
    """One recipient of one message. Times are unix seconds.

    Attributes:
        sender: the reverse-path without brackets, "" for the null one.
        recipient: the forward-path, as given.
        last_reply: what the other side said last, "" before the first attempt.
        smtputf8: the message needs SMTPUTF8 on the way (RFC 6531 §3.4).
    """

    id: int
    blob_id: int
    sender: str
    recipient: str
    created: int
    next_attempt: int
    attempts: int
    expires: int
    last_reply: str
    smtputf8: bool


_C = spool.c
_ADD = Statement(adding(spool, "id").returning(_C.id))
_DUE = Statement(
    select(spool).where(_C.next_attempt <= bindparam("now")).order_by(_C.next_attempt, _C.id).limit(bindparam("limit"))
)
_GET = Statement(select(spool).where(same(_C.id)))
_NEXT = Statement(select(func.min(_C.next_attempt)))
_DONE = Statement(delete(spool).where(same(_C.id)).returning(_C.blob_id))
_DEFER = Statement(
    update(spool)
    .where(same(_C.id, "entry_id"))
    .values(next_attempt=bindparam("when"), attempts=_C.attempts + 1, last_reply=bindparam("reply"))
)
_COUNT = Statement(select(func.count()).select_from(spool))


def add(
    tx: Writing, blob_id: int, sender: str, recipient: str, *, next_attempt: int, expires: int, smtputf8: bool = False
) -> Entry:
    """Promise to carry a blob to a recipient; the blob is kept until `done`."""
    created = int(time.time())
    id = tx.value(
        _ADD,
        blob_id=blob_id,
        sender=sender,
        recipient=recipient,
        created=created,
        next_attempt=next_attempt,
        attempts=0,
        expires=expires,
        last_reply="",
        smtputf8=int(smtputf8),
    )
    references.hold(tx, blob_id)
    return Entry(id, blob_id, sender, recipient, created, next_attempt, 0, expires, "", smtputf8)


def get(tx: Reading, id: int) -> Entry | None:
    """One entry."""
    row = tx.one(_GET, id=id)
    return _made(row) if row else None


def due(tx: Reading, now: int, limit: int = 100) -> list[Entry]:
    """Entries whose next attempt is due, longest waiting first."""
    return [_made(row) for row in tx.execute(_DUE, now=now, limit=limit)]


def next_due(tx: Reading) -> int | None:
    """When the next attempt is due, or None for an empty spool."""
    when: int | None = tx.value(_NEXT)
    return when


def done(tx: Writing, id: int) -> None:
    """The recipient has it, or was given up and bounced; doing it twice changes nothing."""
    blob_id = tx.value(_DONE, id=id)
    if blob_id is not None:
        references.release(tx, blob_id)


def defer(tx: Writing, id: int, when: int, reply: str) -> None:
    """Count a failed attempt, to be tried again at `when`."""
    tx.execute(_DEFER, entry_id=id, when=when, reply=reply)


def count(tx: Reading) -> int:
    """Entries in the spool."""
    number: int = tx.value(_COUNT)
    return number


def _made(row: Row) -> Entry:
    return Entry(*row[:-1], bool(row[-1]))  # type: ignore[call-arg]
