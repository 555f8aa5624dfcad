"""What others did to the selected mailbox, told to this client at the right moment (RFC 3501 §5.2, §7.4.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from node.servers.imap.flags import rendered
from node.store import changes, mailboxes, messages
from node.store.database import Reading
from node.store.mailboxes import Mailbox

if TYPE_CHECKING:
    from node.servers.imap.selected import Selected
    from node.servers.imap.session import Session

BATCH = 2000  # changes read at a time


@dataclass(slots=True)
class News:
    """What has happened in a mailbox since a modseq.

    Attributes:
        modseq: everything up to here is in it.
        added, flagged, expunged: UIDs.
        flags: finished flag lists of the flagged ones that are still there.
        deleted: the mailbox itself is gone.
    """

    modseq: int
    added: set[int] = field(default_factory=set)
    flagged: set[int] = field(default_factory=set)
    expunged: set[int] = field(default_factory=set)
    flags: dict[int, bytes] = field(default_factory=dict)
    deleted: bool = False


def read_news(mailbox: Mailbox, since: int, own: frozenset[int], tx: Reading) -> News:
    """Gather the changes of one mailbox.

    Args:
        since: the modseq up to which they are known.
        own: modseqs of flag changes that the client has been told of.
    """
    news = News(since)
    for change in _changes(tx, mailbox.account_id, since):
        news.modseq = change.modseq
        if change.mailbox_id == mailbox.id:
            _note(news, change, own)
    if news.flagged:
        rows = messages.flag_rows(tx, mailbox.id, sorted(news.flagged))
        news.flags = {uid: rendered(flags, keywords) for uid, flags, keywords, *_ in rows}
    if news.deleted:
        now = mailboxes.get(tx, mailbox.id)
        news.deleted = now is None or not now.selectable or now.uidvalidity != mailbox.uidvalidity
    return news


def _changes(tx: Reading, account_id: int, since: int) -> Iterator[changes.Change]:
    """Every change behind a modseq. A full batch may cut its last modseq in two, so that one is read again whole."""
    limit = BATCH
    while True:
        batch = changes.since(tx, account_id, since, limit=limit)
        if len(batch) < limit:
            yield from batch
            return
        last = batch[-1].modseq
        whole = [change for change in batch if change.modseq < last]
        yield from whole
        since, limit = (whole[-1].modseq, BATCH) if whole else (since, limit * 4)


def _note(news: News, change: changes.Change, own: frozenset[int]) -> None:
    match change.kind:
        case "added":
            news.added.add(change.uid)
        case "flags" if change.modseq not in own:
            news.flagged.add(change.uid)
        case "expunged":
            news.expunged.add(change.uid)
        case "mailbox":
            news.deleted = True  # or renamed; looked at once the batch is through


async def announce(session: Session, *, expunge: bool, look: bool) -> None:
    """Tell the client of what has happened.

    Args:
        expunge: EXPUNGE may be said: no number in use can shift (RFC 3501 §7.4.1).
        look: the caller has waited for the watch; otherwise the store is only asked when something was committed.
    """
    selected = session.selected
    if selected is None:
        return
    if session.watch.pending:
        await session.watch.wait()  # starts afresh before we read, so that nothing falls in between
        look = True
    if look:
        news = await _look(session, selected)
        if news.deleted:
            # RFC 2180 §3.2 leaves it to us; ending the connection is what every client survives.
            session.bye("The selected mailbox was deleted")
            return
        apply(session, selected, news)
    if expunge:
        tell_expunged(session, selected)
    await session.output.drain()


async def _look(session: Session, selected: Selected) -> News:
    """Read the news and note that they are read."""
    own = frozenset(selected.own)
    news = await session.server.database.read(partial(read_news, selected.mailbox, selected.modseq, own))
    selected.modseq = news.modseq
    selected.own.clear()
    return news


def apply(session: Session, selected: Selected, news: News) -> None:
    """Bring the picture up to date and say EXISTS and FETCH; expunged messages only leave it when told."""
    last = selected.uids[-1] if selected.uids else 0
    arrived = sorted(uid for uid in news.added if uid > last and uid not in news.expunged)
    selected.uids.extend(arrived)
    selected.expunged |= {uid for uid in news.expunged if selected.number(uid) is not None}
    if arrived:
        session.output.write(b"* %d EXISTS\r\n* 0 RECENT\r\n" % len(selected.uids))
    for uid in sorted(news.flags.keys() - news.expunged):
        number = selected.number(uid)
        if number is not None:
            # The UID helps clients that act by UID; RFC 3501 §7.4.2 lets any item come unasked.
            session.output.write(b"* %d FETCH (UID %d FLAGS %b)\r\n" % (number, uid, news.flags[uid]))


def tell_expunged(session: Session, selected: Selected) -> None:
    """Say EXPUNGE for each message that is gone, from the last to the first, and drop it from the picture."""
    if not selected.expunged:
        return
    numbers = [number for uid in selected.expunged if (number := selected.number(uid)) is not None]
    for number in sorted(numbers, reverse=True):
        session.output.write(b"* %d EXPUNGE\r\n" % number)
    gone = selected.expunged
    selected.uids = type(selected.uids)(selected.uids.typecode, (uid for uid in selected.uids if uid not in gone))
    selected.expunged = set()
