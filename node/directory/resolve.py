"""Resolving recipients: people of ours, nobody of ours, or not our domain."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from node.base.address import Address
from node.base.errors import Temporary
from node.directory import names
from node.store import accounts, domains
from node.store.accounts import Account
from node.store.database import Database, Reading
from node.store.directory import aliases, groups, mirrored, quotas
from node.store.domains import Domain

REMEMBERED_SECONDS = 5.0
REMEMBERED = 10_000  # addresses
MAX_DEPTH = 8  # groups within groups
MAX_READERS = 1000  # of one address


@dataclass(frozen=True, slots=True)
class Local:
    """The address belongs to this account.

    Attributes:
        folder: the mailbox that the address's tag names, where its domain wants that; "" for the inbox.
    """

    account: Account
    folder: str = ""


@dataclass(frozen=True, slots=True)
class Several:
    """The address is a group's: its mail is for all of these, each named once.

    Attributes:
        inside: only people who log in here may write to it.
    """

    members: tuple[Local, ...]
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Unknown:
    """The domain is ours, the address is nobody's."""


@dataclass(frozen=True, slots=True)
class Foreign:
    """The domain is not ours."""


Resolution = Local | Several | Unknown | Foreign


class GroupTooLarge(Temporary):
    """A group has grown beyond what one message may cost; its senders keep their mail until that is mended."""


class Directory(Protocol):
    """Who lives here. Every implementation passes `tests/node/directory/test_contract.py`."""

    async def resolve(self, address: Address) -> Resolution:
        """Find whose mail this is; after Local or Several, `resolve` below finds the same within a transaction.

        Raises:
            Temporary: that cannot be told now; the recipient gets 4xx, not 550.
        """
        ...

    async def has_room(self, found: Resolution, size: int) -> bool:
        """False when so many octets more would be over a quota. A group's mail is never kept from some members."""
        ...


def readers(found: Resolution) -> tuple[Local, ...]:
    """Everybody whose mail it is; nobody where it is not delivered."""
    if isinstance(found, Local):
        return (found,)
    return found.members if isinstance(found, Several) else ()


def resolve(tx: Reading, address: Address) -> Resolution:
    """Find whose mail this is, within a transaction.

    1. A person, an alias or a group of exactly this name. 2. The same without the tag (RFC 5233 §1), or whoever holds
    this name of ENS. 3. `postmaster` of a domain of ours always has a reader (RFC 5321 §4.5.1): its catch-all, else its
    oldest account. 4. The catch-all.

    Raises:
        GroupTooLarge: as it says.
    """
    domain = domains.get(tx, address.domain)
    if domain is None:
        return Foreign()
    found = _named(tx, address.key)  # 1
    if found is None:
        bare, tag = untagged(address, domain)
        found = _named(tx, bare.key) if tag else None  # 2
        if isinstance(found, Local) and domain.tag_folders:
            found = Local(found.account, tag)
    if found is None and (holder := names.owner(tx, address)) is not None:
        found = Local(holder)
    if found is None and domain.catch_all:  # 3, 4
        found = _named(tx, domain.catch_all)
    if found is None and address.local.casefold() == "postmaster":
        found = next((Local(oldest) for oldest in accounts.of_domain(tx, domain.name, 1)), None)
    return found or Unknown()


def untagged(address: Address, domain: Domain) -> tuple[Address, str]:
    """An address without its tag, and the tag: "" when there is none."""
    if not domain.separator:
        return address, ""
    local, found, tag = address.local.partition(domain.separator)
    return (Address(local, address.domain), tag) if found and local and tag else (address, "")


def exact_key(tx: Reading, address: Address) -> str:
    """The key an address is known under: as it stands where somebody has that name, else without its tag."""
    domain = domains.get(tx, address.domain)
    if domain is None or _person(tx, address.key) or groups.find(tx, address.key):
        return address.key
    return untagged(address, domain)[0].key


def _named(tx: Reading, key: str) -> Resolution | None:
    """What has exactly this name; a group without anybody in it is nobody."""
    person = _person(tx, key)
    if person is not None:
        return Local(person)
    group = groups.find(tx, key)
    if group is None:
        return None
    members: dict[int, Local] = {}
    for account in _expand(tx, group.key, set(), 0):
        members[account.id] = Local(account)
        if len(members) > MAX_READERS:
            raise GroupTooLarge(f"the group {key} reaches more than {MAX_READERS} people")
    return Several(tuple(members.values()), group.inside) if members else None


def _person(tx: Reading, key: str) -> Account | None:
    account = accounts.by_key(tx, key)
    if account is not None:
        return None if mirrored.seen(tx, key) == mirrored.GONE else account
    alias = aliases.find(tx, key)
    return alias.account if alias else None


def _expand(tx: Reading, group: str, seen: set[str], depth: int) -> Iterator[Account]:
    """The people in a group. The directory refuses loops when they are made; one that got in all the same ends here."""
    if group in seen:
        return
    if depth > MAX_DEPTH:
        raise GroupTooLarge(f"the group {group} lies more than {MAX_DEPTH} groups deep")
    seen.add(group)
    for member in groups.members(tx, group, MAX_READERS + 1):
        person = _person(tx, member.key)
        if person is not None:
            yield person
        elif groups.find(tx, member.key) is not None:
            yield from _expand(tx, member.key, seen, depth + 1)


@dataclass(slots=True)
class StoredDirectory:
    """The node's own directory. It remembers for a few seconds who lives here, since busy senders ask again and again.

    Only who was found is remembered: a new account gets its first mail at once. Whoever was removed meanwhile is
    noticed by `resolve` inside the transaction that delivers.

    Args:
        clock: seconds that only rise.
    """

    _database: Database
    _clock: Callable[[], float] = time.monotonic
    _known: dict[str, tuple[float, Resolution]] = field(default_factory=dict)
    _quotas: tuple[float, bool] = (0.0, True)  # until when it is known whether there are any

    async def resolve(self, address: Address) -> Resolution:
        """See `Directory`."""
        known = self._known.get(address.key)
        if known and self._clock() < known[0]:
            return known[1]
        found = await self._database.read(lambda tx: resolve(tx, address))
        if readers(found):
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[address.key] = (self._clock() + REMEMBERED_SECONDS, found)
        else:
            self._known.pop(address.key, None)
        return found

    async def has_room(self, found: Resolution, size: int) -> bool:
        """See `Directory`."""
        if not isinstance(found, Local) or not await self._limits():
            return True
        account_id = found.account.id
        return await self._database.read(lambda tx: quotas.has_room(tx, account_id, size))

    async def _limits(self) -> bool:
        """True when there is any quota: most nodes have none, and ask once in a while."""
        until, known = self._quotas
        if self._clock() >= until or known:
            known = await self._database.read(quotas.are_set)
            self._quotas = (self._clock() + REMEMBERED_SECONDS, known)
        return known
