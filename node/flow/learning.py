"""Learning from what people do with their mail: a listener of the change feed.

Moving a message into Junk or out of it, putting one into Junk, setting $Junk or $NotJunk (or Thunderbird's words for
them) and answering are lessons; so is everything that comes to a spam trap. A lesson and the feed's cursor come to disk
together, and there is one lesson for a message: told twice, after a crash, it counts once.

Mail never waits for this, and nothing of a message is kept but numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import trio

from ai.heads import scheme
from ai.lessons import Facts, facts_of
from ai.teachers import Source
from node.base.address import Address
from node.base.errors import WaxsealError
from node.base.log import get_log
from node.checks.learned import Learned
from node.flow.teaching import lesson, remake, teach
from node.mail.correspondence import correspondence
from node.store import accounts, blobs, changes, contacts, heads, lessons
from node.store.blobs import Blobs
from node.store.changes import APPENDED, DELIVERED
from node.store.database import Database, Reading, Writing
from node.store.lessons import JUNK, Kept, Marks, Sighting

log = get_log(__name__)

CURSOR = "learning"
CHANGES = 500  # looked at together
LOOKED_AT = 256 << 10  # octets of a message, as many as the classifier gets to see
PAUSE_SECONDS = 0.1  # between two looks at the feed
POLL_SECONDS = 10.0  # between two looks for what other processes taught
NODE_SECONDS = 5.0  # between two changes of the node's head
REVIEW_SECONDS = 86_400.0  # the node's head is made again: lessons of accounts that are gone do not stay in it
CURSOR_EVERY = 5000  # changes without a lesson after which the cursor is kept all the same
_OUTDATED = 100

Excess = Callable[[bytes], float]
"""Blocking: a raw message to the model's margin over the threshold for spam; 0 without a model."""


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody said of a message; `is_spam` is None where only an earlier word is taken back."""

    is_spam: bool | None
    source: Source


@dataclass(frozen=True, slots=True)
class Read:
    """What a lesson needs of a message, and its author (`Correspondence.author`), whose reputation follows."""

    facts: Facts
    author: str


def meaning(seen: Sighting) -> Word | None:
    """What a change of a mailbox says about the message, if anything."""
    return _by_place(seen) if seen.came else _by_flags(seen)


def _by_place(seen: Sighting) -> Word | None:
    if seen.origin == DELIVERED:
        return Word(True, Source.TRAP) if seen.is_trap else None
    if seen.use == JUNK:
        return None if seen.origin_use == JUNK else Word(True, Source.MOVED)
    if seen.origin_use == JUNK and seen.origin != APPENDED and seen.use != "\\Trash":
        return Word(False, Source.MOVED)
    return None


def _by_flags(seen: Sighting) -> Word | None:
    """Only a change of the keywords counts: those that were there when the message was moved say nothing new."""
    before = seen.known[2] if seen.known else Marks.NONE
    if seen.marks != before:
        return Word(_SAID[seen.marks], Source.KEYWORD)
    if seen.is_answered and seen.known is None and seen.use != JUNK:
        return Word(False, Source.REPLIED)
    return None


_SAID = {Marks.JUNK: True, Marks.NOT_JUNK: False, Marks.NONE: None}


class Learning:
    """The listener.

    Args:
        learned: where heads are used; told of every new one.
        excess: the model's margin over the threshold.
        traps: addresses of accounts that nobody reads: what comes there is spam.
        from_people: whether people's lessons teach the node's head, too.
    """

    def __init__(  # noqa: PLR0917
        self,
        database: Database,
        blobs: Blobs,
        learned: Learned,
        excess: Excess,
        traps: Sequence[Address] = (),
        from_people: bool = True,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._learned = learned
        self._excess = excess
        self._traps = traps
        self._from_people = from_people
        self._limiter = trio.CapacityLimiter(1)
        self._seen = self._saved = 0
        self._owed: set[int] = set()  # accounts whose heads have to follow
        self._node_owed = False
        self._node_due = self._review_due = self._poll_due = 0.0
        self._settled = trio.Event()

    async def run(self) -> None:
        """Follow the change feed for ever."""
        self._seen = self._saved = await self._database.read(partial(changes.cursor, name=CURSOR))
        await self._renew()
        await self._owe(await self._database.read(_behind))
        self._review_due = trio.current_time() + REVIEW_SECONDS
        async with self._database.watch_all() as watch:
            while True:
                await self._catch_up()
                await self._look_around()
                await self._pay()
                self._settled.set()
                self._settled = trio.Event()
                with trio.move_on_after(self._next_look()):
                    await watch.wait()
                await trio.sleep(PAUSE_SECONDS)

    async def idle(self) -> None:
        """Wait until every change committed before this call was learned from. `run` must be running."""
        target = await self._database.read(changes.last)
        while self._seen < target or self._owed or self._node_owed:
            await self._settled.wait()

    # --- the change feed ----------------------------------------------------------------------------------------------

    async def _catch_up(self) -> None:
        full = True
        while full:
            rows = await self._database.read(partial(changes.after, seq=self._seen, limit=CHANGES))
            full = len(rows) == CHANGES
            if rows:
                await self._look_at(rows[-1].seq)

    async def _look_at(self, upto: int) -> None:
        seen = await self._database.read(partial(_sightings, after=self._seen, upto=upto, traps=self._traps))
        said = [(sighting, word) for sighting in seen if (word := meaning(sighting)) is not None]
        news = await self._read(said)
        if said or upto >= self._saved + CURSOR_EVERY:
            await self._owe(await self._database.write(partial(_keep, said=said, news=news, upto=upto)))
            self._saved = upto
        self._seen = upto

    async def _read(self, said: Sequence[tuple[Sighting, Word]]) -> dict[bytes, Read]:
        """What is known of the messages that a lesson may be about, each read once."""
        found: dict[bytes, Read] = {}
        for seen, word in said:
            if word.is_spam is not None and seen.sha256 not in found:
                read = await self._facts(seen.blob_id)
                if read:
                    found[seen.sha256] = read
        return found

    async def _facts(self, blob_id: int) -> Read | None:
        try:
            content = await self._blobs.read(blob_id, 0, LOOKED_AT)
        except (
            WaxsealError
        ) as error:  # gone meanwhile, damaged, its attachment away: one lesson less, and no standstill
            log.info("lesson.unreadable", blob=blob_id, problem=str(error))
            return None
        return await trio.to_thread.run_sync(self._facts_of, content, limiter=self._limiter)

    def _facts_of(self, content: bytes) -> Read:
        return Read(facts_of(content, self._excess(content)), correspondence(content).author)

    # --- heads --------------------------------------------------------------------------------------------------------

    async def _owe(self, owners: Collection[int | None]) -> None:
        self._node_owed = self._node_owed or None in owners
        self._owed.update(owner for owner in owners if owner is not None)

    async def _pay(self) -> None:
        """Have heads follow their lessons, and use them from now on."""
        paid = bool(self._owed)
        while self._owed:
            account_id = min(self._owed)
            await remake(self._database, account_id)
            self._owed.discard(account_id)
        if self._node_owed and trio.current_time() >= self._node_due:
            self._node_owed, paid = False, True
            self._node_due = trio.current_time() + NODE_SECONDS
            await remake(self._database, None, from_people=self._from_people)
        if paid:
            await self._database.read(self._learned.catch_up)

    async def _look_around(self) -> None:
        """Now and then: what other processes taught or took back, and whose lessons are gone with their account."""
        now = trio.current_time()
        if now >= self._review_due:
            self._review_due = now + REVIEW_SECONDS
            await self._database.write(partial(heads.spoil, account_id=None))
        if now >= self._poll_due:
            self._poll_due = now + POLL_SECONDS
            await self._owe(await self._database.read(heads.spoiled))
            await self._database.read(self._learned.catch_up)

    def _next_look(self) -> float:
        due = min(self._poll_due, self._node_due) if self._node_owed else self._poll_due
        return max(0.0, due - trio.current_time())

    async def _renew(self) -> None:
        """Features are made otherwise than when these lessons were given: make them again from messages still there."""
        while old := await self._database.read(partial(lessons.outdated, scheme=scheme(), limit=_OUTDATED)):
            for kept in old:
                blob_id = await self._database.read(partial(blobs.find, sha256=kept.sha256))
                read = await self._facts(blob_id) if blob_id is not None else None
                await self._database.write(partial(_renewed, kept=kept, facts=read.facts if read else None))


def _sightings(tx: Reading, after: int, upto: int, traps: Sequence[Address]) -> list[Sighting]:
    found = (accounts.find(tx, address) for address in traps)
    return lessons.sightings(tx, after, upto, [account.id for account in found if account])


def _keep(tx: Writing, said: Sequence[tuple[Sighting, Word]], news: dict[bytes, Read], upto: int) -> set[int | None]:
    """Keep what was said, and how far the feed was read, in one transaction; return whose heads have to follow."""
    owners: set[int | None] = set()
    for seen, word in said:
        owner = None if word.source is Source.TRAP else seen.account_id
        if _said(tx, seen, word, owner, news.get(seen.sha256)):
            owners |= {owner, None}
    changes.advance(tx, CURSOR, upto)
    return owners


def _said(tx: Writing, seen: Sighting, word: Word, owner: int | None, read: Read | None) -> bool:
    """True when something was learned or unlearned."""
    done = False
    if word.is_spam is None:
        known = lessons.find(tx, owner, seen.sha256)
        if known is not None and known.source == Source.KEYWORD:
            done = lessons.take_back(tx, owner, seen.sha256) is not None
    elif read is not None:
        done = teach(tx, lesson(owner, seen.sha256, word.is_spam, word.source, read.facts, seen.marks))
        if done and word.source is Source.MOVED and seen.origin != APPENDED and read.author:
            by = 1 if word.is_spam else -1
            contacts.junked(tx, seen.account_id, contacts.digest(read.author), int(time.time()), by)
    if owner is not None and not seen.came:
        lessons.note_marks(tx, owner, seen.sha256, seen.marks)
    return done


def _behind(tx: Reading) -> set[int | None]:
    """Whose heads have not followed all their lessons: a crash came in between."""
    given, taught = lessons.owners(tx), heads.states(tx)
    owners: set[int | None] = {owner for owner, last in given.items() if last > taught.get(owner, 0)}
    newest = max(given.values(), default=0)
    return owners | ({None} if newest > taught.get(None, 0) else set()) | set(heads.spoiled(tx))


def _renewed(tx: Writing, kept: Kept, facts: Facts | None) -> None:
    lessons.renew(tx, kept, scheme(), facts.pack() if facts else None)
