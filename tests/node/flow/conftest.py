"""A house with a real store, two people and a log; no doors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.anchor.log import Log
from node.base.address import parse_address
from node.directory.resolve import StoredDirectory
from node.flow.premises import Premises
from node.flow.reception import Session, Transaction
from node.store import accounts, domains, mailboxes, messages
from node.store.accounts import Account
from node.store.blobs import Blobs
from node.store.database import Database
from node.store.incoming import Incoming
from node.store.transaction import Reading, Writing


@dataclass
class House:
    premises: Premises
    ann: Account
    bob: Account

    async def incoming(self, content: bytes) -> Incoming:
        incoming = self.premises.incoming()
        await incoming.write(content)
        return incoming

    def session(self) -> Session:
        return Session("s1", ("192.0.2.7", 4711), 25, helo="mx.example.org", extended=True)

    def transaction(self, *recipients: str, sender: str = "nora@example.org") -> Transaction:
        return Transaction(
            sender=parse_address(sender) if sender else None, recipients=[parse_address(text) for text in recipients]
        )

    async def contents(self, account: Account, name: str = "INBOX") -> list[bytes]:
        def query(tx: Reading) -> list[int]:
            mailbox = mailboxes.find(tx, account.id, name)
            assert mailbox
            return [row.blob_id for row in messages.rows(tx, mailbox.id, messages.uids(tx, mailbox.id))]

        return [await self.premises.blobs.read(blob) for blob in await self.premises.database.read(query)]

    async def log_size(self) -> int:
        return await self.premises.database.read(self.premises.log.size)


@asynccontextmanager
async def open_house(folder: Path) -> AsyncIterator[House]:
    async with Database.open(folder / "waxseal.db") as database:

        def people(tx: Writing) -> tuple[Account, Account]:
            domains.add(tx, "house.example")
            ann = accounts.add(tx, parse_address("ann@house.example"), "Ann")
            return ann, accounts.add(tx, parse_address("bob@house.example"), "Bob")

        ann, bob = await database.write(people)
        premises = Premises(
            hostname="mx.house.example",
            database=database,
            blobs=Blobs(database, folder),
            directory=StoredDirectory(database),
            log=Log(),
            data=folder,
        )
        yield House(premises, ann, bob)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened
