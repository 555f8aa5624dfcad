"""The hashes of what stands in a mailbox: for receipts of many messages at once."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from node.store.schema import blob, message
from node.store.statement import Statement, same
from node.store.transaction import Reading

_SINCE = Statement(
    select(blob.c.sha256)
    .join_from(message, blob, message.c.blob_id == blob.c.id)
    .where(same(message.c.mailbox_id), message.c.internaldate >= bindparam("since"))
    .order_by(message.c.uid)
    .limit(bindparam("limit"))
)


def since(tx: Reading, mailbox_id: int, time: int, limit: int) -> list[bytes]:
    """SHA-256 of each message in a mailbox that came at `time` (unix seconds) or later, by UID, at most `limit`."""
    return [digest for (digest,) in tx.execute(_SINCE, mailbox_id=mailbox_id, since=time, limit=limit)]
