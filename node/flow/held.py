"""Mail that was accepted and is kept back: with its leaf in the log like any other, outside the mailboxes, until an
administrator releases or drops it, or its time ends.

Each decision is one unit of work: a message is held, or in its mailboxes, or gone, whenever the node is killed.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from node.anchor import audit, message_leaves
from node.anchor.leaf import Direction, Leaf, Outcome
from node.anchor.log import Log
from node.base.address import parse_address
from node.base.errors import Permanent
from node.directory.resolve import readers, resolve
from node.flow.deliver import Order, RecipientGone, deliver
from node.flow.parcel import Parcel, small_parcel
from node.mail.compose import one_line
from node.mail.notice import Notice, notice
from node.store import accounts, blobs, contacts, held, mailboxes, messages
from node.store.database import Writing
from node.store.held import Held

DAY = 86400
DROPPED_AT_ONCE = 100
_SUBJECT = 200  # characters
_WHY = 500


@dataclass(frozen=True, slots=True)
class Holding:
    """How mail is held on this node.

    Attributes:
        host: our own name, for notes.
        seconds: how long.
        notices: readers are told, when mail is held (at most once a day) and when it was dropped undecided.
    """

    host: str
    seconds: int
    notices: bool


@dataclass(frozen=True, slots=True)
class Why:
    """What the administrator is shown of a message that is held: subject, verdict in words, its reason."""

    subject: str
    verdict: str
    reason: str


def hold(tx: Writing, parcel: Parcel, order: Order, log: Log, holding: Holding, why: Why) -> int:  # noqa: PLR0917
    """Keep a message back; return its index in the log.

    Raises:
        RecipientGone: nothing is kept.
    """
    prepared = parcel.prepared()
    reached: dict[int, str] = {}
    for address in order.recipients:
        people = readers(resolve(tx, address))
        if not people:
            raise RecipientGone(f"{address} was removed while its mail was coming in")
        for reader in people:
            reached.setdefault(reader.account.id, str(address))
    message = Held(
        id=0,
        blob_id=blobs.add(tx, prepared),
        size=prepared.size,
        sender=order.sender,
        author=order.letter.author if order.letter else "",
        subject=one_line(why.subject)[:_SUBJECT],
        why=one_line(why.verdict)[:_WHY],
        verdict=why.reason,
        received=parcel.received,
        expires=parcel.received + holding.seconds,
        recipients=reached,
    )
    number = held.add(tx, message, parcel.summary)
    made = Leaf(prepared.sha256, order.direction, parcel.received, parcel.salt)
    leaf = message_leaves.append(tx, log, made, Outcome.HELD)
    if holding.notices:
        for account_id in reached:
            if not held.has_since(tx, account_id, parcel.received - DAY, number):
                _tell(tx, account_id, log, holding, _held_note(holding, number, message), parcel.received)
    return leaf


def release(tx: Writing, number: int, folder: str = "") -> list[str]:
    """Put a held message where it was meant to go; return the addresses it was for.

    Args:
        folder: SPECIAL-USE name of another mailbox than the inbox.

    Raises:
        Permanent: it is decided already, or nobody it was for has an account any more (then it stays held).
    """
    message = _existing(tx, number)
    reached: list[str] = []
    for account_id, address in message.recipients.items():
        if accounts.get(tx, account_id) is None:
            continue
        _put(tx, account_id, folder, message)
        if message.author:
            contacts.received(tx, account_id, contacts.digest(message.author), message.received, junk=bool(folder))
        reached.append(address)
    if not reached:
        raise Permanent(f"nobody that message {number} was for has an account any more: drop it")
    held.remove(tx, number, released=True)
    _decided(tx, audit.Kind.HELD_RELEASED, message, {"folder": folder or "INBOX"})
    return reached


def _put(tx: Writing, account_id: int, folder: str, message: Held) -> None:
    mailbox = mailboxes.special(tx, account_id, folder) if folder else None
    mailbox = mailbox or mailboxes.find(tx, account_id, "INBOX")
    assert mailbox is not None  # every account has an inbox, and nobody can delete it
    summary = held.summary_of(tx, message)
    messages.add(tx, mailbox.id, message.blob_id, message.size, summary, internaldate=message.received)


def drop(tx: Writing, number: int) -> Held:
    """Give a held message up.

    Raises:
        Permanent: it is decided already.
    """
    message = _existing(tx, number)
    held.remove(tx, number)
    _decided(tx, audit.Kind.HELD_DROPPED, message)
    return message


def _decided(tx: Writing, kind: audit.Kind, message: Held, more: Mapping[str, str] | None = None) -> None:
    """Write an administrator's decision down."""
    details = {"author": message.author or message.sender, "reason": message.verdict, **(more or {})}
    audit.record(tx, kind, audit.OPERATOR, f"held {message.id}", details)


def expire(tx: Writing, now: int, log: Log, holding: Holding) -> int:
    """Give up what nobody decided about in time, and tell its readers in one note each; returns how many went."""
    gone = held.due(tx, now, DROPPED_AT_ONCE)
    lost: dict[int, list[Held]] = {}
    for message in gone:
        held.remove(tx, message.id)
        for account_id in message.recipients:
            lost.setdefault(account_id, []).append(message)
    if gone:
        oldest = min(message.received for message in gone)
        told: dict[str, audit.Detail] = {"rule": "held_mail", "messages": len(gone), "oldest": oldest}
        audit.record(tx, audit.Kind.HELD_EXPIRED, audit.NODE, "", told, now)
    if holding.notices:
        for account_id, messages in lost.items():
            _tell(tx, account_id, log, holding, _dropped_note(messages), now)
    return len(gone)


def _existing(tx: Writing, number: int) -> Held:
    message = held.get(tx, number)
    if message is None:
        raise Permanent(f"there is no held message {number}; `waxseal held list` shows which there are")
    return message


@dataclass(frozen=True, slots=True)
class _Note:
    """A note's subject and lines."""

    subject: str
    lines: Sequence[str]


def _tell(tx: Writing, account_id: int, log: Log, holding: Holding, note: _Note, now: int) -> None:  # noqa: PLR0917
    account = accounts.get(tx, account_id)
    if account is None:
        return
    reader = parse_address(account.address)
    about = Notice(holding.host, reader, f"held.{secrets.token_hex(12)}", now, note.subject, note.lines)
    order = Order(sender="", recipients=(reader,), direction=Direction.SUBMITTED)
    deliver(tx, small_parcel(notice(about)), order, log)


def _held_note(holding: Holding, number: int, message: Held) -> _Note:
    days = max(1, holding.seconds // DAY)
    return _Note(
        "Mail for you is being held back",
        (
            "A message for you looks dangerous. It was accepted, but it is not in your mailbox.",
            "",
            f"  from:    {message.author or message.sender or 'nobody'}",
            f"  subject: {message.subject or '(none)'}",
            f"  reason:  {message.why}",
            f"  number:  {number}",
            "",
            f"If you were waiting for it, ask your administrator within {days} days to release it by that number.",
            "Otherwise there is nothing to do. If more is held within a day, you get no further note.",
        ),
    )


def _dropped_note(messages: Sequence[Held]) -> _Note:
    lines = [f"  {message.author or message.sender or 'nobody'}: {message.subject or '(none)'}" for message in messages]
    return _Note(
        "Mail that was held back for you has been dropped",
        ("Nobody asked for these messages, which looked dangerous, and their time is over:", "", *lines),
    )
