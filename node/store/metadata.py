"""Annotations of mailboxes (RFC 5464): small named values, private ones for each person, shared ones for all.

Who opens a mailbox that is shared with them has private entries of their own there; its shared entries belong to the
account. Limits count for each owner of entries alone, so nobody can use up what somebody else may keep.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import bindparam, delete, func, select

from node.store.refusal import MailboxError, Reason
from node.store.schema_annotations import annotation
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing

SERVER = 0
"""In the place of a mailbox's id: the server."""
SHARED = "/shared/"
MAX_VALUE = 16 << 10  # octets; RFC 5464 §4.1 wants 1,024 at least
MAX_ENTRIES = 100  # of one owner on one mailbox; the RFC wants 10 at least
MAX_OCTETS = 1 << 20  # of one owner in one account, names and values


class Held(NamedTuple):
    """What an owner of entries has: entries on one mailbox, octets in the whole account."""

    entries: int
    octets: int


_C = annotation.c
_ON_MAILBOX = (same(_C.account_id), same(_C.mailbox_id))
_OF = Statement(select(_C.entry, _C.value).where(*_ON_MAILBOX, same(_C.person_id)).order_by(_C.entry))
_REMOVE = Statement(delete(annotation).where(*_ON_MAILBOX, same(_C.person_id), same(_C.entry)))
_ADD = Statement(adding(annotation))
_FORGET = Statement(delete(annotation).where(*_ON_MAILBOX))
_COPY = Statement(
    annotation.insert().from_select(
        [c.name for c in annotation.c],
        select(_C.account_id, bindparam("target_id"), _C.person_id, _C.entry, _C.value).where(*_ON_MAILBOX),
    )
)
_OWNERS = Statement(select(_C.person_id).distinct().where(*_ON_MAILBOX))
_ENTRIES = Statement(select(func.count()).select_from(annotation).where(*_ON_MAILBOX, same(_C.person_id)))
_OCTETS = Statement(
    select(func.coalesce(func.sum(func.length(_C.entry) + func.length(_C.value)), 0)).where(
        same(_C.account_id), same(_C.person_id)
    )
)


def owner(account_id: int, person_id: int, entry: str) -> int:
    """Whose entry it is: the account's when shared, else the person's who sets it."""
    return account_id if entry.startswith(SHARED) else person_id


def seen_by(tx: Reading, account_id: int, mailbox_id: int, person_id: int) -> dict[str, bytes]:
    """Entry to value: what a person sees on a mailbox, or on the server."""
    found: dict[str, bytes] = dict(tx.execute(_OF, account_id=account_id, mailbox_id=mailbox_id, person_id=person_id))
    if person_id != account_id:
        rows = tx.execute(_OF, account_id=account_id, mailbox_id=mailbox_id, person_id=account_id)
        found |= {entry: value for entry, value in rows if entry.startswith(SHARED)}
    return found


def put(tx: Writing, account_id: int, mailbox_id: int, person_id: int, entry: str, value: bytes | None) -> None:  # noqa: PLR0917
    """Set an entry; None removes it."""
    key = {"account_id": account_id, "mailbox_id": mailbox_id, "entry": entry}
    key["person_id"] = owner(account_id, person_id, entry)
    tx.execute(_REMOVE, **key)
    if value is not None:
        tx.execute(_ADD, **key, value=value)


def held(tx: Reading, account_id: int, mailbox_id: int, owner_id: int) -> Held:
    """What counts towards `MAX_ENTRIES` and `MAX_OCTETS`."""
    entries = tx.value(_ENTRIES, account_id=account_id, mailbox_id=mailbox_id, person_id=owner_id)
    return Held(entries, tx.value(_OCTETS, account_id=account_id, person_id=owner_id))


def copy(tx: Writing, account_id: int, mailbox_id: int, target_id: int) -> None:
    """A mailbox that was just made gets everybody's entries of another one: INBOX's, renamed (RFC 5464 §4.1).

    Raises:
        MailboxError: somebody would have more than `MAX_OCTETS`.
    """
    tx.execute(_COPY, account_id=account_id, mailbox_id=mailbox_id, target_id=target_id)
    for (owner_id,) in tx.execute(_OWNERS, account_id=account_id, mailbox_id=target_id):
        if held(tx, account_id, target_id, owner_id).octets > MAX_OCTETS:
            raise MailboxError(Reason.LIMIT, "its annotations have no room twice: remove some of INBOX's first")


def forget(tx: Writing, account_id: int, mailbox_id: int) -> None:
    """The mailbox goes, and with it everybody's entries."""
    tx.execute(_FORGET, account_id=account_id, mailbox_id=mailbox_id)
