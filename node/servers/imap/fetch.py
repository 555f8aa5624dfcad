"""FETCH: rows and prepared answers in blocks straight from the store, bodies streamed one by one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from node.base.errors import Permanent, Temporary
from node.base.log import get_log
from node.servers.imap.answer import Answer
from node.servers.imap.flags import rendered
from node.servers.imap.sections import CHUNK, Body
from node.servers.imap.selected import BLOCK, HELD
from node.servers.imap.store import store_and_tell
from node.store import blobs, messages
from node.store.database import Reading, Writing
from node.store.messages import Flag, Message, Summary
from node.wire.imap.dates import format_date_time
from node.wire.imap.fetch import Attribute, Fetch, Section
from node.wire.imap.store import Change

if TYPE_CHECKING:
    from node.servers.imap.selected import Selected
    from node.servers.imap.session import Session

log = get_log(__name__)

_Render = Callable[[Message, Summary | None], bytes]


def _summary(summary: Summary | None) -> Summary:
    assert summary is not None
    return summary


_RENDER: dict[Attribute, _Render] = {
    Attribute.UID: lambda row, _: b"UID %d" % row.uid,
    Attribute.FLAGS: lambda row, _: b"FLAGS " + rendered(row.flags, row.keywords),
    Attribute.INTERNALDATE: lambda row, _: b"INTERNALDATE " + format_date_time(row.internaldate),
    Attribute.SIZE: lambda row, _: b"RFC822.SIZE %d" % row.size,
    Attribute.MODSEQ: lambda row, _: b"MODSEQ (%d)" % row.modseq,
    Attribute.ENVELOPE: lambda _, summary: b"ENVELOPE " + _summary(summary).envelope,
    Attribute.BODY: lambda _, summary: b"BODY " + _summary(summary).body,
    Attribute.BODYSTRUCTURE: lambda _, summary: b"BODYSTRUCTURE " + _summary(summary).bodystructure,
}
_PREPARED = frozenset({Attribute.ENVELOPE, Attribute.BODY, Attribute.BODYSTRUCTURE})
_LIGHT = frozenset({Attribute.UID, Attribute.FLAGS})
_WHOLE = frozenset({b"BODY[]", b"RFC822"})
BODIES = 64
"""Messages with content handled by one trip to the store."""
TOLD = 5
"""Messages named in a failure."""
Unread = tuple[int, bool]
"""A message's number, and whether its content may be there again later."""
AT_HAND = 1 << 20
"""Octets of small messages held at a time for one client."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one FETCH asks of the store.

    Attributes:
        attributes: in the order of the response, UID first when it is due (RFC 3501 §6.4.8).
        sections: BODY[...] items.
        prepared: summaries are needed, for prepared answers or to find parts.
        light: flags and UIDs alone are asked for.
        marks: sets \\Seen.
    """

    attributes: tuple[Attribute, ...]
    sections: tuple[Section, ...]
    prepared: bool
    light: bool
    marks: bool


def plan(command: Fetch, selected: Selected) -> Plan:
    """Sort the items by what they cost."""
    first = (Attribute.UID,) if command.by_uid else ()
    attributes = tuple(dict.fromkeys((*first, *(item for item in command.items if isinstance(item, Attribute)))))
    sections = tuple(item for item in command.items if isinstance(item, Section))
    return Plan(
        attributes,
        sections,
        prepared=any(section.label not in _WHOLE for section in sections) or not _PREPARED.isdisjoint(attributes),
        light=not sections and _LIGHT.issuperset(attributes),
        marks=not selected.readonly and any(not section.peek for section in sections),
    )


async def fetch(session: Session, command: Fetch) -> Answer:
    """FETCH (RFC 3501 §6.4.5). Messages that another session expunged are passed over (RFC 2180 §4.1.2).

    So are those whose content cannot be had; the others are sent, then the command fails.
    """
    selected = session.mailbox
    unread: list[Unread] = []
    wanted = plan(command, selected)
    size = BODIES if wanted.sections else BLOCK
    for block in selected.blocks(command.messages, by_uid=command.by_uid, size=size):
        if wanted.sections:
            await _send_bodies(session, wanted, block, unread)
        else:
            await _send_rows(session, wanted, block)
    await session.sync(expunge=command.by_uid)
    return _failed(unread) if unread else Answer("Fetched")


def _failed(unread: list[Unread]) -> Answer:
    """The answer when content of some messages could not be had."""
    one = "the content of message " + ", ".join(str(number) for number, _ in unread[:TOLD])
    more = f" and {len(unread) - TOLD} others" if len(unread) > TOLD else ""
    if any(is_temporary for _, is_temporary in unread):
        return Answer(f"For now {one}{more} cannot be read; try again later", b"UNAVAILABLE", b"NO")
    return Answer(f"What is stored of {one}{more} is damaged; ask your administrator", b"CORRUPTION", b"NO")


async def _send_rows(session: Session, wanted: Plan, block: dict[int, int]) -> None:
    """The responses of a block without content."""
    while block:
        query = partial(_lines, session.mailbox.mailbox.id, block, wanted)
        lines, block = await session.server.database.read(query)
        session.output.write(lines)
        await session.output.drain()


def _lines(mailbox_id: int, block: dict[int, int], wanted: Plan, tx: Reading) -> tuple[bytes, dict[int, int]]:
    """The finished FETCH responses of a block, and what is left of it; runs on the reader's thread."""
    if wanted.light:
        return _light_lines(block, wanted, messages.flag_rows(tx, mailbox_id, list(block))), {}
    rows, summaries, rest = _read_rows(tx, mailbox_id, block, prepared=wanted.prepared)
    render = [_RENDER[attribute] for attribute in wanted.attributes]
    lines = b"".join(
        b"* %d FETCH (%b)\r\n" % (block[row.uid], b" ".join([item(row, summaries.get(row.uid)) for item in render]))
        for row in rows
    )
    return lines, rest


_Rows = tuple[list[Message], dict[int, Summary], dict[int, int]]


def _read_rows(tx: Reading, mailbox_id: int, block: dict[int, int], *, prepared: bool) -> _Rows:
    """Rows, with as many summaries as may be held where they are needed, and what is left of the block then."""
    if not prepared:
        return messages.rows(tx, mailbox_id, list(block)), {}, {}
    summaries = dict(messages.summaries(tx, mailbox_id, list(block), octets=HELD))
    last = next(reversed(summaries), None)
    if last is None:
        return [], {}, {}
    rest = {} if last == next(reversed(block)) else {uid: number for uid, number in block.items() if uid > last}
    return messages.rows(tx, mailbox_id, list(summaries)), summaries, rest


def _light_lines(block: dict[int, int], wanted: Plan, rows: list[tuple[int, int, str, int]]) -> bytes:
    """Likewise for FLAGS and UID alone, which clients ask of whole mailboxes at every start."""
    if Attribute.FLAGS not in wanted.attributes:
        return b"".join([b"* %d FETCH (UID %d)\r\n" % (block[uid], uid) for uid, *_ in rows])
    if Attribute.UID not in wanted.attributes:
        return b"".join(
            [b"* %d FETCH (FLAGS %b)\r\n" % (block[uid], rendered(flags, keywords)) for uid, flags, keywords, _ in rows]
        )
    return b"".join(
        [
            b"* %d FETCH (UID %d FLAGS %b)\r\n" % (block[uid], uid, rendered(flags, keywords))
            for uid, flags, keywords, _ in rows
        ]
    )


async def _send_bodies(session: Session, wanted: Plan, block: dict[int, int], unread: list[Unread]) -> None:
    """The responses of a block with content; each message is read when its turn has come."""
    marked = await _mark_seen(session, list(block)) if wanted.marks else frozenset[int]()
    while block:
        query = partial(_read_block, session.mailbox.mailbox.id, block, wanted)
        read, rest = await session.server.database.read(query)
        await _send_block(session, wanted, block, marked, read, unread)
        block = rest


async def _send_block(  # noqa: PLR0917
    session: Session,
    wanted: Plan,
    block: dict[int, int],
    marked: frozenset[int],
    read: _Block,
    unread: list[Unread],
) -> None:
    rows, summaries, contents = read
    for row in rows:
        summary = summaries.get(row.uid)
        packed = summary.layout if summary is not None else b""
        body = Body(session.server.blobs, row.blob_id, row.size, packed, contents.get(row.blob_id))
        try:
            await body.insist(wanted.sections)  # nothing of the response is written yet
        except (Temporary, Permanent) as error:
            log.warning("imap.content_unread", blob=row.blob_id, error=str(error))
            unread.append((block[row.uid], isinstance(error, Temporary)))
            continue
        attributes = wanted.attributes
        if row.uid in marked and Attribute.FLAGS not in attributes:
            attributes = (*attributes, Attribute.FLAGS)  # RFC 3501 §6.4.5: "the flags SHOULD be included"
        head = b"".join([_RENDER[attribute](row, summary) + b" " for attribute in attributes])
        session.output.write(b"* %d FETCH (%b" % (block[row.uid], head))
        for index, section in enumerate(wanted.sections):
            if index:
                session.output.write(b" ")
            await body.send(section, session.output)
        session.output.write(b")\r\n")
        await session.output.drain()


_Block = tuple[list[Message], dict[int, Summary], dict[int, bytes]]


def _read_block(mailbox_id: int, block: dict[int, int], wanted: Plan, tx: Reading) -> tuple[_Block, dict[int, int]]:
    """Rows, summaries by UID, and as many small contents by blob as may be held; runs on the reader's thread.

    What is left of the block comes second.
    """
    rows, summaries, rest = _read_rows(tx, mailbox_id, block, prepared=wanted.prepared)
    at_hand, ids = AT_HAND, set[int]()
    for row in rows:
        if row.size <= min(CHUNK, at_hand):
            ids.add(row.blob_id)
            at_hand -= row.size
    return (rows, summaries, dict(blobs.small(tx, ids, CHUNK))), rest


async def _mark_seen(session: Session, uids: list[int]) -> frozenset[int]:
    """Set \\Seen where it is missing; the UIDs it was set for."""
    mailbox = session.mailbox.mailbox

    def unseen(tx: Reading) -> list[int]:
        return [uid for uid, flags, *_ in messages.flag_rows(tx, mailbox.id, uids) if not flags & Flag.SEEN]

    def mark(tx: Writing) -> tuple[list[Message], set[int]]:
        return store_and_tell(tx, mailbox, missing, Change.ADD, flags=Flag.SEEN, keywords=frozenset())

    missing = await session.server.database.read(unseen)
    if not missing:
        return frozenset()
    changed, own = await session.server.database.write(mark)
    session.mailbox.own |= own
    return frozenset(message.uid for message in changed)
