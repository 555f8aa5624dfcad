"""A person in the store."""

from __future__ import annotations

import pytest

from node.base.address import parse_address
from node.store import accounts, domains
from node.store.accounts import Account
from node.store.database import Database, Writing

WALLET_KEY = b"\x01" * 32
WALLET = "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1"


@pytest.fixture
async def alice(database: Database) -> Account:
    def work(tx: Writing) -> Account:
        domains.add(tx, "waxseal.test")
        account = accounts.add(tx, parse_address("Alice@waxseal.test"), "Alice")
        accounts.bind(tx, account.id, f"eip155:{WALLET.lower()}")
        return account

    return await database.write(work)
