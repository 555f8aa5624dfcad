"""STORE."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from node.servers.imap.answer import Answer, Refused
from node.servers.imap.flags import rendered, split
from node.store import changes, messages
from node.store.database import Writing
from node.store.mailboxes import Mailbox
from node.store.messages import Flag, Message
from node.wire.imap.store import Change, Store

if TYPE_CHECKING:
    from node.servers.imap.session import Session

BLOCK = 1000


async def store(session: Session, command: Store) -> Answer:
    """STORE (RFC 3501 §6.4.6)."""
    selected = session.mailbox
    if selected.readonly:
        raise Refused("The mailbox is read-only")
    expunged = False
    for block in selected.blocks(command.messages, by_uid=command.by_uid, size=BLOCK):
        changed, own = await session.server.database.write(partial(_store, selected.mailbox, list(block), command))
        selected.own |= own
        expunged = expunged or len(changed) < len(block)
        if not command.silent:
            for message in changed:
                uid = b"UID %d " % message.uid if command.by_uid else b""
                flags = rendered(message.flags, message.keywords)
                session.output.write(b"* %d FETCH (%bFLAGS %b)\r\n" % (block[message.uid], uid, flags))
            await session.output.drain()
    await session.sync(expunge=command.by_uid)
    # RFC 2180 §4.2: a message that another session expunged is no error for the rest.
    return Answer("Stored", b"EXPUNGEISSUED" if expunged and not command.by_uid else b"")


def _store(mailbox: Mailbox, uids: list[int], command: Store, tx: Writing) -> tuple[list[Message], set[int]]:
    flags, keywords = split(command.flags)
    return store_and_tell(tx, mailbox, uids, command.change, flags=flags, keywords=keywords)


def store_and_tell(
    tx: Writing, mailbox: Mailbox, uids: list[int], change: Change, *, flags: Flag, keywords: frozenset[str]
) -> tuple[list[Message], set[int]]:
    """Change flags; the messages as they are now, and the modseq that this change took, if it changed any."""
    before = changes.modseq(tx, mailbox.account_id)
    found = messages.store(tx, mailbox.id, uids, change.value, flags, keywords)
    # A message that had the flags already keeps the modseq of somebody else's change, which is news still.
    return found, {message.modseq for message in found if message.modseq > before}
