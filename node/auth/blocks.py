"""Networks that attack are shut out for a growing time; who was attacked is told."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import trio

from node.anchor import audit
from node.auth.refusal import Reason, Refusal
from node.base import metrics
from node.base.address import AddressError, parse_address
from node.base.errors import Temporary
from node.base.log import get_log
from node.store import accounts, blocked_networks, roles, security_events
from node.store.blocked_networks import BlockedNetwork
from node.store.database import Database
from node.store.security_events import SecurityEvent
from node.store.transaction import Writing

log = get_log(__name__)

BLOCKED = "network-blocked"
FAILURES = "login-failures"
LOOK_SECONDS = 5.0  # a block that was taken away by hand counts no more after this
RECORDED = 20  # of the blocks that are written down together, so many are events of their own
WAITING = 1000  # blocks and events that may wait for the database


@dataclass(frozen=True, slots=True)
class Policy:
    """When a network is shut out.

    Attributes:
        enabled: False only slows networks down.
        failures, names: failed logins, over so many names, within `window_seconds`. At most 16 names.
        first_seconds: length of the first block within a week; doubles with each further one.
        longest_seconds: a block lasts no longer.
        burst: failures on one name within the window, from wherever, after which its owner is told.
        exempt: networks that are never shut out, such as a proxy that all clients come through.
        entries: networks and names watched at a time; the one quiet for longest falls out.
    """

    enabled: bool = True
    failures: int = 10
    names: int = 5
    window_seconds: float = 3600
    first_seconds: int = 900
    longest_seconds: int = 86400
    burst: int = 20
    exempt: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    entries: int = 5_000


@dataclass(slots=True)
class _Tally:
    """What failed lately, by one network or on one name."""

    since: float
    failures: int = 0
    others: set[str] = field(default_factory=set)


class Blocks:
    """Counts in memory, decides at once, and writes down when the database has time.

    Args:
        clock: unix seconds.
    """

    def __init__(
        self, database: Database, policy: Policy | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._policy = policy or Policy()
        self._clock = clock
        self._networks: OrderedDict[str, _Tally] = OrderedDict()
        self._names: OrderedDict[str, _Tally] = OrderedDict()
        self._blocked: dict[str, BlockedNetwork] = {}
        self._new: list[tuple[BlockedNetwork, frozenset[str]]] = []
        self._bursts: list[tuple[str, str]] = []

    def refusal(self, network: str) -> Refusal | None:
        """Why nobody logs in from this network now; None to go on."""
        block = self._blocked.get(network)
        now = self._clock()
        if block is None or block.until <= now:
            return None
        until = time.strftime("%H:%M UTC", time.gmtime(block.until))
        words = f"too many failed logins from your network: nobody new logs in from there before {until}"
        return Refusal(Reason.BLOCKED_NETWORK, True, words, block.until - now)

    def fail(self, network: str, name: str) -> None:
        """Count a failed login."""
        now = self._clock()
        tally = self._tally(self._names, name, now)
        if tally.failures == self._policy.burst and len(self._bursts) < WAITING:
            self._bursts.append((name, network))
        if not self._policy.enabled or self._is_exempt(network):
            return
        tally = self._tally(self._networks, network, now)
        if len(tally.others) < 16:
            tally.others.add(name)
        if tally.failures >= self._policy.failures and len(tally.others) >= self._policy.names:
            self._block(network, self._networks.pop(network), int(now))

    def _tally(self, table: OrderedDict[str, _Tally], key: str, now: float) -> _Tally:
        tally = table.pop(key, None)
        if tally is None or now - tally.since > self._policy.window_seconds:
            tally = _Tally(now)
        tally.failures += 1
        table[key] = tally
        while len(table) > self._policy.entries:
            table.popitem(last=False)
        return tally

    def _is_exempt(self, network: str) -> bool:
        try:
            found = ipaddress.ip_network(network)
        except ValueError:
            return True  # no network address at all: a socket of this machine
        return any(found.version == one.version and found.overlaps(one) for one in self._policy.exempt)

    def _block(self, network: str, tally: _Tally, now: int) -> None:
        before = self._blocked.get(network)
        times = before.times + 1 if before else 1
        seconds = min(self._policy.first_seconds * 2 ** min(times - 1, 20), self._policy.longest_seconds)
        block = BlockedNetwork(network, now, now + seconds, times, tally.failures, len(tally.others))
        if len(self._new) < WAITING:
            self._new.append((block, frozenset(tally.others)))
            self._blocked[network] = block
        metrics.network_blocks.inc()
        log.warning("network.blocked", network=network, seconds=seconds, failures=block.failures, names=block.names)

    async def run(self) -> None:
        """Write down and look again, for ever."""
        while True:
            try:
                await self.sync()
            except Temporary as error:  # the blocks in memory hold meanwhile
                log.warning("blocks.unwritten", reason=str(error))
            await trio.sleep(LOOK_SECONDS)

    async def sync(self) -> None:
        """Bring memory and database together once; what was unblocked by hand is let in again.

        Raises:
            Temporary: the database cannot be read or written now.
        """
        if self._new or self._bursts:
            new, bursts = list(self._new), list(self._bursts)
            await self._database.write(lambda tx: _keep(tx, new, bursts, int(self._clock())))
            del self._new[: len(new)], self._bursts[: len(bursts)]
        kept = await self._database.read(blocked_networks.listing)
        self._blocked = {block.network: block for block in [*kept, *(block for block, _ in self._new)]}
        now = self._clock()
        metrics.blocked_networks.set(sum(block.until > now for block in self._blocked.values()))


def _keep(
    tx: Writing, new: list[tuple[BlockedNetwork, frozenset[str]]], bursts: list[tuple[str, str]], now: int
) -> None:
    """Write blocks and bursts; the people whose names were tried, and who runs the node, find them in their log."""
    staff = frozenset(roles.listing(tx))
    _record(tx, [block for block, _ in new], now)
    for block, names in new:
        blocked_networks.put(tx, block)
        details = f"failures {block.failures} names {block.names} seconds {block.until - block.since}"
        for account_id in staff | _accounts(tx, names):
            security_events.add(tx, account_id, SecurityEvent(block.since, BLOCKED, block.network, details=details))
            metrics.security_events.labels(BLOCKED).inc()
    for name, network in bursts:
        people = _accounts(tx, {name})
        if people:  # names that nobody has are guessed without end
            audit.record(tx, audit.Kind.LOGIN_FAILURES, audit.NODE, name, {"network": network}, now)
        for account_id in people:
            security_events.add(tx, account_id, SecurityEvent(now, FAILURES, network))
            metrics.security_events.labels(FAILURES).inc()
    blocked_networks.expire(tx, now)


def _record(tx: Writing, blocked: Sequence[BlockedNetwork], now: int) -> None:
    """One event for each network, and of an attack from everywhere one more, with the number of the others."""
    for block in blocked[:RECORDED]:
        counted = {"failures": block.failures, "names": block.names, "seconds": block.until - block.since}
        audit.record(tx, audit.Kind.NETWORK_BLOCKED, audit.NODE, block.network, counted, block.since)
    if others := len(blocked[RECORDED:]):
        audit.record(tx, audit.Kind.NETWORK_BLOCKED, audit.NODE, "", {"networks": others}, now)


def _accounts(tx: Writing, names: set[str] | frozenset[str]) -> frozenset[int]:
    found = set()
    for name in names:
        try:
            account = accounts.find(tx, parse_address(name))
        except AddressError:
            continue
        if account is not None:
            found.add(account.id)
    return frozenset(found)
