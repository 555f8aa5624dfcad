"""Lessons: what people, administrators and spam traps said of messages. The log from which heads are made.

A lesson keeps hashed features of a message and no text. There is one for each message and owner; an owner is an
account, or None for the node itself (administrators and traps). The last word about a message counts, but a mere hint
(an answer sent) takes no express word back.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum

from sqlalchemy import and_, bindparam, delete, func, or_, select, update

from node.store import heads
from node.store.changes import DELIVERED, KINDS, as_json
from node.store.message import Flag
from node.store.schema import blob, change, lesson, mailbox, message
from node.store.statement import Statement, adding, chosen, same
from node.store.transaction import Reading, Row, Writing

MOST = 2000  # lessons of one owner; the oldest go, MOST // 4 at a time
REPLIED = "replied"
JUNK = "\\Junk"
ADDED, FLAGS = KINDS.index("added"), KINDS.index("flags")
JUNK_WORDS = frozenset({"$junk", "junk"})  # the second is Thunderbird's
NOT_JUNK_WORDS = frozenset({"$notjunk", "nonjunk", "notjunk"})


class Marks(IntEnum):
    """What a message's keywords say (IANA's IMAP keywords $Junk and $NotJunk, and Thunderbird's)."""

    NONE = 0
    JUNK = 1
    NOT_JUNK = 2

    @classmethod
    def of(cls, keywords: str) -> Marks:
        """Of keywords as they are kept; both at once say nothing."""
        words = set(keywords.lower().split())
        is_junk, is_not = bool(words & JUNK_WORDS), bool(words & NOT_JUNK_WORDS)
        return cls.JUNK if is_junk and not is_not else cls.NOT_JUNK if is_not and not is_junk else cls.NONE


@dataclass(frozen=True, slots=True)
class Kept:
    """One lesson.

    Attributes:
        id: rises with time, never given out again.
        account_id: whose it is; None for the node's own.
        source: a value of `ai.teachers.Source`.
        marks: what the message's keywords said when it was last looked at.
        scheme: which features these are (`ai.heads.scheme`).
        facts: packed; the store does not look into it.
    """

    id: int
    account_id: int | None
    sha256: bytes
    is_spam: bool
    source: str
    marks: Marks
    time: int
    scheme: int
    facts: bytes


@dataclass(frozen=True, slots=True)
class Sighting:
    """A change of the feed that may teach something.

    Attributes:
        came: True when the message was added to the mailbox, False when its flags changed.
        use, origin_use: SPECIAL-USE of the mailbox, and of the one it came from ("" for none, or gone).
        origin: `changes.DELIVERED`, `changes.APPENDED`, or a mailbox.
        is_trap: the account is one of the node's traps.
        known: (is_spam, source, marks) of the lesson there is.
    """

    account_id: int
    blob_id: int
    sha256: bytes
    came: bool
    use: str
    origin: int
    origin_use: str
    is_answered: bool
    marks: Marks
    is_trap: bool
    known: tuple[bool, str, Marks] | None


_L, _H = lesson.c, change.c
_ROW = (_L.id, _L.account_id, _L.sha256, _L.is_spam, _L.source, _L.marks, _L.time, _L.scheme, _L.facts)
_SAME_OWNER = _L.account_id.is_(bindparam("account_id"))
_ADD = Statement(adding(lesson, "id").returning(_L.id))
_FIND = Statement(select(*_ROW).where(_SAME_OWNER, same(_L.sha256)))
_NEWEST = Statement(select(*_ROW).where(_SAME_OWNER).order_by(_L.id.desc()).limit(1))
_REMOVE = Statement(delete(lesson).where(same(_L.id)))
_MARK = Statement(update(lesson).where(_SAME_OWNER, same(_L.sha256, "of")).values(marks=bindparam("new_marks")))
_RENEW = Statement(
    update(lesson).where(same(_L.id, "lesson_id")).values(scheme=bindparam("new_scheme"), facts=bindparam("new_facts"))
)
_AFTER = Statement(
    select(*_ROW).where(_SAME_OWNER, _L.id > bindparam("last")).order_by(_L.id).limit(bindparam("limit"))
)
_AFTER_FOR_ALL = Statement(
    select(*_ROW).where(_L.id > bindparam("last"), _L.source != REPLIED).order_by(_L.id).limit(bindparam("limit"))
)
_OLDEST_FOR_ALL = Statement(select(_L.id).order_by(_L.id.desc()).limit(1).offset(bindparam("most")))
_COUNT = Statement(select(func.count()).select_from(lesson).where(_SAME_OWNER))
_TRIM = Statement(
    delete(lesson).where(_L.id.in_(select(_L.id).where(_SAME_OWNER).order_by(_L.id).limit(bindparam("number"))))
)
_RESET = Statement(delete(lesson).where(_SAME_OWNER))
_TALLY = Statement(
    select(_L.source, _L.is_spam, func.count(), func.min(_L.time), func.max(_L.time))
    .where(_SAME_OWNER)
    .group_by(_L.source, _L.is_spam)
    .order_by(_L.source, _L.is_spam)
)
_OWNERS = Statement(select(_L.account_id, func.max(_L.id)).group_by(_L.account_id))
_SOURCE_BOX = mailbox.alias("origin")
_SIGHTINGS = Statement(
    select(
        _H.account_id,
        blob.c.id,
        blob.c.sha256,
        _H.kind,
        mailbox.c.special_use,
        _H.origin,
        func.coalesce(_SOURCE_BOX.c.special_use, ""),
        message.c.flags,
        message.c.keywords,
        _H.account_id.in_(chosen("traps")),
        _L.is_spam,
        _L.source,
        _L.marks,
    )
    .join_from(change, message, (message.c.mailbox_id == _H.mailbox_id) & (message.c.uid == _H.uid))
    .join(mailbox, mailbox.c.id == _H.mailbox_id)
    .join(blob, blob.c.id == message.c.blob_id)
    .outerjoin(_SOURCE_BOX, _SOURCE_BOX.c.id == _H.origin)
    .outerjoin(lesson, (_L.account_id == _H.account_id) & (_L.sha256 == blob.c.sha256))
    .where(
        _H.seq > bindparam("after"),
        _H.seq <= bindparam("upto"),
        or_(
            and_(
                _H.kind == ADDED,
                _H.origin != DELIVERED,
                (mailbox.c.special_use == JUNK) | (_SOURCE_BOX.c.special_use == JUNK),
            ),
            and_(_H.kind == ADDED, _H.origin == DELIVERED, _H.account_id.in_(chosen("traps"))),
            and_(
                _H.kind == FLAGS,
                (message.c.keywords != "") | (_L.marks > 0) | (message.c.flags.bitwise_and(Flag.ANSWERED.value) != 0),
            ),
        ),
    )
    .order_by(_H.seq)
)
_LAST = Statement(select(func.max(_L.id)))
_OLD = Statement(select(*_ROW).where(_L.scheme != bindparam("scheme")).order_by(_L.id).limit(bindparam("limit")))


def sightings(tx: Reading, after: int, upto: int, traps: Collection[int] = ()) -> list[Sighting]:
    """What the change feed tells behind `after` up to `upto` that may be a lesson, oldest first.

    A message that is not there any more is passed over: where it went, another change tells.
    """
    rows = tx.execute(_SIGHTINGS, after=after, upto=upto, traps=as_json(traps))
    return [_seen(row) for row in rows]


def _seen(row: Row) -> Sighting:
    account_id, blob_id, sha256, kind, use, origin, origin_use, flags, keywords, is_trap, *known = row
    is_spam, source, marks = known
    return Sighting(
        account_id=account_id,
        blob_id=blob_id,
        sha256=sha256,
        came=kind == ADDED,
        use=use,
        origin=origin,
        origin_use=origin_use,
        is_answered=bool(flags & Flag.ANSWERED),
        marks=Marks.of(keywords),
        is_trap=bool(is_trap),
        known=None if source is None else (bool(is_spam), source, Marks(marks)),
    )


def teach(tx: Writing, new: Kept) -> bool:
    """Keep a lesson in the place of the one there was about this message (`new.id` does not matter); heads follow.

    Returns False where nothing changed: the same was said before, or it was said expressly and this is a hint.
    """
    old = find(tx, new.account_id, new.sha256)
    if old is not None and not replaces(new, old.is_spam, old.source):
        return False
    if old is not None:
        _remove(tx, old)
    values = {name: getattr(new, name) for name in ("account_id", "sha256", "source", "time", "scheme", "facts")}
    tx.execute(_ADD, **values, is_spam=int(new.is_spam), marks=int(new.marks))
    if tx.value(_COUNT, account_id=new.account_id) > MOST + MOST // 4:
        tx.execute(_TRIM, account_id=new.account_id, number=MOST // 4)
    return True


def replaces(new: Kept, is_spam: bool, source: str) -> bool:
    """True when a lesson tells more than the one there is."""
    if new.source == REPLIED:
        return False
    return new.is_spam != is_spam or _RANKS.get(new.source, 1) > _RANKS.get(source, 1)


_RANKS = {REPLIED: 0, "keyword": 1, "trap": 1, "moved": 2, "administrator": 2}


def note_marks(tx: Writing, account_id: int, sha256: bytes, marks: Marks) -> None:
    """Remember what the message's keywords say now, so that only their next change counts."""
    tx.execute(_MARK, account_id=account_id, of=sha256, new_marks=int(marks))


def find(tx: Reading, account_id: int | None, sha256: bytes) -> Kept | None:
    """The lesson about a message."""
    return _made(tx.one(_FIND, account_id=account_id, sha256=sha256))


def newest(tx: Reading, account_id: int | None) -> Kept | None:
    """The last lesson of an owner."""
    return _made(tx.one(_NEWEST, account_id=account_id))


def take_back(tx: Writing, account_id: int | None, sha256: bytes | None = None) -> Kept | None:
    """Undo the lesson about a message, or the last one; return it, None when there is none. Heads follow."""
    found = newest(tx, account_id) if sha256 is None else find(tx, account_id, sha256)
    if found is not None:
        _remove(tx, found)
    return found


def _remove(tx: Writing, old: Kept) -> None:
    tx.execute(_REMOVE, id=old.id)
    heads.spoil(tx, old.account_id)
    if old.source != REPLIED:
        heads.spoil(tx, None)


def reset(tx: Writing, account_id: int | None) -> int:
    """Forget all lessons of an owner and empty the head; return how many there were.

    For the node's own head, people's lessons stay theirs, but those given until now count there no more.
    """
    number: int = tx.value(_COUNT, account_id=account_id)
    tx.execute(_RESET, account_id=account_id)
    heads.reset(tx, account_id, tx.value(_LAST) or 0)
    if account_id is not None:
        heads.spoil(tx, None)
    return number


def after(tx: Reading, account_id: int | None, last: int, limit: int = 500) -> list[Kept]:
    """What the head of an owner is taught behind lesson `last`; the node's learns of everybody, but for mere hints."""
    if account_id is None:
        return [_sure(row) for row in tx.execute(_AFTER_FOR_ALL, last=last, limit=limit)]
    return [_sure(row) for row in tx.execute(_AFTER, account_id=account_id, last=last, limit=limit)]


def own(tx: Reading, account_id: int | None, last: int, limit: int = 500) -> list[Kept]:
    """An owner's own lessons behind `last`, oldest first."""
    return [_sure(row) for row in tx.execute(_AFTER, account_id=account_id, last=last, limit=limit)]


def start_for_all(tx: Reading, most: int) -> int:
    """The lesson behind which the newest `most` of the whole node lie."""
    return tx.value(_OLDEST_FOR_ALL, most=most) or 0


def owners(tx: Reading) -> dict[int | None, int]:
    """Everybody who ever taught, and the last lesson of each."""
    return dict(tx.execute(_OWNERS))


def tally(tx: Reading, account_id: int | None) -> list[tuple[str, bool, int, int, int]]:
    """(source, is_spam, lessons, time of the first, of the last) of an owner."""
    return [(source, bool(is_spam), *rest) for source, is_spam, *rest in tx.execute(_TALLY, account_id=account_id)]


def outdated(tx: Reading, scheme: int, limit: int) -> list[Kept]:
    """Lessons with other features than today's."""
    return [_sure(row) for row in tx.execute(_OLD, scheme=scheme, limit=limit)]


def renew(tx: Writing, old: Kept, scheme: int, facts: bytes | None) -> None:
    """Put today's features into a lesson; None: its message is gone, and so is the lesson."""
    if facts is None:
        tx.execute(_REMOVE, id=old.id)
    else:
        tx.execute(_RENEW, lesson_id=old.id, new_scheme=scheme, new_facts=facts)
    heads.spoil(tx, old.account_id)
    heads.spoil(tx, None)


def _made(row: Row | None) -> Kept | None:
    return None if row is None else _sure(row)


def _sure(row: Row) -> Kept:
    id, account_id, sha256, is_spam, source, marks, time, scheme, facts = row
    return Kept(id, account_id, sha256, bool(is_spam), source, Marks(marks), time, scheme, facts)
