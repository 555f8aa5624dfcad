"""STATUS, from the mailbox's counters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from node.servers.imap.answer import Answer
from node.servers.imap.mailboxes import existing
from node.store.database import Reading
from node.store.directory import quotas
from node.store.mailboxes import Mailbox
from node.wire.imap.mutf7 import encode
from node.wire.imap.render import astring
from node.wire.imap.status import Status, StatusItem

if TYPE_CHECKING:
    from node.servers.imap.session import Session


async def status(session: Session, command: Status) -> Answer:
    """STATUS (RFC 3501 §6.3.10)."""
    account = session.account.id
    mailbox, deleted = await session.server.database.read(lambda tx: _look(tx, account, command))
    session.output.write(status_line(mailbox, command.mailbox, command.items, deleted))
    await session.sync()
    return Answer("Told")


def _look(tx: Reading, account_id: int, command: Status) -> tuple[Mailbox, int]:
    mailbox = existing(tx, account_id, command.mailbox)
    asked = StatusItem.DELETED_STORAGE in command.items and mailbox.deleted
    return mailbox, quotas.deleted_storage(tx, mailbox.id) if asked else 0


def status_line(mailbox: Mailbox, name: str, items: Iterable[StatusItem], deleted_storage: int) -> bytes:
    """The untagged STATUS response."""
    values = b" ".join(b"%b %d" % (item.value.encode(), _value(mailbox, item, deleted_storage)) for item in items)
    return b"* STATUS %b (%b)\r\n" % (astring(encode(name)), values)


def _value(mailbox: Mailbox, item: StatusItem, deleted_storage: int) -> int:
    values = {
        StatusItem.MESSAGES: mailbox.messages,
        StatusItem.RECENT: 0,
        StatusItem.UIDNEXT: mailbox.uidnext,
        StatusItem.UIDVALIDITY: mailbox.uidvalidity,
        StatusItem.UNSEEN: mailbox.unseen,
        StatusItem.SIZE: mailbox.size,
        StatusItem.DELETED: mailbox.deleted,
        StatusItem.DELETED_STORAGE: deleted_storage,
        StatusItem.HIGHESTMODSEQ: mailbox.highestmodseq,
    }
    return values[item]
