"""Messages in mailboxes: flags, counters, UIDs and change rows, kept in step by every function here.

All functions take and give UIDs, work on whole sets with a handful of statements, and pass over UIDs that are not
there.
"""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Collection, Iterator
from contextlib import closing

from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from node.store import changes, counters, holds, references
from node.store.changes import as_json
from node.store.counters import Delta
from node.store.message import ALL_FLAGS, Action, Flag, Message, Summary, made, pack_keywords, unpack_keywords
from node.store.schema import blob, mailbox, message, summary
from node.store.statement import Statement, adding, chosen, same
from node.store.transaction import Reading, Row, Writing

__all__ = [
    "Action",
    "Flag",
    "Message",
    "Summary",
    "add",
    "copy",
    "expunge",
    "flag_rows",
    "move",
    "owners",
    "remove",
    "rows",
    "store",
    "summaries",
    "uids",
]

_State = tuple[int, str]  # flag bits and keywords, as they are kept

_C = message.c
_STATE_AT, _MODSEQ_AT = slice(4, 6), 7  # in a whole row of the table

_IN_RANGE = (same(_C.mailbox_id), _C.uid.between(bindparam("low"), bindparam("high")))
_IN_SET = (same(_C.mailbox_id), _C.uid.in_(chosen()))
_LIGHT = (_C.uid, _C.flags, _C.keywords, _C.modseq)
_SUMMARY = (summary.c.envelope, summary.c.body, summary.c.bodystructure, summary.c.layout)
_WITH_SUMMARY = select(_C.uid, *_SUMMARY).join_from(message, summary, summary.c.blob_id == _C.blob_id)

_ADD = Statement(adding(message))
_ADD_SUMMARY = Statement(
    upsert(summary).values({c.name: bindparam(c.name) for c in summary.c}).on_conflict_do_nothing()
)
_COPY = Statement(
    message.insert().from_select(
        [c.name for c in message.c],
        select(
            bindparam("target_id"),
            bindparam("first") + func.row_number().over(order_by=_C.uid) - 1,
            _C.blob_id,
            _C.size,
            _C.flags,
            _C.keywords,
            _C.internaldate,
            bindparam("modseq"),
            bindparam("saved"),
        ).where(*_IN_SET),
    )
)
_TALLY = Statement(select(_C.uid, _C.blob_id, _C.size, _C.flags).where(*_IN_SET).order_by(_C.uid))
_REMOVE = Statement(delete(message).where(*_IN_SET))
_SET_FLAGS = Statement(
    update(message)
    .where(*_IN_SET)
    .values(flags=bindparam("new_flags"), keywords=bindparam("new_keywords"), modseq=bindparam("new_modseq"))
)
_MARKED = Statement(
    select(_C.uid).where(same(_C.mailbox_id), _C.flags.bitwise_and(Flag.DELETED.value) != 0).order_by(_C.uid)
)
_UIDS = Statement(select(_C.uid).where(same(_C.mailbox_id)).order_by(_C.uid))
_ROWS_RANGE = Statement(select(message).where(*_IN_RANGE).order_by(_C.uid))
_ROWS_SET = Statement(select(message).where(*_IN_SET).order_by(_C.uid))
_LIGHT_RANGE = Statement(select(*_LIGHT).where(*_IN_RANGE).order_by(_C.uid))
_LIGHT_SET = Statement(select(*_LIGHT).where(*_IN_SET).order_by(_C.uid))
_SUMMARY_RANGE = Statement(_WITH_SUMMARY.where(*_IN_RANGE).order_by(_C.uid))
_SUMMARY_SET = Statement(_WITH_SUMMARY.where(*_IN_SET).order_by(_C.uid))
_OWNERS = Statement(
    select(mailbox.c.account_id)
    .distinct()
    .join_from(blob, message, _C.blob_id == blob.c.id)
    .join(mailbox, mailbox.c.id == _C.mailbox_id)
    .where(same(blob.c.sha256))
    .order_by(mailbox.c.account_id)
)


def add(
    tx: Writing,
    mailbox_id: int,
    blob_id: int,
    size: int,
    summary: Summary,
    *,
    flags: Flag = ALL_FLAGS[0],
    keywords: Collection[str] = frozenset(),
    internaldate: int,
    origin: int = changes.DELIVERED,
) -> Message:
    """Put a blob into a mailbox as its newest message.

    Args:
        origin: `changes.DELIVERED` or `changes.APPENDED`.

    Raises:
        MailboxError: the mailbox is gone or holds no messages, or there are too many keywords.
    """
    packed = pack_keywords(keywords)
    account_id, modseq = counters.next_modseq(tx, mailbox_id)
    uid = counters.reserve(tx, mailbox_id, modseq, Delta.of([(size, int(flags))]))
    saved = int(time.time())
    tx.execute(
        _ADD,
        mailbox_id=mailbox_id,
        uid=uid,
        blob_id=blob_id,
        size=size,
        flags=int(flags),
        keywords=packed,
        internaldate=internaldate,
        modseq=modseq,
        saved=saved,
    )
    tx.execute(
        _ADD_SUMMARY,
        blob_id=blob_id,
        envelope=summary.envelope,
        body=summary.body,
        bodystructure=summary.bodystructure,
        layout=summary.layout,
    )
    references.hold(tx, blob_id)
    changes.record(tx, account_id, modseq, mailbox_id, uid, "added", origin)
    return Message(mailbox_id, uid, blob_id, size, flags, frozenset(keywords), internaldate, modseq, saved)


def copy(tx: Writing, mailbox_id: int, uids: Collection[int], target_id: int) -> list[tuple[int, int]]:
    """Copy messages with flags and dates (RFC 3501 §6.4.7) and return (source uid, new uid) in rising order.

    Raises:
        MailboxError: a mailbox is gone, or the target holds no messages.
    """
    return _copy(tx, mailbox_id, uids, target_id)[0]


def move(tx: Writing, mailbox_id: int, uids: Collection[int], target_id: int) -> list[tuple[int, int]]:
    """Copy and remove in one (RFC 6851 §3.3); one modseq stands for both when the mailboxes are of one account."""
    pairs, modseq = _copy(tx, mailbox_id, uids, target_id)
    if pairs:
        _remove(tx, mailbox_id, [source for source, _ in pairs], modseq)
    return pairs


def expunge(tx: Writing, mailbox_id: int, uids: Collection[int] | None = None) -> list[int]:
    """Remove the messages flagged DELETED and return which went, in rising order.

    Args:
        uids: only of these (UID EXPUNGE, RFC 4315 §2.1); of all when None.
    """
    marked = [uid for (uid,) in tx.execute(_MARKED, mailbox_id=mailbox_id)]
    if uids is not None:
        wanted = set(uids)
        marked = [uid for uid in marked if uid in wanted]
    return remove(tx, mailbox_id, marked)


def remove(tx: Writing, mailbox_id: int, uids: Collection[int]) -> list[int]:
    """Remove messages whatever their flags; return which went, in rising order. Change rows stay as tombstones."""
    return _remove(tx, mailbox_id, uids, None) if uids else []


def store(  # noqa: PLR0917
    tx: Writing,
    mailbox_id: int,
    uids: Collection[int],
    change: Action,
    flags: Flag,
    keywords: Collection[str] = frozenset(),
    unchangedsince: int | None = None,
) -> list[Message]:
    """Change flags (RFC 3501 §6.4.6) and return every named message as it is now, in rising order of uid.

    A message whose flags are as asked already keeps its modseq. With `unchangedsince`, messages with a higher modseq
    are left alone and left out (RFC 7162 §3.1.3).

    Raises:
        MailboxError: a message would carry too many keywords.
    """
    asked = frozenset(keywords)
    pack_keywords(asked)
    found = _select(tx, _ROWS_RANGE, _ROWS_SET, mailbox_id, uids)
    if unchangedsince is not None:
        found = [row for row in found if row[_MODSEQ_AT] <= unchangedsince]
    states: dict[_State, list[int]] = {}  # few, however many messages
    for row in found:
        states.setdefault(row[_STATE_AT], []).append(row[_UID_AT[_ROWS_RANGE]])
    edits = {state: _edited(state, change, int(flags), asked) for state in states}
    edits = {state: new for state, new in edits.items() if new != state}
    if not edits:
        return [made(row) for row in found]
    account_id, modseq = counters.next_modseq(tx, mailbox_id)
    for state, (bits, packed) in edits.items():
        members = as_json(states[state])
        values = {"new_flags": bits, "new_keywords": packed, "new_modseq": modseq}
        tx.execute(_SET_FLAGS, mailbox_id=mailbox_id, uids=members, **values)
    before = Delta.of((0, state[0]) for state in edits for _ in states[state])
    after = Delta.of((0, new[0]) for state, new in edits.items() for _ in states[state])
    counters.move(tx, mailbox_id, modseq, Delta(*(new - old for new, old in zip(after, before, strict=True))))
    edited = sorted(uid for state in edits for uid in states[state])
    changes.record_many(tx, account_id, modseq, mailbox_id, edited, "flags")
    return [made(_after(row, edits, modseq)) for row in found]


def uids(tx: Reading, mailbox_id: int) -> array[int]:
    """All UIDs in rising order; position n - 1 is message number n. 4 bytes each."""
    return array("I", [uid for (uid,) in tx.execute(_UIDS, mailbox_id=mailbox_id)])


def rows(tx: Reading, mailbox_id: int, uids: Collection[int]) -> list[Message]:
    """Messages in rising order of uid."""
    return [made(row) for row in _select(tx, _ROWS_RANGE, _ROWS_SET, mailbox_id, uids)]


def flag_rows(tx: Reading, mailbox_id: int, uids: Collection[int]) -> list[tuple[int, int, str, int]]:
    """(uid, flag bits, keywords joined by a space, modseq) in rising order of uid: the cheap answer to FETCH FLAGS."""
    return _select(tx, _LIGHT_RANGE, _LIGHT_SET, mailbox_id, uids)


def summaries(
    tx: Reading, mailbox_id: int, uids: Collection[int], *, octets: int = sys.maxsize
) -> Iterator[tuple[int, Summary]]:
    """(uid, summary) in rising order of uid. Ends early, behind at least one, once it has given out so many octets.

    A summary usually has a few KB, but a sender can have it grow to more than a MB.
    """
    if not uids:
        return
    low, high = min(uids), max(uids)
    if high - low >= 4 * len(uids):
        rows = tx.each(_SUMMARY_SET, mailbox_id=mailbox_id, uids=as_json(uids))
    else:
        rows = tx.each(_SUMMARY_RANGE, mailbox_id=mailbox_id, low=low, high=high)
    wanted = set(uids)
    with closing(rows):
        for uid, *parts in rows:
            if uid in wanted:
                yield uid, Summary(*parts)
                octets -= sum(map(len, parts))
                if octets <= 0:
                    return


def owners(tx: Reading, sha256: bytes) -> list[int]:
    """The ids of the accounts that hold a message with this content."""
    return [account_id for (account_id,) in tx.execute(_OWNERS, sha256=sha256)]


def _select(tx: Reading, ranged: Statement, exact: Statement, mailbox_id: int, uids: Collection[int]) -> list[Row]:
    """One query: a range scan when the uids lie close together, else a lookup of each."""
    if not uids:
        return []
    low, high = min(uids), max(uids)
    if high - low >= 4 * len(uids):
        return tx.execute(exact, mailbox_id=mailbox_id, uids=as_json(uids))
    found = tx.execute(ranged, mailbox_id=mailbox_id, low=low, high=high)
    if high - low + 1 == len(uids):  # nothing between them can be unwanted, unless a uid was named twice
        return found
    wanted = set(uids)
    return [row for row in found if row[_UID_AT[ranged]] in wanted]


_UID_AT = {_ROWS_RANGE: 1, _LIGHT_RANGE: 0}


def _copy(
    tx: Writing, mailbox_id: int, uids: Collection[int], target_id: int
) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    packed = as_json(uids)
    tallies = tx.execute(_TALLY, mailbox_id=mailbox_id, uids=packed)
    account_id, modseq = counters.next_modseq(tx, target_id)
    if not tallies:
        return [], (account_id, modseq)
    first = counters.reserve(tx, target_id, modseq, Delta.of(tally[2:] for tally in tallies))
    tx.execute(
        _COPY,
        mailbox_id=mailbox_id,
        uids=packed,
        target_id=target_id,
        first=first,
        modseq=modseq,
        saved=int(time.time()),
    )
    references.change_many(tx, (blob_id for _, blob_id, *_ in tallies), 1)
    pairs = [(source, first + offset) for offset, (source, *_) in enumerate(tallies)]
    changes.record_many(tx, account_id, modseq, target_id, [new for _, new in pairs], "added", mailbox_id)
    return pairs, (account_id, modseq)


def _remove(tx: Writing, mailbox_id: int, uids: Collection[int], under: tuple[int, int] | None) -> list[int]:
    """Remove messages; `under` is the account and modseq of a move that this is half of."""
    packed = as_json(uids)
    tallies = tx.execute(_TALLY, mailbox_id=mailbox_id, uids=packed)
    if not tallies:
        return []
    account_id, modseq = under or counters.next_modseq(tx, mailbox_id)
    holds.keep_removed(
        tx, mailbox_id, [(uid, blob_id, size) for uid, blob_id, size, _ in tallies], under[0] if under else None
    )
    tx.execute(_REMOVE, mailbox_id=mailbox_id, uids=packed)
    counters.move(tx, mailbox_id, modseq, Delta.of((tally[2:] for tally in tallies), -1))
    references.change_many(tx, (blob_id for _, blob_id, *_ in tallies), -1)
    gone = [uid for uid, *_ in tallies]
    changes.record_many(tx, account_id, modseq, mailbox_id, gone, "expunged")
    return gone


def _edited(state: _State, change: Action, bits: int, keywords: frozenset[str]) -> _State:
    """Flag bits and packed keywords after a change."""
    had, words = state[0], unpack_keywords(state[1])
    if change == "add":
        bits, keywords = had | bits, words | keywords
    elif change == "remove":
        bits, keywords = had & ~bits, words - keywords
    return bits, pack_keywords(keywords)


def _after(row: Row, edits: dict[_State, _State], modseq: int) -> Row:
    new = edits.get(row[_STATE_AT])
    if new is None:
        return row
    mailbox_id, uid, blob_id, size, _, _, internaldate, _, saved = row
    return (mailbox_id, uid, blob_id, size, *new, internaldate, modseq, saved)
