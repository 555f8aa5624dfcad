"""Who can open an offloaded attachment: a wrap for each account that holds its message or may open one that does.

Which accounts those are is read from mailboxes and delegates, so nothing has to be told when mail is copied, an account
is shared or a share ends: `missing` and `remove_needless` find what is to be done, and doing it twice does no harm. A
part's last wrap never goes before the message does.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select, union

from node.store.parts import WrappedKey
from node.store.schema import account, delegate, domain, mailbox, message, part, part_key
from node.store.schema_keys import account_key, tenant_secret
from node.store.statement import Statement, adding, replacing, same
from node.store.transaction import Reading, Writing

LIMIT = 500  # wraps made or removed in one transaction


@dataclass(frozen=True, slots=True)
class Wanted:
    """An account that is to have a wrap of a part's key."""

    reference: bytes
    blob_id: int
    account_id: int


def _holds(blob_id: ColumnElement[int], account_id: ColumnElement[int]) -> ColumnElement[bool]:
    """True when the account has the blob in a mailbox, or may open one that has."""
    opens = (
        select(delegate.c.person_id)
        .where(delegate.c.account_id == mailbox.c.account_id, delegate.c.person_id == account_id)
        .correlate_except(delegate)
        .exists()
    )
    return (
        select(message.c.uid)
        .join_from(message, mailbox, mailbox.c.id == message.c.mailbox_id)
        .where(message.c.blob_id == blob_id, or_(mailbox.c.account_id == account_id, opens))
        .correlate_except(message, mailbox)
        .exists()
    )


_K = part_key.c
_other = part_key.alias("other")
_owned = (
    select(part.c.reference, part.c.blob_id, mailbox.c.account_id.label("account_id"))
    .join_from(part, message, message.c.blob_id == part.c.blob_id)
    .join(mailbox, mailbox.c.id == message.c.mailbox_id)
)
_shared = (
    select(part.c.reference, part.c.blob_id, delegate.c.person_id.label("account_id"))
    .join_from(part, message, message.c.blob_id == part.c.blob_id)
    .join(mailbox, mailbox.c.id == message.c.mailbox_id)
    .join(delegate, delegate.c.account_id == mailbox.c.account_id)
)
_holder = union(_owned, _shared).subquery("holder")
_wrapped = (
    select(_K.reference)
    .where(
        _K.reference == _holder.c.reference,
        _K.account_id == _holder.c.account_id,
        func.substr(_K.wrapped, 1, 1) == bindparam("kind"),
    )
    .exists()
)
_MISSING = Statement(select(_holder.c.reference, _holder.c.blob_id, _holder.c.account_id).where(~_wrapped).limit(LIMIT))
_better = (
    select(_other.c.reference)
    .where(
        _other.c.reference == _K.reference,
        _other.c.account_id != _K.account_id,
        _holds(_other.c.blob_id, _other.c.account_id),
    )
    .correlate(part_key)
    .exists()
)
_NEEDLESS = Statement(
    select(_K.reference, _K.account_id).where(~_holds(_K.blob_id, _K.account_id), _better).limit(LIMIT)
)
_OF = Statement(select(_K.account_id, _K.wrapped).where(same(_K.reference)).order_by(_K.account_id))
_HOLDERS = Statement(
    union(
        select(mailbox.c.account_id)
        .join_from(mailbox, message, message.c.mailbox_id == mailbox.c.id)
        .where(message.c.blob_id == bindparam("blob_id")),
        select(delegate.c.person_id)
        .join_from(delegate, mailbox, mailbox.c.account_id == delegate.c.account_id)
        .join(message, message.c.mailbox_id == mailbox.c.id)
        .where(message.c.blob_id == bindparam("blob_id")),
    )
)
_PUT = Statement(replacing(part_key))
_REMOVE = Statement(delete(part_key).where(same(_K.reference), same(_K.account_id)))
_ACCOUNT_KEY = Statement(select(account_key.c.public, account_key.c.sealed).where(same(account_key.c.account_id)))
_ADD_ACCOUNT_KEY = Statement(adding(account_key))
_SHRED = Statement(
    delete(account_key)
    .where(
        ~select(account.c.id).where(account.c.id == account_key.c.account_id).correlate(account_key).exists(),
        ~select(_K.reference).where(_K.account_id == account_key.c.account_id).correlate(account_key).exists(),
    )
    .returning(account_key.c.account_id)
)
_SEALED_AS = Statement(select(part.c.cid).where(same(part.c.header), part.c.cid != b"").limit(1))
_TENANT = Statement(
    select(domain.c.tenant)
    .join_from(account, domain, domain.c.name == account.c.domain)
    .where(same(account.c.id, "account_id"))
)
_SECRET = Statement(select(tenant_secret.c.sealed).where(same(tenant_secret.c.tenant)))
_PUT_SECRET = Statement(replacing(tenant_secret))
_REMOVE_SECRET = Statement(delete(tenant_secret).where(same(tenant_secret.c.tenant)).returning(tenant_secret.c.tenant))


def of_part(tx: Reading, reference: bytes) -> list[WrappedKey]:
    """Every wrap of a part's key."""
    return [WrappedKey(*row) for row in tx.execute(_OF, reference=reference)]


def holders(tx: Reading, blob_id: int) -> list[int]:
    """The accounts that have the message in a mailbox, or may open one that has."""
    return [account_id for (account_id,) in tx.execute(_HOLDERS, blob_id=blob_id)]


def missing(tx: Reading, kind: int) -> list[Wanted]:
    """Up to `LIMIT` wraps of this kind that are to be made."""
    return [Wanted(*row) for row in tx.execute(_MISSING, kind=bytes((kind,)))]


def put(tx: Writing, reference: bytes, blob_id: int, key: WrappedKey) -> None:
    """Keep a wrap in place of the one the account had."""
    tx.execute(_PUT, reference=reference, blob_id=blob_id, account_id=key.account_id, wrapped=key.wrapped)


def remove_needless(tx: Writing) -> int:
    """Delete up to `LIMIT` wraps of accounts that hold the message no more, where a holder has one; return how many."""
    rows = tx.execute(_NEEDLESS)
    tx.execute_many(_REMOVE, ({"reference": reference, "account_id": account_id} for reference, account_id in rows))
    return len(rows)


def account_pair(tx: Reading, account_id: int) -> tuple[bytes, bytes] | None:
    """(public, sealed private) key of an account; None before `add_account_pair` or after `shred_account_pairs`."""
    row = tx.one(_ACCOUNT_KEY, account_id=account_id)
    return (row[0], row[1]) if row else None


def add_account_pair(tx: Writing, account_id: int, public: bytes, sealed: bytes) -> None:
    """Keep an account's first key pair."""
    tx.execute(_ADD_ACCOUNT_KEY, account_id=account_id, public=public, sealed=sealed)


def shred_account_pairs(tx: Writing) -> int:
    """Delete the key pairs of accounts that are gone and open nothing any more; return how many."""
    return len(tx.execute(_SHRED))


def tree_sealed_as(tx: Reading, header: bytes) -> bytes | None:
    """The CID of a tree that was sealed with this very header, orphans' included."""
    row = tx.one(_SEALED_AS, header=header)
    return row[0] if row else None


def tenant_of(tx: Reading, account_id: int) -> str:
    """The tenant that an account's domain belongs to, "" for the node itself."""
    return tx.value(_TENANT, account_id=account_id) or ""


def secret_of(tx: Reading, tenant: str) -> bytes | None:
    """The tenant's sealed secret; None while its attachments are not deduplicated."""
    row = tx.one(_SECRET, tenant=tenant)
    return row[0] if row else None


def put_secret(tx: Writing, tenant: str, sealed: bytes) -> None:
    """Deduplicate the tenant's attachments from now on."""
    tx.execute(_PUT_SECRET, tenant=tenant, sealed=sealed)


def remove_secret(tx: Writing, tenant: str) -> bool:
    """End that; what is stored stays readable. False when there was none."""
    return tx.one(_REMOVE_SECRET, tenant=tenant) is not None
