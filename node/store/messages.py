"""Messages in mailboxes: flags, counters, UIDs and change rows, kept in step by every function here.

All functions take and give UIDs, work on whole sets with a handful of statements, and pass over UIDs that are not
there.
"""

from __future__ import annotations

import time
from array import array
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from enum import IntFlag
from functools import lru_cache
from typing import Literal

from sqlalchemy import bindparam, case, delete, func, select, true, update
from sqlalchemy.dialects.sqlite import insert as upsert

from node.store import changes, references
from node.store.changes import as_json
from node.store.refusal import MailboxError, Reason
from node.store.schema import account, blob, mailbox, message, summary
from node.store.statement import Statement, adding, chosen, same
from node.store.transaction import Reading, Row, Writing

MAX_KEYWORDS = 64  # on one message
MAX_KEYWORD = 64  # characters
MAX_UID = 2**32 - 1  # RFC 3501 §2.3.1.1


class Flag(IntFlag):
    """System flags (RFC 3501 §2.3.2), as they are stored."""

    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


Action = Literal["set", "add", "remove"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message in one mailbox.

    Attributes:
        size: octets, as RFC822.SIZE.
        keywords: flags that clients invented, "$Junk" and the like.
        internaldate: unix seconds (RFC 3501 §2.3.3).
        modseq: of its last change (RFC 7162 §3.1.1).
        saved: unix seconds when it came into this mailbox (RFC 8514 §3).
        salt: of its leaf in the log, b"" for none.
    """

    mailbox_id: int
    uid: int
    blob_id: int
    size: int
    flags: Flag
    keywords: frozenset[str]
    internaldate: int
    modseq: int
    saved: int
    salt: bytes = b""


@dataclass(frozen=True, slots=True)
class Summary:
    """What IMAP asks for again and again, ready to be sent: made once at delivery by `node.mail.summary`."""

    envelope: bytes
    body: bytes
    bodystructure: bytes
    layout: bytes


_ALL_FLAGS = tuple(Flag(bits) for bits in range(32))
_C = message.c
_SEEN, _DELETED = Flag.SEEN.value, Flag.DELETED.value

_IN_RANGE = (same(_C.mailbox_id), _C.uid.between(bindparam("low"), bindparam("high")))
_IN_SET = (same(_C.mailbox_id), _C.uid.in_(chosen()))
_LIGHT = (_C.uid, _C.flags, _C.keywords, _C.modseq)
_SUMMARY = (summary.c.envelope, summary.c.body, summary.c.bodystructure, summary.c.layout)
_WITH_SUMMARY = select(_C.uid, *_SUMMARY).join_from(message, summary, summary.c.blob_id == _C.blob_id)

_MODSEQ = Statement(
    update(account)
    .where(
        account.c.id == select(mailbox.c.account_id).where(mailbox.c.id == bindparam("mailbox_id")).scalar_subquery()
    )
    .values(modseq=account.c.modseq + 1)
    .returning(account.c.id, account.c.modseq)
)
_ROOM = Statement(
    update(mailbox)
    .where(same(mailbox.c.id, "mailbox_id"), mailbox.c.selectable == 1)
    .values(
        uidnext=mailbox.c.uidnext + bindparam("count"),
        messages=mailbox.c.messages + bindparam("count"),
        unseen=mailbox.c.unseen + bindparam("more_unseen"),
        deleted=mailbox.c.deleted + bindparam("more_deleted"),
        size=mailbox.c.size + bindparam("more_size"),
        highestmodseq=bindparam("modseq"),
    )
    .returning(mailbox.c.uidnext)
)
_COUNTERS = Statement(
    update(mailbox)
    .where(same(mailbox.c.id, "mailbox_id"))
    .values(
        messages=mailbox.c.messages + bindparam("count"),
        unseen=mailbox.c.unseen + bindparam("more_unseen"),
        deleted=mailbox.c.deleted + bindparam("more_deleted"),
        size=mailbox.c.size + bindparam("more_size"),
        highestmodseq=bindparam("modseq"),
    )
)
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
            _C.salt,
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
_MARKED = Statement(select(_C.uid).where(same(_C.mailbox_id), _C.flags.bitwise_and(_DELETED) != 0).order_by(_C.uid))
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
_SCAN = Statement(
    select(
        func.count(),
        func.coalesce(func.sum(case((_C.flags.bitwise_and(_SEEN) == 0, 1), else_=0)), 0),
        func.coalesce(func.sum(case((_C.flags.bitwise_and(_DELETED) != 0, 1), else_=0)), 0),
        func.coalesce(func.sum(_C.size), 0),
    ).where(same(_C.mailbox_id), true())
)


def add(
    tx: Writing,
    mailbox_id: int,
    blob_id: int,
    size: int,
    summary: Summary,
    *,
    flags: Flag = _ALL_FLAGS[0],
    keywords: Collection[str] = frozenset(),
    internaldate: int,
    salt: bytes = b"",
) -> Message:
    """Put a blob into a mailbox as its newest message.

    Raises:
        MailboxError: the mailbox is gone or holds no messages, or there are too many keywords.
    """
    packed = _pack(keywords)
    account_id, modseq = _next(tx, mailbox_id)
    uid = _room(tx, mailbox_id, modseq, [(0, blob_id, size, int(flags))])
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
        salt=salt,
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
    changes.record(tx, account_id, modseq, mailbox_id, uid, "added")
    return Message(mailbox_id, uid, blob_id, size, flags, frozenset(keywords), internaldate, modseq, saved, salt)


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
    _pack(asked)
    found = rows(tx, mailbox_id, uids)
    if unchangedsince is not None:
        found = [one for one in found if one.modseq <= unchangedsince]
    wanted = [_changed(one, change, flags, asked) for one in found]
    dirty = [new for old, new in zip(found, wanted, strict=True) if new is not old]
    if not dirty:
        return found
    account_id, modseq = _next(tx, mailbox_id)
    groups: dict[tuple[int, str], list[int]] = {}
    for new in dirty:
        groups.setdefault((int(new.flags), _pack(new.keywords)), []).append(new.uid)
    for (bits, packed), members in groups.items():
        tx.execute(
            _SET_FLAGS,
            mailbox_id=mailbox_id,
            uids=as_json(members),
            new_flags=bits,
            new_keywords=packed,
            new_modseq=modseq,
        )
    unseen = sum(_unseen(new.flags) - _unseen(old.flags) for old, new in zip(found, wanted, strict=True))
    deleted = sum(_deleted(new.flags) - _deleted(old.flags) for old, new in zip(found, wanted, strict=True))
    _count(tx, mailbox_id, modseq, 0, unseen, deleted, 0)
    changes.record_many(tx, account_id, modseq, mailbox_id, [new.uid for new in dirty], "flags")
    return [old if new is old else replace(new, modseq=modseq) for old, new in zip(found, wanted, strict=True)]


def uids(tx: Reading, mailbox_id: int) -> array[int]:
    """All UIDs in rising order; position n - 1 is message number n. 4 bytes each."""
    return array("I", [uid for (uid,) in tx.execute(_UIDS, mailbox_id=mailbox_id)])


def rows(tx: Reading, mailbox_id: int, uids: Collection[int]) -> list[Message]:
    """Messages in rising order of uid."""
    return [_made(row) for row in _select(tx, _ROWS_RANGE, _ROWS_SET, mailbox_id, uids)]


def flag_rows(tx: Reading, mailbox_id: int, uids: Collection[int]) -> list[tuple[int, int, str, int]]:
    """(uid, flag bits, keywords joined by a space, modseq) in rising order of uid: the cheap answer to FETCH FLAGS."""
    return _select(tx, _LIGHT_RANGE, _LIGHT_SET, mailbox_id, uids)


def summaries(tx: Reading, mailbox_id: int, uids: Collection[int]) -> Iterator[tuple[int, Summary]]:
    """(uid, summary) in rising order of uid. A summary is a few KB: ask for a few hundred at a time."""
    for uid, *parts in _select(tx, _SUMMARY_RANGE, _SUMMARY_SET, mailbox_id, uids):
        yield uid, Summary(*parts)


def owners(tx: Reading, sha256: bytes) -> list[int]:
    """The ids of the accounts that hold a message with this content."""
    return [account_id for (account_id,) in tx.execute(_OWNERS, sha256=sha256)]


def scan(tx: Reading, mailbox_id: int) -> tuple[int, int, int, int]:
    """(messages, unseen, deleted, size) counted from the rows: what the mailbox's counters must say."""
    row = tx.one(_SCAN, mailbox_id=mailbox_id)
    assert row is not None
    return row


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


_UID_AT = {_ROWS_RANGE: 1, _LIGHT_RANGE: 0, _SUMMARY_RANGE: 0}


def _next(tx: Writing, mailbox_id: int) -> Row:
    row = tx.one(_MODSEQ, mailbox_id=mailbox_id)
    if row is None:
        raise MailboxError(Reason.MISSING, "the mailbox is gone")
    return row


def _room(tx: Writing, mailbox_id: int, modseq: int, tallies: list[Row]) -> int:
    """Count messages in and return the first of the UIDs reserved for them. Tallies are (_, _, size, flags)."""
    row = tx.one(
        _ROOM,
        mailbox_id=mailbox_id,
        modseq=modseq,
        count=len(tallies),
        more_unseen=sum(_unseen(flags) for *_, flags in tallies),
        more_deleted=sum(_deleted(flags) for *_, flags in tallies),
        more_size=sum(size for *_, size, _ in tallies),
    )
    if row is None:
        raise MailboxError(Reason.CANNOT, "the mailbox holds folders only, no messages")
    uidnext: int = row[0]
    if uidnext > MAX_UID:
        raise MailboxError(Reason.LIMIT, "the mailbox has no UID left: move its messages to a new one")
    return uidnext - len(tallies)


def _count(tx: Writing, mailbox_id: int, modseq: int, count: int, unseen: int, deleted: int, size: int) -> None:  # noqa: PLR0917
    tx.execute(
        _COUNTERS,
        mailbox_id=mailbox_id,
        modseq=modseq,
        count=count,
        more_unseen=unseen,
        more_deleted=deleted,
        more_size=size,
    )


def _copy(
    tx: Writing, mailbox_id: int, uids: Collection[int], target_id: int
) -> tuple[list[tuple[int, int]], tuple[int, int]]:
    packed = as_json(uids)
    tallies = tx.execute(_TALLY, mailbox_id=mailbox_id, uids=packed)
    account_id, modseq = _next(tx, target_id)
    if not tallies:
        return [], (account_id, modseq)
    first = _room(tx, target_id, modseq, tallies)
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
    changes.record_many(tx, account_id, modseq, target_id, [new for _, new in pairs], "added")
    return pairs, (account_id, modseq)


def _remove(tx: Writing, mailbox_id: int, uids: Collection[int], under: tuple[int, int] | None) -> list[int]:
    """Remove messages; `under` is the account and modseq of a move that this is half of."""
    packed = as_json(uids)
    tallies = tx.execute(_TALLY, mailbox_id=mailbox_id, uids=packed)
    if not tallies:
        return []
    account_id, modseq = under or _next(tx, mailbox_id)
    tx.execute(_REMOVE, mailbox_id=mailbox_id, uids=packed)
    _count(
        tx,
        mailbox_id,
        modseq,
        -len(tallies),
        -sum(_unseen(flags) for *_, flags in tallies),
        -sum(_deleted(flags) for *_, flags in tallies),
        -sum(size for *_, size, _ in tallies),
    )
    references.change_many(tx, (blob_id for _, blob_id, *_ in tallies), -1)
    gone = [uid for uid, *_ in tallies]
    changes.record_many(tx, account_id, modseq, mailbox_id, gone, "expunged")
    return gone


def _changed(one: Message, change: Action, flags: Flag, keywords: frozenset[str]) -> Message:
    """The message with its new flags, or itself when they are as asked."""
    if change == "add":
        flags, keywords = one.flags | flags, one.keywords | keywords
    elif change == "remove":
        flags, keywords = one.flags & ~flags, one.keywords - keywords
    if flags == one.flags and keywords == one.keywords:
        return one
    return replace(one, flags=flags, keywords=keywords)


def _unseen(flags: int) -> int:
    return 0 if flags & _SEEN else 1


def _deleted(flags: int) -> int:
    return 1 if flags & _DELETED else 0


def _pack(keywords: Collection[str]) -> str:
    if not keywords:
        return ""
    if len(keywords) > MAX_KEYWORDS or any(len(word) > MAX_KEYWORD for word in keywords):
        raise MailboxError(Reason.LIMIT, f"a message has at most {MAX_KEYWORDS} keywords of {MAX_KEYWORD} characters")
    if any(not word or not word.isascii() or not word.isprintable() or " " in word for word in keywords):
        raise MailboxError(Reason.CANNOT, "a keyword is one word of printable ASCII")
    return " ".join(sorted(keywords))


@lru_cache(maxsize=1024)
def _unpack(packed: str) -> frozenset[str]:
    return frozenset(packed.split())


def _made(row: Row) -> Message:
    mailbox_id, uid, blob_id, size, flags, keywords, internaldate, modseq, saved, salt = row
    return Message(
        mailbox_id, uid, blob_id, size, _ALL_FLAGS[flags], _unpack(keywords), internaldate, modseq, saved, salt
    )
