"""Receipts for people's own messages, as the servers hand them out."""

from __future__ import annotations

from functools import partial

from node.anchor import receipt as receipts
from node.anchor.keys import LogKeys
from node.anchor.receipt import Receipt
from node.servers.imap.server import Receipt as ForReader
from node.service.rooms import Rooms
from node.store import messages
from node.store.accounts import Account
from node.store.transaction import Reading


def for_reader(rooms: Rooms) -> ForReader:
    """What IMAP asks for receipts."""

    async def receipt(account: Account, sha256: bytes) -> bytes | None:
        made = await rooms.database.read(partial(own, account=account, sha256=sha256, keys=rooms.keys))
        return None if made is None else made.to_json().encode()

    return receipt


def own(tx: Reading, *, account: Account, sha256: bytes, keys: LogKeys) -> Receipt | None:
    """The receipt of a message that the account holds; None when it holds none, or the log has none."""
    return receipts.make(tx, sha256, keys) if account.id in messages.owners(tx, sha256) else None
