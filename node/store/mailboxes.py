"""Mailboxes: names in a tree with "/" between the levels, counters in the row, subscriptions beside them."""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import bindparam, func, select, update
from sqlalchemy import delete as delete_from
from sqlalchemy.dialects.sqlite import insert as upsert

from node.store import changes, messages, metadata
from node.store.refusal import MailboxError, Reason
from node.store.schema import account, mailbox, subscription
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Row, Writing

SEPARATOR = "/"
INBOX = "INBOX"
MAX_NAME = 512  # octets of UTF-8
MAX_LEVELS = 32
MAX_MAILBOXES = 5000  # of one account


@dataclass(frozen=True, slots=True)
class Mailbox:
    """One mailbox with its counters as of the snapshot it was read from.

    Attributes:
        messages, unseen, deleted: how many there are, lack SEEN, carry DELETED.
        size: octets of all messages.
        highestmodseq: of the last change in it (RFC 7162 §3.1.2.1).
        special_use: "\\\\Junk" and the like (RFC 6154 §2), "" for none.
        selectable: False for a level that only holds others.
    """

    id: int
    account_id: int
    name: str
    uidvalidity: int
    uidnext: int
    messages: int
    unseen: int
    deleted: int
    size: int
    highestmodseq: int
    subscribed: bool
    special_use: str
    selectable: bool


_C = mailbox.c
_SUBSCRIBED = (
    select(subscription.c.name)
    .where(subscription.c.account_id == _C.account_id, subscription.c.name == _C.name)
    .exists()
)
_SELECT = select(
    _C.id,
    _C.account_id,
    _C.name,
    _C.uidvalidity,
    _C.uidnext,
    _C.messages,
    _C.unseen,
    _C.deleted,
    _C.size,
    _C.highestmodseq,
    _SUBSCRIBED,
    _C.special_use,
    _C.selectable,
)
_LISTING = Statement(_SELECT.where(same(_C.account_id)).order_by(_C.name))
_GET = Statement(_SELECT.where(same(_C.id)))
_FIND = Statement(_SELECT.where(same(_C.account_id), same(_C.name)))
_SPECIAL = Statement(
    _SELECT.where(same(_C.account_id), same(_C.special_use), _C.selectable == 1).order_by(_C.id).limit(1)
)
_COUNT = Statement(select(func.count()).select_from(mailbox).where(same(_C.account_id)))
_ADD = Statement(adding(mailbox, "id").returning(_C.id))
_REMOVE = Statement(delete_from(mailbox).where(same(_C.id)))
_RENAME = Statement(
    update(mailbox)
    .where(same(_C.id, "mailbox_id"))
    .values(name=bindparam("new_name"), highestmodseq=func.max(_C.highestmodseq, bindparam("modseq")))
)
_OPEN = Statement(
    update(mailbox)
    .where(same(_C.id, "mailbox_id"))
    .values(selectable=bindparam("open"), special_use=bindparam("use"), uidvalidity=bindparam("validity"), uidnext=1)
)
_UIDVALIDITY = Statement(
    update(account)
    .where(same(account.c.id, "account_id"))
    .values(uidvalidity=func.max(account.c.uidvalidity + 1, bindparam("now")))
    .returning(account.c.uidvalidity)
)
_SUBSCRIBE = Statement(
    upsert(subscription).values(account_id=bindparam("account_id"), name=bindparam("name")).on_conflict_do_nothing()
)
_UNSUBSCRIBE = Statement(delete_from(subscription).where(same(subscription.c.account_id), same(subscription.c.name)))
_SUBSCRIPTIONS = Statement(
    select(subscription.c.name).where(same(subscription.c.account_id)).order_by(subscription.c.name)
)


def normalize(name: str) -> str:
    """The name as it is kept: INBOX is known in any case (RFC 3501 §5.1), one separator at the end means nothing."""
    name = name.encode("utf-8", "backslashreplace").decode()  # half a pair may be asked for
    head, separator, rest = name.removesuffix(SEPARATOR).partition(SEPARATOR)
    return f"{INBOX if head.upper() == INBOX else head}{separator}{rest}"


def check(name: str) -> str:
    """The normalized name of a mailbox to be made.

    Raises:
        MailboxError: no mailbox may be called that.
    """
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise MailboxError(Reason.CANNOT, "a mailbox name is Unicode text")
    name = normalize(name)
    levels = name.split(SEPARATOR)
    length = len(name.encode())
    if not all(levels) or not name.isprintable():
        raise MailboxError(Reason.CANNOT, "a mailbox name has no empty level and no control characters")
    if length > MAX_NAME or len(levels) > MAX_LEVELS:
        raise MailboxError(Reason.LIMIT, f"a mailbox name has at most {MAX_NAME} octets and {MAX_LEVELS} levels")
    return name


def listing(tx: Reading, account_id: int) -> list[Mailbox]:
    """All mailboxes of the account, by name."""
    return [_made(row) for row in tx.execute(_LISTING, account_id=account_id)]


def get(tx: Reading, id: int) -> Mailbox | None:
    """The mailbox by id; ids are never given out again."""
    row = tx.one(_GET, id=id)
    return _made(row) if row else None


def find(tx: Reading, account_id: int, name: str) -> Mailbox | None:
    """The mailbox by name; INBOX in any case."""
    row = tx.one(_FIND, account_id=account_id, name=normalize(name))
    return _made(row) if row else None


def special(tx: Reading, account_id: int, use: str) -> Mailbox | None:
    """The account's mailbox for a use, "\\\\Junk" for example (RFC 6154 §2)."""
    row = tx.one(_SPECIAL, account_id=account_id, special_use=use)
    return _made(row) if row else None


def subscriptions(tx: Reading, account_id: int) -> list[str]:
    """Subscribed names, of missing mailboxes too (RFC 3501 §6.3.9)."""
    return [name for (name,) in tx.execute(_SUBSCRIPTIONS, account_id=account_id)]


def create(tx: Writing, account_id: int, name: str, *, special_use: str = "") -> Mailbox:
    """Make a mailbox, and the levels above it where they are missing (RFC 3501 §6.3.3).

    Raises:
        MailboxError: it exists, the name is bad, or the account has too many.
    """
    name = check(name)
    present = find(tx, account_id, name)
    if present is not None and present.selectable:
        raise MailboxError(Reason.EXISTS, f"{name} exists already")
    _make_parents(tx, account_id, name)
    if present is None:
        return _make(tx, account_id, name, special_use, selectable=True)
    validity = _uidvalidity(tx, account_id)
    tx.execute(_OPEN, mailbox_id=present.id, open=1, use=special_use, validity=validity)
    _record(tx, account_id, present.id)
    return _sure(find(tx, account_id, name))


def rename(tx: Writing, account_id: int, name: str, new_name: str) -> Mailbox:
    """Rename a mailbox with everything below it; renaming INBOX moves its messages to a new one (RFC 3501 §6.3.5).

    Raises:
        MailboxError: there is no such mailbox, the new name is taken or bad, or lies below the old one.
    """
    old = find(tx, account_id, name)
    if old is None:
        raise MailboxError(Reason.MISSING, f"there is no mailbox {name}")
    new_name = check(new_name)
    if find(tx, account_id, new_name) is not None:
        raise MailboxError(Reason.EXISTS, f"{new_name} exists already")
    if old.name == INBOX:
        target = create(tx, account_id, new_name)
        messages.move(tx, old.id, messages.uids(tx, old.id), target.id)
        metadata.copy(tx, account_id, old.id, target.id)
        return _sure(get(tx, target.id))
    if new_name.startswith(old.name + SEPARATOR):
        raise MailboxError(Reason.CANNOT, "a mailbox cannot move below itself")
    _make_parents(tx, account_id, new_name)
    for one in (old, *_below(tx, account_id, old.name)):
        modseq = _record(tx, account_id, one.id)
        tx.execute(_RENAME, mailbox_id=one.id, new_name=check(new_name + one.name[len(old.name) :]), modseq=modseq)
    _drop_empty_levels(tx, account_id, old.name)
    return _sure(get(tx, old.id))


def delete(tx: Writing, account_id: int, name: str) -> None:
    """Delete a mailbox and its messages; where others lie below it, an unselectable level stays (RFC 3501 §6.3.4).

    Raises:
        MailboxError: there is no such mailbox, it is INBOX, or it is such a level itself.
    """
    one = find(tx, account_id, name)
    if one is None:
        raise MailboxError(Reason.MISSING, f"there is no mailbox {name}")
    if one.name == INBOX:
        raise MailboxError(Reason.CANNOT, "INBOX cannot be deleted")
    children = _below(tx, account_id, one.name)
    if children and not one.selectable:
        raise MailboxError(Reason.HAS_CHILDREN, f"{one.name} holds other mailboxes: delete them first")
    messages.remove(tx, one.id, messages.uids(tx, one.id))
    metadata.forget(tx, account_id, one.id)
    _record(tx, account_id, one.id)
    if children:
        tx.execute(_OPEN, mailbox_id=one.id, open=0, use="", validity=one.uidvalidity)
        return
    tx.execute(_REMOVE, id=one.id)
    _drop_empty_levels(tx, account_id, one.name)


def subscribe(tx: Writing, account_id: int, name: str, on: bool) -> None:
    """Note or drop a subscription, whether there is such a mailbox or not (RFC 3501 §6.3.6).

    Raises:
        MailboxError: no mailbox may be called that, or there are too many.
    """
    name = check(name) if on else normalize(name)
    if on and len(subscriptions(tx, account_id)) >= MAX_MAILBOXES:
        raise MailboxError(Reason.LIMIT, f"an account has at most {MAX_MAILBOXES} subscriptions")
    tx.execute(_SUBSCRIBE if on else _UNSUBSCRIBE, account_id=account_id, name=name)
    present = find(tx, account_id, name)
    _record(tx, account_id, present.id if present else 0)


def _make(tx: Writing, account_id: int, name: str, use: str, *, selectable: bool) -> Mailbox:
    if tx.value(_COUNT, account_id=account_id) >= MAX_MAILBOXES:
        raise MailboxError(Reason.LIMIT, f"an account has at most {MAX_MAILBOXES} mailboxes")
    modseq = changes.next_modseq(tx, account_id)
    id = tx.value(
        _ADD,
        account_id=account_id,
        name=name,
        uidvalidity=_uidvalidity(tx, account_id),
        uidnext=1,
        messages=0,
        unseen=0,
        deleted=0,
        size=0,
        highestmodseq=modseq,
        special_use=use,
        selectable=int(selectable),
    )
    changes.record(tx, account_id, modseq, id, 0, "mailbox")
    return _sure(get(tx, id))


def _make_parents(tx: Writing, account_id: int, name: str) -> None:
    levels = name.split(SEPARATOR)
    for depth in range(1, len(levels)):
        above = SEPARATOR.join(levels[:depth])
        if find(tx, account_id, above) is None:
            _make(tx, account_id, above, "", selectable=False)


def _drop_empty_levels(tx: Writing, account_id: int, name: str) -> None:
    """Remove the unselectable levels above a name that hold nothing any more."""
    while SEPARATOR in name:
        name = name.rpartition(SEPARATOR)[0]
        level = find(tx, account_id, name)
        if level is None or level.selectable or _below(tx, account_id, name):
            return
        metadata.forget(tx, account_id, level.id)
        _record(tx, account_id, level.id)
        tx.execute(_REMOVE, id=level.id)


def _below(tx: Reading, account_id: int, name: str) -> list[Mailbox]:
    prefix = name + SEPARATOR
    return [one for one in listing(tx, account_id) if one.name.startswith(prefix)]


def _record(tx: Writing, account_id: int, mailbox_id: int) -> int:
    modseq = changes.next_modseq(tx, account_id)
    changes.record(tx, account_id, modseq, mailbox_id, 0, "mailbox")
    return modseq


def _uidvalidity(tx: Writing, account_id: int) -> int:
    """A value no mailbox of the account ever had, so that a name made again is never mistaken (RFC 3501 §2.3.1.1)."""
    value: int = tx.value(_UIDVALIDITY, account_id=account_id, now=int(time.time()))
    return value


def _sure(one: Mailbox | None) -> Mailbox:
    assert one is not None
    return one


def _made(row: Row) -> Mailbox:
    *rest, subscribed, special_use, selectable = row
    return Mailbox(*rest, bool(subscribed), special_use, bool(selectable))  # type: ignore[call-arg]
