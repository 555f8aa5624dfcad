"""Rows of replicas: the queue of trees that other places are to hold, and what they hold.

What belongs into the queue is read off the parts themselves: a crash between a part and its row loses nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy import bindparam, delete, exists, func, insert, literal, not_, select, update

from node.store.schema import part
from node.store.schema_replicas import replica
from node.store.statement import Statement, same
from node.store.transaction import Reading, Writing


class State(IntEnum):
    """How far a place is with a tree."""

    WAITING = 0  # to be sent
    ASKED = 1  # sent, and not confirmed yet
    HELD = 2  # confirmed
    GOING = 3  # nobody needs it any more: to be dropped there


@dataclass(frozen=True, slots=True)
class Replica:
    """A tree and a place; times are seconds since 1970, `size` is the content's in octets."""

    root: bytes
    place: str
    state: State
    size: int
    request: str
    attempts: int
    due: int
    since: int
    error: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One place: trees that wait or are asked for, held ones, those to be dropped, and when the oldest wait began."""

    place: str
    waiting: int
    held: int
    going: int
    oldest: int | None
    error: str


_C = replica.c
_OPEN = (State.WAITING.value, State.ASKED.value)
_KEPT = select(part.c.cid).where(part.c.cid != b"", part.c.blob_id.is_not(None))
_NEEDED = _C.root.in_(_KEPT)  # looked up in a list made once
_NEW = Statement(
    select(func.count()).where(
        part.c.cid != b"",
        part.c.blob_id.is_not(None),
        not_(exists().where(_C.root == part.c.cid, same(_C.place))),
    )
)
_TURNED = Statement(select(func.count()).where((_C.state != State.GOING.value) != _NEEDED))
_ENQUEUE = Statement(
    insert(replica).from_select(
        [column.name for column in _C],
        select(
            part.c.cid,
            bindparam("place"),
            literal(State.WAITING.value),
            func.max(part.c.size),
            literal(""),
            bindparam("none"),
            bindparam("now"),
            bindparam("now"),
            literal(""),
        )
        .where(
            part.c.cid != b"",
            part.c.blob_id.is_not(None),
            not_(exists().where(_C.root == part.c.cid, _C.place == bindparam("place"))),
        )
        .group_by(part.c.cid),
    )
)
_LET_GO = Statement(
    update(replica)
    .where(_C.state != State.GOING.value, not_(_NEEDED))
    .values(state=bindparam("going"), due=bindparam("now"), since=bindparam("now"), attempts=bindparam("none"))
)
_WANT_AGAIN = Statement(
    update(replica)
    .where(_C.state == State.GOING.value, _NEEDED)
    .values(state=bindparam("waiting"), due=bindparam("now"), since=bindparam("now"), attempts=bindparam("none"))
)
_DUE = Statement(
    select(replica)
    .where(same(_C.place), _C.due <= bindparam("now"), _C.state != State.HELD.value)
    .order_by(_C.due)
    .limit(bindparam("limit"))
)
_NEXT = Statement(select(func.min(_C.due)).where(same(_C.place), _C.state != State.HELD.value))
_HELD = Statement(
    select(replica)
    .where(same(_C.place), _C.state == State.HELD.value, _C.root > bindparam("after"))
    .order_by(_C.root)
    .limit(bindparam("limit"))
)
_PUT = Statement(
    update(replica)
    .where(same(_C.root, "of"), same(_C.place, "at"))
    .values({name: bindparam(f"new_{name}") for name in ("state", "request", "attempts", "due", "since", "error")})
)
_FORGET = Statement(delete(replica).where(same(_C.root), same(_C.place)))
_FORGET_PLACE = Statement(delete(replica).where(same(_C.place)))
_PLACES = Statement(select(_C.place).distinct().order_by(_C.place))
_COUNT = Statement(select(_C.state, func.count(), func.min(_C.since)).where(same(_C.place)).group_by(_C.state))
_ERROR = Statement(
    select(_C.error).where(same(_C.place), _C.error != "").order_by(_C.attempts.desc()).limit(bindparam("limit"))
)
_COPIES = Statement(select(func.count()).where(same(_C.root), _C.state == State.HELD.value))
_NEEDY = Statement(
    select(func.count()).where(
        (part.c.cid == b"")
        | (part.c.blob_id.is_not(None))
        & (
            select(func.count())
            .where(_C.root == part.c.cid, _C.state == State.HELD.value)
            .correlate(part)
            .scalar_subquery()
            < bindparam("copies")
        )
    )
)


def is_stale(tx: Reading, places: Sequence[str]) -> bool:
    """True when `refresh` has something to do: asked first, since it holds up nobody."""
    return any(tx.value(_NEW, place=place) for place in places) or bool(tx.value(_TURNED))


def refresh(tx: Writing, places: Sequence[str], now: int) -> None:
    """Bring the queue in line with the parts: what is new is to be sent everywhere, what is gone to be dropped."""
    for place in places:
        tx.execute(_ENQUEUE, place=place, now=now, none=0)
    tx.execute(_LET_GO, now=now, going=State.GOING.value, none=0)
    tx.execute(_WANT_AGAIN, now=now, waiting=State.WAITING.value, none=0)


def due(tx: Reading, place: str, now: int, limit: int) -> list[Replica]:
    """What is to be done at a place now, longest due first."""
    return [_replica(row) for row in tx.execute(_DUE, place=place, now=now, limit=limit)]


def next_due(tx: Reading, place: str) -> int | None:
    """When the next thing is to be done at a place; None for nothing."""
    value: int | None = tx.value(_NEXT, place=place)
    return value


def held(tx: Reading, place: str, after: bytes, limit: int) -> list[Replica]:
    """What a place has confirmed, by root, behind `after`."""
    return [_replica(row) for row in tx.execute(_HELD, place=place, after=after, limit=limit)]


def put(tx: Writing, row: Replica) -> None:
    """How far it is now. A row that went meanwhile stays away."""
    values = {"state": row.state.value, "request": row.request, "attempts": row.attempts}
    values |= {"due": row.due, "since": row.since, "error": row.error}
    tx.execute(_PUT, of=row.root, at=row.place, **{f"new_{name}": value for name, value in values.items()})


def forget(tx: Writing, root: bytes, place: str) -> None:
    """The place holds the tree no longer."""
    tx.execute(_FORGET, root=root, place=place)


def forget_place(tx: Writing, place: str) -> None:
    """The place is not among the settings any more; what it holds is not counted on."""
    tx.execute(_FORGET_PLACE, place=place)


def places(tx: Reading) -> list[str]:
    """Every place that rows name."""
    return [place for (place,) in tx.execute(_PLACES)]


def standing(tx: Reading, place: str) -> Standing:
    """How far a place is."""
    rows = {State(state): (count, since) for state, count, since in tx.execute(_COUNT, place=place)}
    counts = {state: rows.get(state, (0, None)) for state in State}
    waits = [counts[State(state)] for state in _OPEN]
    oldest = min((since for _count, since in waits if since is not None), default=None)
    error = tx.value(_ERROR, place=place, limit=1) or ""
    waiting = sum(count for count, _since in waits)
    return Standing(place, waiting, counts[State.HELD][0], counts[State.GOING][0], oldest, error)


def copies(tx: Reading, root: bytes) -> int:
    """How many places have confirmed this tree."""
    count: int = tx.value(_COPIES, root=root)
    return count


def needy(tx: Reading, copies: int) -> int:
    """How many parts are being written, or kept in fewer than `copies` places."""
    count: int = tx.value(_NEEDY, copies=copies)
    return count


def _replica(row: Sequence[object]) -> Replica:
    root, place, state, *rest = row
    return Replica(root, place, State(state), *rest)  # type: ignore[arg-type]
