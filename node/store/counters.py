"""A mailbox's counters and the account's modification numbers: moved with every change, never recounted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from sqlalchemy import bindparam, case, func, select, update

from node.store.message import Flag
from node.store.refusal import MailboxError, Reason
from node.store.schema import account, mailbox, message
from node.store.statement import Statement, same
from node.store.transaction import Reading, Writing

MAX_UID = 2**32 - 1  # RFC 3501 §2.3.1.1

_C = message.c
_SEEN, _DELETED = Flag.SEEN.value, Flag.DELETED.value

_MODSEQ = Statement(
    update(account)
    .where(
        account.c.id == select(mailbox.c.account_id).where(mailbox.c.id == bindparam("mailbox_id")).scalar_subquery()
    )
    .values(modseq=account.c.modseq + 1)
    .returning(account.c.id, account.c.modseq)
)
_MOVED = {
    "messages": mailbox.c.messages + bindparam("more"),
    "unseen": mailbox.c.unseen + bindparam("more_unseen"),
    "deleted": mailbox.c.deleted + bindparam("more_deleted"),
    "size": mailbox.c.size + bindparam("more_size"),
    "highestmodseq": bindparam("modseq"),
}
_MOVE = Statement(update(mailbox).where(same(mailbox.c.id, "mailbox_id")).values(_MOVED))
_RESERVE = Statement(
    update(mailbox)
    .where(same(mailbox.c.id, "mailbox_id"), mailbox.c.selectable == 1)
    .values(_MOVED | {"uidnext": mailbox.c.uidnext + bindparam("more")})
    .returning(mailbox.c.uidnext)
)
_SCAN = Statement(
    select(
        func.count(),
        func.coalesce(func.sum(case((_C.flags.bitwise_and(_SEEN) == 0, 1), else_=0)), 0),
        func.coalesce(func.sum(case((_C.flags.bitwise_and(_DELETED) != 0, 1), else_=0)), 0),
        func.coalesce(func.sum(_C.size), 0),
    ).where(same(_C.mailbox_id))
)


class Delta(NamedTuple):
    """By how much a mailbox's counters move; also their whole state, as `scan` counts it."""

    messages: int
    unseen: int
    deleted: int
    size: int

    @classmethod
    def of(cls, messages: Iterable[tuple[int, int]], sign: int = 1) -> Delta:
        """What messages, as (size, flag bits), bring (`sign` 1) or take away (-1)."""
        count = without_seen = with_deleted = octets = 0
        for size, flags in messages:
            count += 1
            octets += size
            without_seen += not flags & _SEEN
            with_deleted += bool(flags & _DELETED)
        return cls(sign * count, sign * without_seen, sign * with_deleted, sign * octets)


def next_modseq(tx: Writing, mailbox_id: int) -> tuple[int, int]:
    """The account of a mailbox, and that account's next modification number.

    Raises:
        MailboxError: the mailbox is gone.
    """
    row = tx.one(_MODSEQ, mailbox_id=mailbox_id)
    if row is None:
        raise MailboxError(Reason.MISSING, "the mailbox is gone")
    account_id, modseq = row
    return account_id, modseq


def reserve(tx: Writing, mailbox_id: int, modseq: int, delta: Delta) -> int:
    """Count new messages in; return the first of the consecutive UIDs that are now theirs.

    Raises:
        MailboxError: the mailbox holds other mailboxes only, or has run out of UIDs.
    """
    uidnext = tx.value(
        _RESERVE,
        mailbox_id=mailbox_id,
        modseq=modseq,
        more=delta.messages,
        more_unseen=delta.unseen,
        more_deleted=delta.deleted,
        more_size=delta.size,
    )
    if uidnext is None:
        raise MailboxError(Reason.CANNOT, "the mailbox holds other mailboxes only, no messages")
    if uidnext > MAX_UID:
        raise MailboxError(Reason.LIMIT, "the mailbox has no UID left: move its messages to a new one")
    return int(uidnext) - delta.messages


def move(tx: Writing, mailbox_id: int, modseq: int, delta: Delta) -> None:
    """Move the counters; `modseq` becomes the mailbox's highest."""
    tx.execute(
        _MOVE,
        mailbox_id=mailbox_id,
        modseq=modseq,
        more=delta.messages,
        more_unseen=delta.unseen,
        more_deleted=delta.deleted,
        more_size=delta.size,
    )


def scan(tx: Reading, mailbox_id: int) -> Delta:
    """The counters' right values, from the rows themselves: for tests and for checking a database."""
    row = tx.one(_SCAN, mailbox_id=mailbox_id)
    assert row is not None
    return Delta(*row)
