"""STATUS, from the mailbox's counters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from node.servers.imap.answer import Answer
from node.servers.imap.mailboxes import existing
from node.store.mailboxes import Mailbox
from node.wire.imap.mutf7 import encode
from node.wire.imap.render import astring
from node.wire.imap.status import Status, StatusItem

if TYPE_CHECKING:
    from node.servers.imap.session import Session


async def status(session: Session, command: Status) -> Answer:
    """STATUS (RFC 3501 §6.3.10)."""
    account = session.account.id
    mailbox = await session.server.database.read(lambda tx: existing(tx, account, command.mailbox))
    session.output.write(status_line(mailbox, command.mailbox, command.items))
    await session.sync()
    return Answer("Told")


def status_line(mailbox: Mailbox, name: str, items: Iterable[StatusItem]) -> bytes:
    """The untagged STATUS response."""
    values = b" ".join(b"%b %d" % (item.value.encode(), _value(mailbox, item)) for item in items)
    return b"* STATUS %b (%b)\r\n" % (astring(encode(name)), values)


def _value(mailbox: Mailbox, item: StatusItem) -> int:
    values = {
        StatusItem.MESSAGES: mailbox.messages,
        StatusItem.RECENT: 0,
        StatusItem.UIDNEXT: mailbox.uidnext,
        StatusItem.UIDVALIDITY: mailbox.uidvalidity,
        StatusItem.UNSEEN: mailbox.unseen,
        StatusItem.SIZE: mailbox.size,
        StatusItem.DELETED: mailbox.deleted,
        StatusItem.HIGHESTMODSEQ: mailbox.highestmodseq,
    }
    return values[item]
