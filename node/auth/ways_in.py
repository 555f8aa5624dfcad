"""How a person can log in to the pages: what must not be taken away to the last one."""

from __future__ import annotations

from node.store import accounts, passkeys, passwords
from node.store.transaction import Reading


def count(tx: Reading, account_id: int) -> int:
    """How many wallets, DIDs and passkeys open the account's pages; a password counts as one."""
    signing = len(accounts.identities(tx, account_id)) + len(passkeys.of_account(tx, account_id))
    return signing + (passwords.factors(tx, account_id).hash is not None)
