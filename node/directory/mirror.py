"""People who are listed elsewhere (LDAP): asked for when mail for them comes, and mirrored into the node's directory.

So everything behind RCPT reads one directory, in its own transaction. What the node's own directory says goes before.
While the other directory cannot be asked, its people's mail gets 4xx: senders keep it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from node.anchor import audit
from node.base.address import Address, AddressError, parse_address
from node.directory.resolve import MAX_DEPTH, MAX_READERS, Resolution, StoredDirectory, resolve, untagged
from node.directory.senders import same_house
from node.net.listing_elsewhere import Listed, Source
from node.store import accounts, domains
from node.store.database import Database
from node.store.directory import aliases, groups, mirrored, reserved
from node.store.transaction import Reading, Writing

REMEMBERED = 10_000  # addresses


class MirroredDirectory:
    """See `node.directory.resolve.Directory`.

    Args:
        fresh_seconds: so long an answer counts.
        clock: seconds that only rise.
    """

    def __init__(
        self, database: Database, source: Source, fresh_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._source = source
        self._fresh = fresh_seconds
        self._clock = clock
        self._stored = StoredDirectory(database, clock)
        self._known: dict[str, float] = {}  # keys that somebody has, and until when that counts

    async def resolve(self, address: Address) -> Resolution:
        """Find whose mail this is; what is not fresh is asked for elsewhere first."""
        domain = await self._database.read(lambda tx: domains.get(tx, address.domain))
        if domain is not None:
            bare, tag = untagged(address, domain)
            for key in [address.key, *([bare.key] if tag else []), domain.catch_all]:
                if key and await self._refresh(key, frozenset()):
                    break
        return await self._database.read(lambda tx: resolve(tx, address))

    async def has_room(self, found: Resolution, size: int) -> bool:
        """See `Directory`."""
        return await self._stored.has_room(found, size)

    async def _refresh(self, key: str, above: frozenset[str]) -> bool:
        """True when somebody has this address, here or there; `above` are the groups it was found in."""
        if self._known.get(key, float("-inf")) > self._clock():
            return True
        if await self._database.read(partial(_is_own, key=key)):
            return True
        listed = await self._source.find(key)
        if listed is not None and listed.members is not None and len(above) < MAX_DEPTH:
            for member in listed.members[:MAX_READERS]:
                inner = await self._ours(member)
                if inner and inner != key and inner not in above:  # a circle ends here
                    await self._refresh(inner, above | {key})
        await self._database.write(lambda tx: _keep(tx, key, listed))
        if listed is None:
            self._known.pop(key, None)
            return False
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[key] = self._clock() + self._fresh
        return True

    async def _ours(self, member: str) -> str:
        """The key of a member's address, "" when it is not in a domain of ours."""
        address = _parsed(member)
        if address is None or not await self._database.read(lambda tx: domains.exists(tx, address.domain)):
            return ""
        return address.key


def _is_own(tx: Reading, key: str) -> bool:
    """True for what the node knows by itself."""
    there = accounts.by_key(tx, key) or aliases.find(tx, key) or groups.find(tx, key)
    return there is not None and mirrored.seen(tx, key) is None


def _parsed(text: str) -> Address | None:
    try:
        return parse_address(text)
    except AddressError:
        return None


def _keep(tx: Writing, key: str, listed: Listed | None) -> None:
    """Bring the mirror of one address up to date. An account never goes: it holds mail; it only is not reached."""
    now = int(time.time())
    if listed is None:
        if mirrored.seen(tx, key) is not None:
            _forget(tx, key)
            if accounts.by_key(tx, key) is not None:
                mirrored.put(tx, key, mirrored.GONE)
    elif listed.members is not None:
        _keep_group(tx, key, listed, now)
    else:
        _keep_person(tx, key, listed, now)


def _forget(tx: Writing, key: str) -> None:
    """Take away a mirrored alias or group."""
    aliases.remove(tx, key)
    if groups.find(tx, key) is not None:
        for member in groups.members(tx, key, MAX_READERS + 1):
            groups.remove_member(tx, key, member.key)
        groups.drop(tx, key)
    mirrored.remove(tx, key)


def _keep_person(tx: Writing, key: str, listed: Listed, now: int) -> None:
    asked = _parsed(key)
    if asked is None:
        return
    found = _same_house(tx, asked, listed.addresses)
    if all(address.key != key for address in found):
        found.append(asked)
    # Whoever has an account keeps it, whatever other addresses they get.
    account = next((one for address in found if (one := accounts.by_key(tx, address.key))), None)
    for address in found:
        if _is_own(tx, address.key):
            continue
        if account is None or accounts.by_key(tx, address.key) != account:
            _forget(tx, address.key)
        if account is None:
            reserved.remove(tx, address.key)  # the other directory has the last word on whose it is
            account = accounts.add(tx, address, listed.name)
            audit.record(tx, audit.Kind.PERSON_ADDED, audit.NODE, account.address, {"by": "directory"}, now)
        elif accounts.by_key(tx, address.key) is None:
            aliases.add(tx, address, account.id, may_send=True)
        mirrored.put(tx, address.key, now)


def _keep_group(tx: Writing, key: str, listed: Listed, now: int) -> None:
    address = _parsed(key)
    if address is None or accounts.by_key(tx, key) is not None:
        return
    if groups.find(tx, key) is None:
        aliases.remove(tx, key)
        groups.add(tx, address, listed.name, inside=False)
    members = _same_house(tx, address, listed.members or ())
    for old in groups.members(tx, key, MAX_READERS + 1):
        groups.remove_member(tx, key, old.key)
    for member in members[:MAX_READERS]:
        groups.put_member(tx, key, member, may_send=False)
    mirrored.put(tx, key, now)


def _same_house(tx: Reading, address: Address, others: Iterable[str]) -> list[Address]:
    """Those of the addresses that belong to the same tenant."""
    parsed = [other for text in others if (other := _parsed(text))]
    return [other for other in parsed if same_house(tx, address, other)]
