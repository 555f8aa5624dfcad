"""Putting an accepted message where it belongs: mailboxes of our people, the spool, a leaf in the log.

All of it is one unit of work: either the whole promise is on disk, or none of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from node.anchor import message_leaves
from node.anchor.leaf import Direction, Leaf, Outcome
from node.anchor.log import Log
from node.base.address import Address
from node.base.errors import Temporary
from node.directory.resolve import Foreign, Local, readers, resolve
from node.flow.acquaintance import remember, remember_sent
from node.flow.parcel import Parcel
from node.mail.correspondence import Correspondence
from node.store import blobs, mailboxes, messages, spool
from node.store.database import Writing
from node.store.mailboxes import Mailbox

SPOOL_SECONDS = 5 * 24 * 3600  # RFC 5321 §4.5.4.1: "at least 4-5 days"


class RecipientGone(Temporary):
    """An address that was fine at RCPT is nobody's any more: asked again, the sender gets the right answer."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to do with one parcel.

    Attributes:
        sender: the reverse-path as text, "" for null; bounces go there.
        recipients: as accepted at RCPT.
        folder: SPECIAL-USE name of the mailbox, or "" for the inbox.
        folders: the same for accounts (by id) for which another holds.
        may_leave: True when recipients on other servers are spooled, False when they are refused.
        smtputf8: the message may only travel to servers that take SMTPUTF8.
        direction: for the log.
        letter: what ties the message to others; None when nobody is to remember whom it came from.
        submitter: the account that sent it, 0 for mail from elsewhere.
    """

    sender: str
    recipients: Sequence[Address]
    direction: Direction
    folder: str = ""
    folders: Mapping[int, str] = field(default_factory=dict)
    may_leave: bool = False
    smtputf8: bool = False
    letter: Correspondence | None = None
    submitter: int = 0


class _Kept(NamedTuple):
    """A parcel whose content has become a blob."""

    blob: int
    size: int
    parcel: Parcel


def deliver(tx: Writing, parcel: Parcel, order: Order, log: Log) -> int:
    """Keep one message for all its recipients; return its index in the log.

    A person named twice, directly and by alias, gets it once.

    Raises:
        RecipientGone: nothing is kept.
    """
    prepared = parcel.prepared()
    kept = _Kept(blobs.add(tx, prepared), prepared.size, parcel)
    reached: dict[int, str] = {}  # accounts, and the folder of each
    leaves = False
    for address in order.recipients:
        resolution = resolve(tx, address)
        for reader in readers(resolution):
            if reader.account.id not in reached:
                folder = order.folders.get(reader.account.id, order.folder)
                reached[reader.account.id] = folder
                _keep(tx, kept, reader, folder)
        if readers(resolution):
            continue
        if isinstance(resolution, Foreign) and order.may_leave:
            leaves = True
            spool.add(
                tx,
                kept.blob,
                order.sender,
                str(address),
                next_attempt=parcel.received,
                expires=parcel.received + SPOOL_SECONDS,
                smtputf8=order.smtputf8,
            )
        else:
            raise RecipientGone(f"{address} was removed while its mail was coming in")
    if order.letter:
        for is_junk in (False, True):
            whose = [account_id for account_id, folder in reached.items() if bool(folder) is is_junk]
            remember(tx, order.letter, parcel.received, whose, junk=is_junk)
        if order.submitter:
            remember_sent(tx, order.letter, parcel.received, order.submitter, order.recipients)
    leaf = Leaf(prepared.sha256, order.direction, parcel.received, parcel.salt)
    return message_leaves.append(tx, log, leaf, Outcome.SENT if leaves else _outcome(reached))


def _outcome(reached: Mapping[int, str]) -> Outcome:
    """What became of a message that all went to people here."""
    junked = {bool(folder) for folder in reached.values()}
    return Outcome.DIVIDED if len(junked) > 1 else Outcome.JUNK if True in junked else Outcome.INBOX


def _keep(tx: Writing, kept: _Kept, reader: Local, folder: str) -> None:
    account = reader.account
    mailbox = mailboxes.special(tx, account.id, folder) if folder else _of_tag(tx, reader)
    mailbox = mailbox or mailboxes.find(tx, account.id, "INBOX")
    assert mailbox is not None  # every account has an inbox, and nobody can delete it
    parcel = kept.parcel
    messages.add(tx, mailbox.id, kept.blob, kept.size, parcel.summary, internaldate=parcel.received)


def _of_tag(tx: Writing, reader: Local) -> Mailbox | None:
    """The mailbox that the address's tag names, without regard to case.

    Never one with a use of its own: strangers would put mail among what one has sent, or where nobody looks.
    """
    wanted = reader.folder.casefold()
    if not wanted:
        return None
    for mailbox in mailboxes.listing(tx, reader.account.id):
        if mailbox.name.casefold() == wanted and mailbox.selectable and not mailbox.special_use:
            return mailbox
    return None
