"""What every login by signature needs: nonces that are good once for one browser, and a brake on guessing."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from node.auth.blocks import Blocks
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import Sessions, fingerprint
from node.auth.throttle import Pace, Throttle, network
from node.base import metrics
from node.base.log import get_log
from node.store import nonces
from node.store.database import Database

log = get_log(__name__)
T = TypeVar("T")

NONCE_SECONDS = 300
NONCE_BYTES = 16
MAX_CLAIMED = 256  # characters of a claimed name that are kept in memory
_NO_FAILURE = frozenset({Reason.GATE_CLOSED, Reason.GATE_UNKNOWN})  # it was proved who is there
USED = Refusal(Reason.USED_NONCE, False, "this login was already used, or is too old; please start again")


@dataclass(frozen=True, slots=True)
class Nonce:
    """A nonce and how long it is good."""

    value: str
    issued_at: datetime
    expires: datetime


class Challenges:
    """Nonces out and in, attempts counted.

    Args:
        database: where nonces are kept.
        blocks: the node's list of networks that are shut out, which failures here count towards; None asks none.
        clock: unix seconds.
    """

    def __init__(
        self, database: Database, blocks: Blocks | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._clock = clock
        self._blocks = blocks
        self._failures = Throttle(Pace(free=10))
        # Every challenge is a row on disk: a stranger gets so many, then they grow slow.
        self._begun = Throttle(Pace(free=60, first_seconds=1, longest_seconds=30, forget_seconds=60))

    async def issue(self, purpose: str, browser: str, peer: str) -> Nonce | Refusal:
        """Hand out a nonce that only this browser can use, once, for this purpose, within five minutes.

        Args:
            purpose: keeps nonces apart: one that was given out for one thing serves no other.
            browser: a random token in the browser's cookie; binds the nonce, so that nobody can be logged in to a
                stranger's account with a message the stranger signed (login CSRF).
            peer: network address.
        """
        peer = network(peer)
        if self._blocks and (refusal := self._blocks.refusal(peer)) is not None:
            return refusal
        if (wait := self._begun.wait(peer)) > 0:
            return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many logins begun; wait {wait:.0f} seconds", wait)
        self._begun.fail(peer)
        now = int(self._clock())
        value = secrets.token_hex(NONCE_BYTES)
        owner = _owner(purpose, browser)
        await self._database.write(lambda tx: nonces.put(tx, value, owner, now + NONCE_SECONDS, now))
        issued = datetime.fromtimestamp(now, UTC)
        return Nonce(value, issued, issued + timedelta(seconds=NONCE_SECONDS))

    async def use(self, purpose: str, browser: str, value: str) -> bool:
        """Use a nonce up. True once, for its own purpose and browser, in time; it is gone whatever the answer."""
        now, owner = int(self._clock()), _owner(purpose, browser)
        return await self._database.write(lambda tx: nonces.take(tx, value, owner, now))

    async def attempt(
        self, scope: str, peer: str, judged: Callable[[], Awaitable[T | Refusal]], claimed: str = ""
    ) -> T | Refusal:
        """What `judged` answers, unless this network failed too often or is shut out; failures are counted and logged.

        Args:
            scope: the kind of login, in log and metrics.
            peer: network address.
            claimed: who is said to be there, for the list of networks that try many names; "" where nobody is named.
        """
        peer = network(peer)
        if self._blocks and (refusal := self._blocks.refusal(peer)) is not None:
            return refusal
        if (wait := self._failures.wait(peer)) > 0:
            return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many failed logins; wait {wait:.0f} seconds", wait)
        result = await judged()
        outcome = "ok"
        if isinstance(result, Refusal):
            outcome = result.reason.value
            self._failures.fail(peer)
            if self._blocks and not result.temporary and result.reason not in _NO_FAILURE:
                self._blocks.fail(peer, f"{scope} {claimed[:MAX_CLAIMED]}")  # a space: no mail address looks like this
            log.info("login refused", scope=scope, peer=peer, reason=outcome)
        metrics.logins.labels(scope, outcome).inc()
        return result


@dataclass(frozen=True, slots=True)
class LoginDesk:
    """What every login by signature stands on, and whoever lets people in shares with the others.

    Attributes:
        database: where nonces, bindings and sessions are kept.
        sessions: opens the session.
        blocks: the node's list of networks that are shut out; None asks none.
        clock: unix seconds.
    """

    database: Database
    sessions: Sessions
    blocks: Blocks | None = None
    clock: Callable[[], float] = time.time

    def challenges(self) -> Challenges:
        """Nonces of one kind of login, with a brake of their own."""
        return Challenges(self.database, self.blocks, clock=self.clock)


def _owner(purpose: str, browser: str) -> str:
    return f"{purpose}:{fingerprint(browser).hex()}"
