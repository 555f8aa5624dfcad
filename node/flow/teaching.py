"""Lessons kept and heads made from them: for the listener of the change feed, and for administrators.

A head is a function of its owner's lessons in their order: it follows new ones, and is made again from all of them when
one was taken back, or when its bytes cannot be used.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial

import trio

from ai.heads import NODE, PERSON, Head, HeadError, scheme
from ai.lessons import Facts, Trainer, unpack_facts
from ai.teachers import Source, for_node, for_person
from node.base import metrics
from node.base.errors import Temporary
from node.base.log import get_log
from node.store import accounts, heads, lessons
from node.store.database import Database, Reading, Writing
from node.store.heads import Stored
from node.store.lessons import Kept, Marks

log = get_log(__name__)

MOST_FOR_NODE = 20_000  # lessons, the newest, that the node's head is made from
_TOGETHER = 500  # lessons read and learned in one go
_TRIES = 10


def lesson(  # noqa: PLR0917
    account_id: int | None, sha256: bytes, is_spam: bool, source: Source, facts: Facts, marks: Marks = Marks.NONE
) -> Kept:
    """A lesson ready for `lessons.teach`, given now."""
    return Kept(0, account_id, sha256, is_spam, str(source), marks, int(time.time()), scheme(), facts.pack())


def teach(tx: Writing, new: Kept) -> bool:
    """Keep a lesson and count it; False where it says nothing new."""
    done = lessons.teach(tx, new)
    if done:
        tx.after(lambda: metrics.lessons.labels(new.source, "spam" if new.is_spam else "ham").inc())
    return done


async def remake(database: Database, account_id: int | None, *, from_people: bool = True) -> None:
    """Have the head of an owner (None: the node's) follow its lessons; twice is no harm.

    Args:
        from_people: whether people's lessons teach the node's head, too.

    Raises:
        Temporary: the database does not answer, or the head is changed all the time by somebody else.
    """
    for _ in range(_TRIES):
        if await _remade(database, account_id, from_people):
            return
    raise Temporary("a head is being changed by others all the time: try again")


async def _remade(database: Database, account_id: int | None, from_people: bool) -> bool:
    """True when the head is up to date; False when somebody else changed it meanwhile."""
    stored, floor = await database.read(partial(_state, account_id=account_id))
    head = None if stored is None or stored.spoils else _opened(stored, account_id)
    anew = stored is None or head is None
    seen = floor if stored is None or anew else stored.last
    trainer = Trainer(head or Head.empty(NODE if account_id is None else PERSON))
    while page := await database.read(partial(lessons.after, account_id=account_id, last=seen, limit=_TOGETHER)):
        await trio.to_thread.run_sync(_learn, trainer, page, account_id, from_people)
        seen = page[-1].id
    if not anew and stored and seen == stored.last:
        return True
    content = await trio.to_thread.run_sync(lambda: trainer.head().to_bytes())
    made = Stored(account_id, 0, seen, stored.floor if stored else 0, 0, content)
    return await database.write(partial(_put, stored=stored, made=made))


def _state(tx: Reading, account_id: int | None) -> tuple[Stored | None, int]:
    """The head there is, and the lesson behind which to begin when it is made again."""
    stored = heads.get(tx, account_id)
    floor = stored.floor if stored else 0
    if account_id is None:
        floor = max(floor, lessons.start_for_all(tx, MOST_FOR_NODE))
    return stored, floor


def _opened(stored: Stored, account_id: int | None) -> Head | None:
    policy = NODE if account_id is None else PERSON
    if not stored.content:
        return Head.empty(policy)
    try:
        return Head.from_bytes(stored.content, policy)
    except HeadError as error:
        log.info("head.made_again", account=account_id, why=str(error))
        return None


def _learn(trainer: Trainer, page: Sequence[Kept], account_id: int | None, from_people: bool) -> None:
    today = scheme()
    for kept in page:
        facts = unpack_facts(kept.facts) if kept.scheme == today else None
        if facts is None or kept.source not in set(Source) or (account_id is None and not _counts(kept, from_people)):
            continue
        source = Source(kept.source)
        if account_id is None:
            trainer.learn(for_node(facts, kept.is_spam, source, kept.time, kept.account_id))
        else:
            trainer.learn(for_person(facts, kept.is_spam, source, kept.time))


def _counts(kept: Kept, from_people: bool) -> bool:
    return from_people or kept.account_id is None


def _put(tx: Writing, stored: Stored | None, made: Stored) -> bool:
    if made.account_id is not None and accounts.get(tx, made.account_id) is None:
        return True  # the account is gone, and its head with it
    return heads.put(tx, stored, made)
