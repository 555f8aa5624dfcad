"""Mail for ENS names: alice.eth@ a domain of ours goes to the account whose wallet alice.eth stands for, now.

The name only points; the mailbox belongs to the wallet. When the name moves, new mail follows it, old mail stays.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import trio

from identity import ens
from identity.ens import EnsError
from node.base import metrics
from node.base.address import Address
from node.base.config_names import Ens
from node.base.errors import Temporary
from node.base.log import get_log
from node.net.chain.ens import EnsReader
from node.store import accounts, domains, ens_names
from node.store.accounts import Account
from node.store.database import Database
from node.store.ens_names import EnsName
from node.store.transaction import Reading, Writing

log = get_log(__name__)

AT_ONCE = 4  # look-ups at a time: whoever names a recipient makes us ask, and answers may cost the operator money
NOBODY_SECONDS = 60.0  # that a name stands for nobody is remembered so long
NOBODIES = 10_000
BURST, PER_SECOND = 60.0, 1.0  # look-ups that strangers may cause


def name_of(address: Address) -> str | None:
    """The normalised name in a local part; None when it is no name of ENS, or only looks like one."""
    local = address.local.partition("+")[0]  # a tag is none of the name's business
    if not ens.is_name(local):
        return None
    try:
        return ens.normalize(local)
    except EnsError:
        return None


def owner(tx: Reading, address: Address) -> Account | None:
    """The account that an address's name stood for when it was looked up last.

    Whether that was lately enough, `Names.refresh` sees to before.
    """
    name = name_of(address)
    found = ens_names.get(tx, name) if name and domains.exists(tx, address.domain) else None
    if found is None:
        return None
    bound = (accounts.bound(tx, subject) for subject in found.subjects)
    return next((account for account in bound if account is not None), None)


def _is_asked_for(tx: Reading, address: Address) -> bool:
    """A mailbox that an administrator gave such a name comes before ENS."""
    return domains.exists(tx, address.domain) and accounts.find(tx, address) is None


@dataclass
class _Bucket:
    """Look-ups that may still be made now."""

    left: float = BURST
    since: float = float("-inf")

    def take(self, now: float) -> bool:
        if self.since > float("-inf"):
            self.left = min(BURST, self.left + (now - self.since) * PER_SECOND)
        self.since = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


class Names:
    """Looks names up when it is time to; see `NamesFirst`.

    Args:
        reader: asks the chain.
        settings: how long an answer counts.
        clock: unix seconds.
    """

    def __init__(
        self, database: Database, reader: EnsReader, settings: Ens, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._reader = reader
        self._chain = settings.chain
        self._fresh = settings.fresh_minutes * 60
        self._stale = settings.stale_hours * 3600
        self._clock = clock
        self._turns = trio.CapacityLimiter(AT_ONCE)
        self._bucket = _Bucket()
        self._nobody: OrderedDict[str, float] = OrderedDict()
        self._running: dict[str, trio.Event] = {}

    async def refresh(self, address: Address) -> None:
        """See to it that `owner` answers for this address by what the chain says now, or said lately.

        Raises:
            Temporary: it cannot be told; the sender is to try again.
        """
        name = name_of(address)
        if name is None or not await self._database.read(lambda tx: _is_asked_for(tx, address)):
            return
        while (running := self._running.get(name)) is not None:  # somebody asks the same
            await running.wait()
        known = await self._database.read(lambda tx: ens_names.get(tx, name))
        now = self._clock()
        if self._nobody.get(name, float("-inf")) > now or (known and 0 <= now - known.checked < self._fresh):
            return
        self._running[name] = trio.Event()
        try:
            await self._renew(name, known, now)
        finally:
            self._running.pop(name).set()

    async def _renew(self, name: str, known: EnsName | None, now: float) -> None:
        try:
            if not self._bucket.take(now):
                raise Temporary("too many names are looked up; try again in a minute")
            async with self._turns:
                found = await self._reader.address(name, now)
        except Temporary as error:
            metrics.ens_lookups.labels("away").inc()
            log.warning("ens.away", reason=str(error))
            if known is not None and 0 <= now - known.checked < self._stale:
                return  # the last answer counts on for a while: mail first
            raise
        metrics.ens_lookups.labels("nobody" if found is None else "found").inc()
        if not await self._database.write(lambda tx: self._keep(tx, name, found, int(now))):
            self._nobody[name] = now + NOBODY_SECONDS
            while len(self._nobody) > NOBODIES:
                self._nobody.popitem(last=False)

    def _keep(self, tx: Writing, name: str, found: bytes | None, now: int) -> bool:
        fresh = None if found is None else EnsName(name, f"0x{found.hex()}", self._chain, now)
        # A name whose address has no mailbox here is forgotten at once: strangers cannot fill the table with theirs.
        if fresh is None or not any(accounts.bound(tx, subject) for subject in fresh.subjects):
            ens_names.remove(tx, name)
            return False
        return ens_names.put(tx, fresh)
