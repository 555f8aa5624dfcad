"""Who is inside: open sessions are looked at again and again, and end when what let them in is gone."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import trio

from node.auth.gate import Entry, Scope
from node.auth.gates import doorkeeper
from node.auth.gates.doorkeeper import Before, Doorkeeper
from node.auth.refusal import Reason, Refusal
from node.auth.shared_mailboxes import may_use
from node.base import metrics
from node.base.errors import Temporary
from node.base.log import get_log
from node.store import accounts, app_passwords, oauth
from node.store.database import Database
from node.store.transaction import Reading

log = get_log(__name__)

End = Callable[[Refusal], None]
"""Ends one session; called once, must not wait."""

CHUNK = 256  # guests looked up in one read of the database
AT_ONCE = 16  # gates asked at a time

_REVOKED = Refusal(Reason.BAD_CREDENTIALS, False, "your app password was revoked")
_DISCONNECTED = Refusal(Reason.BAD_CREDENTIALS, False, "this mail client was disconnected, or its time ran out")


class Ticket(NamedTuple):
    """What let somebody in: an app password or an OAuth grant. Sessions with one ticket are looked at together."""

    account_id: int
    password_id: int | None
    grant_id: int | None
    scope: Scope
    person_id: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database says of a ticket: why it is not good any more, else which token gate stands before it."""

    gone: Refusal | None
    before: Before | None


class Guests:
    """All open sessions of the node.

    Args:
        within_seconds: how soon after a revocation a session ends.
    """

    def __init__(self, database: Database, keeper: Doorkeeper, within_seconds: float) -> None:
        self._database = database
        self._keeper = keeper
        self._every = within_seconds / 3
        self._inside: dict[Ticket, dict[object, End]] = {}
        self._turns = trio.CapacityLimiter(AT_ONCE)

    @contextmanager
    def enter(self, entry: Entry, scope: Scope, end: End) -> Iterator[None]:
        """Keep an eye on a session for the length of the block."""
        ticket, key = _ticket(entry, scope), object()
        self._inside.setdefault(ticket, {})[key] = end
        try:
            yield
        finally:
            others = self._inside[ticket]
            del others[key]
            if not others:
                del self._inside[ticket]

    async def check(self, entry: Entry, scope: Scope) -> Refusal | None:
        """None while what let them in still does.

        Raises:
            Temporary: the store cannot be read now.
        """
        return await self.judge(await self._database.read(lambda tx: standing(tx, entry, scope)))

    async def run(self) -> None:
        """Go round for ever."""
        while True:
            await trio.sleep(self._every)
            try:
                await self.go_round()
            except Temporary as error:  # the database: nobody can read mail either
                log.warning("guests.unchecked", reason=str(error))

    async def go_round(self) -> None:
        """Look at everybody once, and end the sessions that nothing lets in any more.

        Raises:
            Temporary: the store cannot be read now.
        """
        tickets = list(self._inside)
        for start in range(0, len(tickets), CHUNK):
            chunk = tickets[start : start + CHUNK]
            found = await self._database.read(partial(_standings, tickets=chunk))
            async with trio.open_nursery() as nursery:
                for ticket, standing in zip(chunk, found, strict=True):
                    if standing.gone is not None or standing.before is not None:
                        nursery.start_soon(self._look, ticket, standing)

    async def _look(self, ticket: Ticket, standing: Standing) -> None:
        async with self._turns:
            refusal = await self.judge(standing)
        if refusal is None:
            return
        ends = list(self._inside.get(ticket, {}).values())
        log.info("sessions.ended", reason=str(refusal.reason), account=ticket.account_id, sessions=len(ends))
        metrics.sessions_ended.labels(str(refusal.reason)).inc(len(ends))
        for end in ends:
            end(refusal)

    async def judge(self, standing: Standing) -> Refusal | None:
        """None where it lets in still."""
        if standing.gone is not None:
            return standing.gone
        return None if standing.before is None else await self._keeper.judge(standing.before)


def standing(tx: Reading, entry: Entry, scope: Scope) -> Standing:
    """What the database says now of what let somebody in."""
    return _standing(tx, _ticket(entry, scope))


def _ticket(entry: Entry, scope: Scope) -> Ticket:
    password_id = None if entry.app_password is None else entry.app_password.id
    person_id = (entry.person or entry.account).id
    return Ticket(entry.account.id, password_id, None if entry.grant is None else entry.grant.id, scope, person_id)


def _standings(tx: Reading, tickets: list[Ticket]) -> list[Standing]:
    return [_standing(tx, ticket) for ticket in tickets]


def _standing(tx: Reading, ticket: Ticket) -> Standing:
    account = accounts.get(tx, ticket.account_id)
    gone = _gone(tx, ticket)
    if account is None or gone is not None:
        return Standing(gone or _REVOKED, None)
    return Standing(None, doorkeeper.find(tx, account, accounts.get(tx, ticket.person_id)))


def _gone(tx: Reading, ticket: Ticket) -> Refusal | None:
    if ticket.grant_id is not None:
        grant = oauth.get(tx, ticket.grant_id, int(time.time()))
        stands = grant is not None and grant.account_id == ticket.person_id and ticket.scope in grant.scopes
        shared = may_use(tx, ticket.account_id, ticket.person_id, ticket.scope)
        return None if stands and shared else _DISCONNECTED
    rows = app_passwords.of_account(tx, ticket.person_id)
    valid = any(row.id == ticket.password_id and ticket.scope in row.scopes for row in rows)
    shared = may_use(tx, ticket.account_id, ticket.person_id, ticket.scope)
    return None if valid and shared else _REVOKED
