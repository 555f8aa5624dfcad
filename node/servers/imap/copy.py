"""COPY and MOVE, with COPYUID."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from node.servers.imap.answer import Answer, Refused
from node.servers.imap.mailboxes import target
from node.servers.imap.quota import insist_on_room
from node.store import messages
from node.store.database import Writing
from node.store.directory import quotas
from node.store.mailboxes import Mailbox
from node.wire.imap.copy import Copy, Move
from node.wire.imap.render import status
from node.wire.imap.sequence import compact

if TYPE_CHECKING:
    from node.servers.imap.session import Session

Pairs = list[tuple[int, int]]


async def copy(session: Session, command: Copy) -> Answer:
    """COPY (RFC 3501 §6.4.7): all of it or nothing."""
    code = await _transfer(session, command)
    await session.sync(expunge=True)
    return Answer("Copied", code)


async def move(session: Session, command: Move) -> Answer:
    """MOVE (RFC 6851 §3.3): COPYUID comes before the EXPUNGE responses."""
    if session.mailbox.readonly:
        raise Refused("The mailbox is read-only")
    code = await _transfer(session, command)
    if code:
        session.output.write(status(b"*", b"OK", "Moved", code))
    await session.sync(expunge=True)
    return Answer("Done")


async def _transfer(session: Session, command: Copy | Move) -> bytes:
    selected = session.mailbox
    uids = selected.all_uids(command.messages, by_uid=command.by_uid)
    work = partial(_copy_or_move, session.account.id, selected.mailbox.id, uids, command)
    mailbox, pairs = await session.server.database.write(work)
    if not pairs:
        return b""
    sources, copies = (compact(side) for side in zip(*pairs, strict=True))
    return b"COPYUID %d %b %b" % (mailbox.uidvalidity, sources, copies)  # RFC 4315 §3


def _copy_or_move(
    account_id: int, mailbox_id: int, uids: list[int], command: Copy | Move, tx: Writing
) -> tuple[Mailbox, Pairs]:
    mailbox = target(tx, account_id, command.target)
    if not uids:
        return mailbox, []
    if isinstance(command, Copy):
        rows = messages.rows(tx, mailbox_id, uids) if quotas.about(tx, account_id) else []
        if rows:
            insist_on_room(tx, account_id, 0, len(rows))  # octets count once, in however many mailboxes they lie
        return mailbox, messages.copy(tx, mailbox_id, uids, mailbox.id)
    if mailbox.id == mailbox_id:
        raise Refused("The messages are there already", b"CANNOT")
    return mailbox, messages.move(tx, mailbox_id, uids, mailbox.id)
