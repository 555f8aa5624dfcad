"""The audit trail's rows: event documents, their salts, and where their leaves stand in the log."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import bindparam, func, or_, select, union_all

from node.store.schema import leaf
from node.store.schema_audit import audit_event
from node.store.statement import Statement, adding, chosen, same
from node.store.transaction import Reading, Row, Writing


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One event as it is kept; kind, actor, subject and time stand in the document, too, and there they count.

    Attributes:
        index: of its leaf in the log.
        number: 1 for the node's first event, and so on.
        salt: 32 bytes.
        document: canonical JSON (`node.anchor.events`).
    """

    index: int
    number: int
    time: int
    kind: str
    actor: str
    subject: str
    salt: bytes = field(repr=False)
    document: bytes


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events; "" stands for all. `since` and `until` are unix seconds, both included."""

    kind: str = ""
    actor: str = ""
    subject: str = ""
    since: int = 0
    until: int = 1 << 62


_C = audit_event.c
_ADD = Statement(adding(audit_event))
_LAST = Statement(select(func.coalesce(func.max(_C.number), 0)))
_BY_NUMBER = Statement(select(audit_event).where(same(_C.number)))
_COUNT = Statement(select(func.count()).select_from(audit_event))
_LISTING = Statement(
    select(audit_event)
    .where(
        _C.number > bindparam("after"),
        or_(bindparam("kind") == "", _C.kind == bindparam("kind")),
        or_(bindparam("actor") == "", _C.actor == bindparam("actor")),
        or_(bindparam("subject") == "", _C.subject == bindparam("subject")),
        _C.time.between(bindparam("since"), bindparam("until")),
    )
    .order_by(_C.number)
    .limit(bindparam("limit"))
)
_NEWEST = Statement(
    select(audit_event).where(_C.kind.in_(chosen("kinds")), same(_C.subject)).order_by(_C.number.desc()).limit(1)
)
_FROM = Statement(
    select(audit_event).where(_C.index >= bindparam("start")).order_by(_C.index).limit(bindparam("limit"))
)
_KNOWN = Statement(  # what the log's entries stand for, by index: messages and events
    union_all(
        select(leaf.c.index).where(leaf.c.index >= bindparam("start"), leaf.c.index < bindparam("stop")),
        select(_C.index).where(_C.index >= bindparam("start"), _C.index < bindparam("stop")),
    )
)


def add(tx: Writing, event: StoredEvent) -> None:
    """Keep an event."""
    tx.execute(
        _ADD,
        index=event.index,
        number=event.number,
        time=event.time,
        kind=event.kind,
        actor=event.actor,
        subject=event.subject,
        salt=event.salt,
        document=event.document,
    )


def last(tx: Reading) -> int:
    """The newest event's number; 0 before the first."""
    number: int = tx.value(_LAST)
    return number


def get(tx: Reading, number: int) -> StoredEvent | None:
    """An event by its number."""
    return _made(tx.one(_BY_NUMBER, number=number))


def count(tx: Reading) -> int:
    """How many events there are."""
    number: int = tx.value(_COUNT)
    return number


def listing(tx: Reading, wanted: Wanted, *, after: int = 0, limit: int = 500) -> list[StoredEvent]:
    """The events that are wanted, oldest first, from behind number `after` on."""
    rows = tx.execute(
        _LISTING,
        after=after,
        limit=limit,
        kind=wanted.kind,
        actor=wanted.actor,
        subject=wanted.subject,
        since=wanted.since,
        until=wanted.until,
    )
    return [StoredEvent(*row) for row in rows]


def newest(tx: Reading, kinds: Sequence[str], subject: str) -> StoredEvent | None:
    """The newest event of some kinds about a subject."""
    return _made(tx.one(_NEWEST, kinds=json.dumps([str(kind) for kind in kinds]), subject=subject))


def following(tx: Reading, start: int, limit: int = 500) -> list[StoredEvent]:
    """The events whose leaves stand at `start` or behind it, in the log's order."""
    return [StoredEvent(*row) for row in tx.execute(_FROM, start=start, limit=limit)]


def unexplained(tx: Reading, start: int, stop: int) -> list[int]:
    """Indices in [start, stop) for which there is neither a message's leaf nor an event."""
    known = {index for (index,) in tx.execute(_KNOWN, start=start, stop=stop)}
    return [index for index in range(start, stop) if index not in known]


def _made(row: Row | None) -> StoredEvent | None:
    return None if row is None else StoredEvent(*row)
