"""EXPUNGE and UID EXPUNGE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.servers.imap.answer import Answer, Refused
from node.store import messages
from node.wire.imap.expunge import Expunge

if TYPE_CHECKING:
    from node.servers.imap.session import Session


async def expunge(session: Session, command: Expunge) -> Answer:
    """EXPUNGE (RFC 3501 §6.4.3), UID EXPUNGE (RFC 4315 §2.1): only messages with \\Deleted go."""
    selected = session.mailbox
    if selected.readonly:
        raise Refused("The mailbox is read-only")
    uids = None if command.uids is None else selected.all_uids(command.uids, by_uid=True)
    await session.server.database.write(lambda tx: messages.expunge(tx, selected.mailbox.id, uids))
    await session.sync(expunge=True)
    return Answer("Expunged")
