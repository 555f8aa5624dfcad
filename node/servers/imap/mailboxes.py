"""SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, CLOSE, UNSELECT."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from node.servers.imap.answer import Answer, Refused
from node.servers.imap.flags import COMMON_KEYWORDS, SYSTEM
from node.servers.imap.selected import Selected
from node.store import changes, mailboxes, messages
from node.store.database import Reading, Writing
from node.store.mailboxes import Mailbox
from node.wire.imap.commands import Step
from node.wire.imap.flags import render_flags
from node.wire.imap.mailboxes import Create, Delete, Rename, Select, Subscribe

if TYPE_CHECKING:
    from node.servers.imap.session import Session


def existing(tx: Reading, account_id: int, name: str) -> Mailbox:
    """The account's mailbox of that name; refuses names that are only a level of hierarchy."""
    mailbox = mailboxes.find(tx, account_id, name)
    if mailbox is None or not mailbox.selectable:
        raise Refused("No such mailbox", b"NONEXISTENT")
    return mailbox


def target(tx: Reading, account_id: int, name: str) -> Mailbox:
    """Where APPEND, COPY and MOVE put messages; its absence tells clients to create it (RFC 3501 §6.3.11)."""
    mailbox = mailboxes.find(tx, account_id, name)
    if mailbox is None or not mailbox.selectable:
        raise Refused("No such mailbox", b"TRYCREATE")
    return mailbox


def _open(account_id: int, command: Select, tx: Reading) -> Selected:
    mailbox = existing(tx, account_id, command.mailbox)
    return Selected(mailbox, command.readonly, messages.uids(tx, mailbox.id), changes.modseq(tx, account_id))


async def select(session: Session, command: Select) -> Answer:
    """SELECT and EXAMINE (RFC 3501 §6.3.1, §6.3.2). A failed one leaves no mailbox selected."""
    await session.check()
    session.selected = None
    session.engine.advance(Step.UNSELECT)
    selected = await session.server.database.read(partial(_open, session.account.id, command))
    session.selected = selected
    session.engine.advance(Step.SELECT)
    mailbox = selected.mailbox
    permanent = "" if command.readonly else "\\*"
    flags = () if command.readonly else (*SYSTEM, *COMMON_KEYWORDS, permanent)
    session.output.write(
        b"* FLAGS %b\r\n* %d EXISTS\r\n* 0 RECENT\r\n"
        b"* OK [PERMANENTFLAGS %b] Kept\r\n* OK [UIDVALIDITY %d] Valid\r\n* OK [UIDNEXT %d] Next\r\n"
        % (
            render_flags((*SYSTEM, *COMMON_KEYWORDS)),
            len(selected.uids),
            render_flags(flags),
            mailbox.uidvalidity,
            mailbox.uidnext,
        )
    )
    return Answer("Selected", b"READ-ONLY" if command.readonly else b"READ-WRITE")


async def close(session: Session) -> Answer:
    """CLOSE (RFC 3501 §6.4.2): removes the messages with \\Deleted and says nothing about it."""
    selected = session.mailbox
    if not selected.readonly:
        await session.server.database.write(lambda tx: messages.expunge(tx, selected.mailbox.id))
    return await unselect(session)


async def unselect(session: Session) -> Answer:
    """UNSELECT (RFC 3691 §2)."""
    session.selected = None
    session.engine.advance(Step.UNSELECT)
    return Answer("Closed")


async def create(session: Session, command: Create) -> Answer:
    """CREATE (RFC 3501 §6.3.3); missing levels above come with it."""
    await session.server.database.write(lambda tx: mailboxes.create(tx, session.account.id, command.mailbox))
    await session.sync()
    return Answer("Created")


async def delete(session: Session, command: Delete) -> Answer:
    """DELETE (RFC 3501 §6.3.4); a mailbox with children stays as a level of hierarchy.

    Whoever deletes the mailbox it has selected has none selected afterwards; other sessions see sync.announce.
    """
    gone = await session.server.database.write(partial(_delete, session.account.id, command.mailbox))
    if session.selected is not None and session.selected.mailbox.id == gone:
        await unselect(session)
    await session.sync()
    return Answer("Deleted")


def _delete(account_id: int, name: str, tx: Writing) -> int | None:
    """Delete it and tell which one it was."""
    mailbox = mailboxes.find(tx, account_id, name)
    mailboxes.delete(tx, account_id, name)
    return mailbox.id if mailbox else None


async def rename(session: Session, command: Rename) -> Answer:
    """RENAME (RFC 3501 §6.3.5); renaming INBOX moves its messages and leaves it empty."""
    await session.server.database.write(
        lambda tx: mailboxes.rename(tx, session.account.id, command.mailbox, command.target)
    )
    await session.sync()
    return Answer("Renamed")


async def subscribe(session: Session, command: Subscribe) -> Answer:
    """SUBSCRIBE and UNSUBSCRIBE (RFC 3501 §6.3.6, §6.3.7); the mailbox need not exist."""
    await session.server.database.write(
        lambda tx: mailboxes.subscribe(tx, session.account.id, command.mailbox, command.on)
    )
    return Answer("Subscribed" if command.on else "Unsubscribed")
