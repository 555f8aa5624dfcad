"""Quotas: how much mail an account or a whole domain may hold.

A message counts with the size it had when it came, wherever its octets are now, and once for each person, in however
many of their mailboxes it lies. Mailboxes know the sum of all copies; those that count double are looked for only where
that sum is too much.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from sqlalchemy import bindparam, delete, func, or_, select

from node.store.message import Flag
from node.store.schema import account, mailbox, message, quota
from node.store.statement import Statement, adding, same
from node.store.transaction import Reading, Writing

Use = Literal["person", "each", "domain"]
"""One account; every account of a domain without a quota of its own; all accounts of a domain together."""


class Amount(NamedTuple):
    """So much mail: octets and messages. As a limit, 0 sets none."""

    storage: int
    messages: int

    def exceeded_by(self, used: Amount) -> bool:
        """True when `used` is more than this limit."""
        return 0 < self.storage < used.storage or 0 < self.messages < used.messages

    def plus(self, storage: int, messages: int) -> Amount:
        """This and so much more."""
        return Amount(self.storage + storage, self.messages + messages)


class Quota(NamedTuple):
    """A quota that was set, and for what."""

    use: Use
    target: str
    limit: Amount


_C = quota.c
_ADD = Statement(adding(quota))
_REMOVE = Statement(delete(quota).where(same(_C.use), same(_C.target)).returning(_C.target))
_ANY = Statement(select(_C.use).limit(1))
_LISTING = Statement(select(quota).order_by(_C.target, _C.use))
_ABOUT = Statement(
    select(_C.use, _C.storage, _C.messages).where(
        or_(
            (_C.use == "person") & (_C.target == account.c.key), (_C.use != "person") & (_C.target == account.c.domain)
        ),
        same(account.c.id),
    )
)
_USED = Statement(
    select(func.coalesce(func.sum(mailbox.c.size), 0), func.coalesce(func.sum(mailbox.c.messages), 0)).where(
        same(mailbox.c.account_id)
    )
)
_USED_BY_ALL = Statement(
    select(func.coalesce(func.sum(mailbox.c.size), 0), func.coalesce(func.sum(mailbox.c.messages), 0))
    .join_from(account, mailbox, mailbox.c.account_id == account.c.id)
    .where(same(account.c.domain))
)
_copies = (
    select(mailbox.c.account_id, ((func.count() - 1) * func.max(message.c.size)).label("octets"))
    .join_from(message, mailbox, mailbox.c.id == message.c.mailbox_id)
    .group_by(mailbox.c.account_id, message.c.blob_id)
    .having(func.count() > 1)
)
_own = _copies.where(mailbox.c.account_id == bindparam("account_id")).subquery()
_all = (
    _copies.join(account, account.c.id == mailbox.c.account_id)
    .where(account.c.domain == bindparam("domain"))
    .subquery()
)
_DOUBLE = Statement(select(func.coalesce(func.sum(_own.c.octets), 0)))
_DOUBLE_OF_ALL = Statement(select(func.coalesce(func.sum(_all.c.octets), 0)))
_DOMAIN_OF = Statement(select(account.c.domain).where(same(account.c.id)))
_DELETED = Statement(
    select(func.coalesce(func.sum(message.c.size), 0)).where(
        same(message.c.mailbox_id), message.c.flags.bitwise_and(Flag.DELETED.value) != 0
    )
)


def put(tx: Writing, use: Use, target: str, limit: Amount) -> None:
    """Set a quota in the place of the one before; `target` is an address's key or a domain."""
    remove(tx, use, target)
    tx.execute(_ADD, use=use, target=target, storage=limit.storage, messages=limit.messages)


def remove(tx: Writing, use: Use, target: str) -> bool:
    """Take a quota away; false when there was none."""
    return tx.one(_REMOVE, use=use, target=target) is not None


def are_set(tx: Reading) -> bool:
    """True when there is any quota on this node."""
    return tx.one(_ANY) is not None


def listing(tx: Reading) -> list[Quota]:
    """All quotas, by target."""
    return [Quota(use, target, Amount(storage, messages)) for use, target, storage, messages in tx.execute(_LISTING)]


def about(tx: Reading, account_id: int) -> dict[Use, Amount]:
    """The quotas that concern an account: its own, its domain's for each, its domain's for all together."""
    return {use: Amount(storage, messages) for use, storage, messages in tx.execute(_ABOUT, id=account_id)}


def limit_of(tx: Reading, account_id: int) -> Amount | None:
    """The account's own limit; None where nothing limits it."""
    found = about(tx, account_id)
    return found.get("person") or found.get("each")


def used(tx: Reading, account_id: int) -> Amount:
    """What an account holds: octets of different messages, and messages with all their copies."""
    with_copies = _used_with_copies(tx, account_id)
    return with_copies.plus(-tx.value(_DOUBLE, account_id=account_id), 0)


def used_by_domain(tx: Reading, domain: str) -> Amount:
    """What the accounts of a domain hold together, each counted by itself."""
    with_copies = Amount(*(tx.one(_USED_BY_ALL, domain=domain) or (0, 0)))
    return with_copies.plus(-tx.value(_DOUBLE_OF_ALL, domain=domain), 0)


def has_room(tx: Reading, account_id: int, storage: int, messages: int = 1) -> bool:
    """True when so much more mail fits into the account, and into its domain."""
    found = about(tx, account_id)
    own, whole = found.get("person") or found.get("each"), found.get("domain")
    if (
        own
        and own.exceeded_by(_used_with_copies(tx, account_id).plus(storage, messages))
        and own.exceeded_by(used(tx, account_id).plus(storage, messages))
    ):
        return False
    if not whole:
        return True
    domain = tx.value(_DOMAIN_OF, id=account_id)
    with_copies = Amount(*(tx.one(_USED_BY_ALL, domain=domain) or (0, 0)))
    if not whole.exceeded_by(with_copies.plus(storage, messages)):
        return True
    return not whole.exceeded_by(used_by_domain(tx, domain).plus(storage, messages))


def _used_with_copies(tx: Reading, account_id: int) -> Amount:
    return Amount(*(tx.one(_USED, account_id=account_id) or (0, 0)))


def deleted_storage(tx: Reading, mailbox_id: int) -> int:
    """Octets of the messages flagged DELETED in a mailbox."""
    return int(tx.value(_DELETED, mailbox_id=mailbox_id))
