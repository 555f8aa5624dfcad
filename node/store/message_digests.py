"""The hashes of what stands in a mailbox: for receipts of many messages at once."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import bindparam, select

from node.store.changes import as_json
from node.store.schema import blob, message
from node.store.statement import Statement, chosen, same
from node.store.transaction import Reading

_SINCE = Statement(
    select(blob.c.sha256)
    .join_from(message, blob, message.c.blob_id == blob.c.id)
    .where(same(message.c.mailbox_id), message.c.internaldate >= bindparam("since"))
    .order_by(message.c.uid)
    .limit(bindparam("limit"))
)
_NAMED = (
    select(message.c.uid, blob.c.sha256)
    .join_from(message, blob, message.c.blob_id == blob.c.id)
    .where(same(message.c.mailbox_id))
)
_OF = Statement(_NAMED.where(message.c.uid.in_(chosen())).order_by(message.c.uid))
_NEWEST = Statement(_NAMED.order_by(message.c.uid.desc()).limit(bindparam("limit")))


def of(tx: Reading, mailbox_id: int, uids: Collection[int]) -> dict[int, bytes]:
    """UID to SHA-256 of these messages, as far as they are there."""
    return dict(tx.execute(_OF, mailbox_id=mailbox_id, uids=as_json(uids)))


def newest(tx: Reading, mailbox_id: int, limit: int) -> dict[int, bytes]:
    """The same of the newest messages, in falling order."""
    return dict(tx.execute(_NEWEST, mailbox_id=mailbox_id, limit=limit))


def since(tx: Reading, mailbox_id: int, time: int, limit: int) -> list[bytes]:
    """SHA-256 of each message in a mailbox that came at `time` (unix seconds) or later, by UID, at most `limit`."""
    return [digest for (digest,) in tx.execute(_SINCE, mailbox_id=mailbox_id, since=time, limit=limit)]
