"""Resolving recipients: somebody of ours, nobody of ours, or not our domain."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from node.base.address import Address
from node.store import accounts, domains
from node.store.accounts import Account
from node.store.database import Database, Reading

REMEMBERED_SECONDS = 5.0
REMEMBERED = 10_000  # addresses


@dataclass(frozen=True, slots=True)
class Local:
    """The address belongs to this account."""

    account: Account


@dataclass(frozen=True, slots=True)
class Unknown:
    """The domain is ours, the address is nobody's."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """The domain is not ours."""


Resolution = Local | Unknown | Foreign


def resolve(tx: Reading, address: Address) -> Resolution:
    """Find whose mail this is, within a transaction.

    `postmaster` of a domain of ours always has a reader (RFC 5321 §4.5.1): where no account has that name, its mail
    goes to the domain's oldest account.
    """
    account = accounts.find(tx, address)
    if account is not None:
        return Local(account)
    if not domains.exists(tx, address.domain):
        return Foreign()
    if address.local.casefold() == "postmaster":
        for candidate in accounts.listing(tx):
            if candidate.address.endswith(f"@{address.domain}"):
                return Local(candidate)
    return Unknown()


class Directory:
    """The node's directory. It remembers for a few seconds who lives here, since busy senders ask again and again.

    Only who was found is remembered: a new account gets its first mail at once. Whoever was removed meanwhile is
    noticed by `resolve` inside the transaction that delivers.

    Args:
        clock: seconds that only rise.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._known: dict[str, tuple[float, Local]] = {}

    async def resolve(self, address: Address) -> Resolution:
        """Find whose mail this is.

        Raises:
            Temporary: when the database cannot be asked now; the recipient gets 4xx, not 550.
        """
        known = self._known.get(address.key)
        if known and self._clock() < known[0]:
            return known[1]
        found = await self._database.read(lambda tx: resolve(tx, address))
        if isinstance(found, Local):
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[address.key] = (self._clock() + REMEMBERED_SECONDS, found)
        else:
            self._known.pop(address.key, None)
        return found
