"""LIST and LSUB."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from node.servers.imap.answer import Answer
from node.servers.imap.status import status_line
from node.store import mailboxes
from node.store.database import Reading
from node.store.directory import quotas
from node.store.mailboxes import Mailbox
from node.wire.imap.listing import List, Lsub, matches
from node.wire.imap.mutf7 import encode
from node.wire.imap.render import astring
from node.wire.imap.status import StatusItem

if TYPE_CHECKING:
    from node.servers.imap.session import Session


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in the hierarchy: a mailbox, a level above one, or a subscription to what is gone.

    Attributes:
        mailbox: None when no mailbox has the name.
        exists: a mailbox has the name or stands below it.
    """

    name: str
    mailbox: Mailbox | None
    exists: bool
    has_children: bool
    subscribed: bool
    has_subscribed_children: bool


def _parents(name: str) -> list[str]:
    levels = name.split("/")
    return ["/".join(levels[:count]) for count in range(1, len(levels))]


def entries(account_id: int, tx: Reading) -> list[Entry]:
    """Every name of the account, sorted, INBOX first."""
    boxes = {mailbox.name: mailbox for mailbox in mailboxes.listing(tx, account_id)}
    subscribed = set(mailboxes.subscriptions(tx, account_id))
    above = {parent for name in boxes for parent in _parents(name)}
    above_subscribed = {parent for name in subscribed for parent in _parents(name)}
    names = sorted(boxes.keys() | above | subscribed | above_subscribed, key=lambda name: (name != "INBOX", name))
    return [
        Entry(
            name,
            boxes.get(name),
            name in boxes or name in above,
            name in above,
            name in subscribed,
            name in above_subscribed,
        )
        for name in names
    ]


async def list_(session: Session, command: List) -> Answer:
    """LIST, basic (RFC 3501 §6.3.8) and extended (RFC 5258)."""
    if command.patterns == ("",) and not command.extended:
        session.output.write(b'* LIST (\\Noselect) "/" ""\r\n')  # asks for the separator alone
        return Answer("Listed")
    for entry in await session.server.database.read(partial(entries, session.account.id)):
        if not any(matches(command.reference + pattern, entry.name) for pattern in command.patterns):
            continue
        line = _list_line(entry, command)
        if line is None:
            continue
        session.output.write(line)
        if command.status and entry.mailbox is not None and entry.mailbox.selectable:
            deleted = await _deleted_storage(session, entry.mailbox, command)
            session.output.write(status_line(entry.mailbox, entry.name, command.status, deleted))
        await session.output.drain()
    return Answer("Listed")


def _list_line(entry: Entry, command: List) -> bytes | None:
    """The entry's LIST response, None when the selection options leave it out."""
    extra = b""
    if b"SUBSCRIBED" in command.selection:
        matched = entry.subscribed
        if not matched and entry.has_subscribed_children and b"RECURSIVEMATCH" in command.selection:
            matched, extra = True, b' ("CHILDINFO" ("SUBSCRIBED"))'  # RFC 5258 §3.5
        if not matched:
            return None
    elif not entry.exists:
        return None
    special = entry.mailbox.special_use if entry.mailbox is not None else ""
    if b"SPECIAL-USE" in command.selection and not special:
        return None
    return b'* LIST (%b) "/" %b%b\r\n' % (_attributes(entry, special, command), astring(encode(entry.name)), extra)


def _attributes(entry: Entry, special: str, command: List) -> bytes:
    names = []
    if not entry.exists:
        names.append("\\NonExistent")
    elif entry.mailbox is None or not entry.mailbox.selectable:
        names.append("\\Noselect")
    # RFC 3348 §3, and RFC 6154 §2: both may be told without being asked for.
    names.append("\\HasChildren" if entry.has_children else "\\HasNoChildren")
    if special:
        names.append(special)
    if entry.subscribed and b"SUBSCRIBED" in command.selection | command.returns:
        names.append("\\Subscribed")
    return " ".join(names).encode("ascii")


async def _deleted_storage(session: Session, mailbox: Mailbox, command: List) -> int:
    if StatusItem.DELETED_STORAGE not in command.status or not mailbox.deleted:
        return 0
    return await session.server.database.read(lambda tx: quotas.deleted_storage(tx, mailbox.id))


async def lsub(session: Session, command: Lsub) -> Answer:
    """LSUB (RFC 3501 §6.3.9): with "%", a name whose children alone are subscribed comes as \\Noselect."""
    if not command.pattern:
        session.output.write(b'* LSUB (\\Noselect) "/" ""\r\n')
        return Answer("Listed")
    pattern = command.reference + command.pattern
    for entry in await session.server.database.read(partial(entries, session.account.id)):
        shown = entry.subscribed or (entry.has_subscribed_children and command.pattern.endswith("%"))
        if shown and matches(pattern, entry.name):
            selectable = entry.subscribed and (entry.mailbox is None or entry.mailbox.selectable)
            attributes = b"" if selectable else b"\\Noselect"
            session.output.write(b'* LSUB (%b) "/" %b\r\n' % (attributes, astring(encode(entry.name))))
            await session.output.drain()
    return Answer("Listed")
