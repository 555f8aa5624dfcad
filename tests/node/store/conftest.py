"""A database in a temporary folder, one account in it, and a way to put messages there."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from node.base.address import Address
from node.store import accounts, blobs, mailboxes, messages
from node.store.accounts import Account
from node.store.database import Database
from node.store.mailboxes import Mailbox
from node.store.messages import Flag, Message, Summary
from node.store.migrate import migrate

NONE = Flag(0)
SUMMARY = Summary(b"envelope", b"body", b"bodystructure", b"layout")

Deliver = Callable[..., Awaitable[Message]]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database at the newest revision; migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("template") / "waxseal.db"
    migrate(path)
    return path


@pytest.fixture
async def database(tmp_path: Path, migrated: Path) -> AsyncIterator[Database]:
    shutil.copy(migrated, tmp_path / "waxseal.db")
    async with Database.open(tmp_path / "waxseal.db") as opened:
        yield opened


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
