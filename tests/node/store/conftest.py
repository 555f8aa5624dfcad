"""One account, and a way to put messages there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from node.base.address import Address
from node.store import accounts, blobs, mailboxes, messages
from node.store.accounts import Account
from node.store.database import Database
from node.store.mailboxes import Mailbox
from node.store.messages import Flag, Message, Summary

NONE = Flag(0)
SUMMARY = Summary(b"envelope", b"body", b"bodystructure", b"layout")

Deliver = Callable[..., Awaitable[Message]]


@pytest.fixture
async def account(database: Database) -> Account:
    return await database.write(lambda tx: accounts.add(tx, Address("ann", "example.org"), "Ann"))


@pytest.fixture
async def inbox(database: Database, account: Account) -> Mailbox:
    found = await database.read(lambda tx: mailboxes.find(tx, account.id, "INBOX"))
    assert found is not None
    return found


@pytest.fixture
def deliver(database: Database) -> Deliver:
    async def put(
        mailbox_id: int,
        content: bytes = b"Subject: hi\r\n\r\n",
        flags: Flag = NONE,
        keywords: frozenset[str] = frozenset(),
    ) -> Message:
        prepared = await blobs.prepare(database, content)
        return await database.write(
            lambda tx: messages.add(
                tx,
                mailbox_id,
                blobs.add(tx, prepared),
                prepared.size,
                SUMMARY,
                flags=flags,
                keywords=keywords,
                internaldate=1_790_000_000,
            )
        )

    return put
