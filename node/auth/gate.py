"""The one door: whoever wants in, by whatever protocol, is judged here."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

import trio

from node.auth import secret, shared_mailboxes
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.memory import Memory
from node.auth.refusal import Reason, Refusal
from node.auth.throttle import Pace, Throttle, network
from node.base import metrics
from node.base.address import Address, AddressError, parse_address
from node.base.errors import Temporary
from node.base.log import get_log
from node.store import accounts, app_passwords
from node.store.accounts import Account
from node.store.app_passwords import AppPassword
from node.store.database import Database
from node.store.oauth import Grant
from node.store.transaction import Reading

__all__ = ["SCOPES", "Entry", "Gate", "Reason", "Refusal", "Scope"]

log = get_log(__name__)

Scope = Literal["imap", "smtp"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""What an app password can be good for."""

THREADS = 2  # derivations at a time: a flood of logins costs two threads, not the machine
PATIENCE_SECONDS = 10.0  # waiting for a turn
FRIENDS = 4096
MARK_SECONDS = 60  # last use is written at most this often
USERNAME_LENGTH = 320

_BAD = Refusal(Reason.BAD_CREDENTIALS, False, "unknown address or wrong app password")
_SCOPE = Refusal(Reason.WRONG_SCOPE, False, "this app password was not made for this kind of access")
_BUSY = Refusal(Reason.BUSY, True, "too many logins at once; try again shortly", 5)


@dataclass(frozen=True, slots=True)
class _Attempt:
    """Credentials as they came, made comparable."""

    address: Address | None
    name: str
    plain: bytes
    digest: bytes
    peer: str
    mailbox: str = ""  # the shared one that is asked for

    @property
    def pair(self) -> tuple[str, str]:
        return self.peer, self.name


@dataclass(frozen=True, slots=True)
class _Person:
    """What the database says about an address."""

    account: Account
    passwords: tuple[AppPassword, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody was let in: whose account it is, and by which app password or OAuth grant; one of both is there."""

    account: Account
    app_password: AppPassword | None
    grant: Grant | None = None
    person: Account | None = None  # who it was, where they may differ from whose account it is

    @property
    def name(self) -> str:
        """What its owner knows it by."""
        if self.app_password is not None:
            return self.app_password.name
        return self.grant.client_name if self.grant is not None else ""


class Gate:
    """Credentials in, account or refusal out. One for the whole node: it remembers who failed.

    Args:
        database: where people and their app passwords are kept.
        doorkeeper: asked about token gates once the credentials are right; None: there are none.
        clock: unix seconds, for `last_used`.
    """

    def __init__(
        self, database: Database, doorkeeper: Doorkeeper | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._doorkeeper = doorkeeper
        self._clock = clock
        self._memory = Memory()
        self._friends: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._peers = Throttle(Pace())
        # Kept short: 100-bit passwords need no lock on the account, and a long one would let strangers lock people out.
        self._names = Throttle(Pace(free=20, longest_seconds=30))
        self._turns = trio.Semaphore(THREADS, max_value=THREADS)
        self._threads = trio.CapacityLimiter(THREADS)
        self._running: dict[bytes, trio.Event] = {}

    async def password(self, username: str, password: str, scope: Scope, peer: str) -> Account | Refusal:
        """Let somebody in with an app password; see `enter`.

        Raises:
            Temporary: the store cannot be read now.
        """
        found = await self.enter(username, password, scope, peer)
        return found.account if isinstance(found, Entry) else found

    async def enter(self, username: str, password: str, scope: Scope, peer: str) -> Entry | Refusal:
        """Let somebody in with an app password, and say which one it was.

        1. The same credentials under way elsewhere are waited for, not derived twice.
        2. Credentials checked lately need no derivation. 3. Who failed too often waits.
        4. All others cost one derivation, whether the address exists or not.
        5. The database has the last word, so that a revoked password is refused at once.
        6. A token gate before the mailbox is asked; only right credentials learn that there is one.

        Args:
            username: the full address, in any case.
            password: as typed; hyphens, spaces and case do not matter.
            scope: what the protocol needs the password to be good for.
            peer: network address, without port.

        Raises:
            Temporary: the store cannot be read now.
        """
        attempt = self._attempt(username, password, peer)
        result = await self._judge(attempt, scope)
        outcome = "ok"
        if isinstance(result, Refusal):
            outcome = result.reason.value
            log.info("login refused", user=attempt.name, scope=scope, peer=peer, reason=outcome)
        metrics.logins.labels(scope, outcome).inc()
        return result

    async def admit(self, account: Account, holder: Account | None = None) -> Refusal | None:
        """What stands in the way of somebody recognised by other means (wallet, DID, passkey): a token gate, or None.

        Args:
            holder: who asks, where it is not the account's owner.

        Raises:
            Temporary: the store cannot be read now.
        """
        return None if self._doorkeeper is None else await self._doorkeeper.login(account, holder)

    def _attempt(self, username: str, password: str, peer: str) -> _Attempt:
        address: Address | None = None
        mailbox, username = shared_mailboxes.split(username[: 2 * USERNAME_LENGTH])
        # What UTF-8 cannot hold (lone surrogates) never reaches the database, which would choke on it.
        name = username.strip()[:USERNAME_LENGTH].casefold().encode("utf-8", "replace").decode()
        try:
            address = parse_address(name)
            name = address.key
        except AddressError:
            pass  # judged like any unknown address, at the same cost
        plain = secret.normalize(password)
        return _Attempt(address, name, plain, self._memory.digest(name.encode(), plain), network(peer), mailbox)

    async def _judge(self, attempt: _Attempt, scope: Scope) -> Entry | Refusal:
        if not await self._wait_for_twin(attempt.digest):  # 1
            return _BUSY
        known = self._memory.recall(attempt.digest)  # 2
        if known is not None:
            opened = known.password_id
        else:
            self._running[attempt.digest] = trio.Event()
            try:
                derived = await self._derive(attempt)  # 3, 4
            finally:
                self._running.pop(attempt.digest).set()
            if isinstance(derived, Refusal):
                return derived
            opened = derived
        # The same wrong guess is not counted again: a revoked phone tries for ever, and it teaches an attacker nothing.
        return _BAD if opened is None else await self._admit(attempt, opened, scope)  # 5

    async def _wait_for_twin(self, digest: bytes) -> bool:
        """A client opens five connections at once with one password: the first derives, the others wait here."""
        with trio.move_on_after(PATIENCE_SECONDS):
            while (running := self._running.get(digest)) is not None:
                await running.wait()
        return digest not in self._running

    async def _derive(self, attempt: _Attempt) -> int | Refusal | None:
        """The id of the app password that the credentials open, None when there is none, or why that is not tried."""
        if (refusal := self._too_many(attempt)) is not None:
            return refusal
        person = await self._find(attempt)
        with trio.move_on_after(PATIENCE_SECONDS) as patience:
            await self._turns.acquire()
        if patience.cancelled_caught:
            return _BUSY
        try:
            # Asked again behind the queue: a burst sent before its first failure must not slip through.
            if (refusal := self._too_many(attempt)) is not None:
                return refusal
            stored = person.passwords if person else ()
            opened = await trio.to_thread.run_sync(_opened, attempt.plain, stored, limiter=self._threads)
            if opened is None:
                self._peers.fail(attempt.peer)
                self._names.fail(attempt.name)
        finally:
            self._turns.release()
        self._memory.remember(attempt.digest, opened)
        return opened

    def _too_many(self, attempt: _Attempt) -> Refusal | None:
        # Strangers behind the same router, or after the same account, lock nobody out who has been here before.
        if attempt.pair in self._friends:
            return None
        wait = max(self._peers.wait(attempt.peer), self._names.wait(attempt.name))
        if wait <= 0:
            return None
        return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many failed logins; wait {wait:.0f} seconds", wait)

    async def _admit(self, attempt: _Attempt, password_id: int, scope: Scope) -> Entry | Refusal:
        person = await self._find(attempt)
        row = next((row for row in person.passwords if row.id == password_id), None) if person else None
        if person is None or row is None:
            self._memory.forget(attempt.digest)
            return _BAD
        if scope not in row.scopes:
            return _SCOPE
        self._friends[attempt.pair] = None
        self._friends.move_to_end(attempt.pair)
        while len(self._friends) > FRIENDS:
            self._friends.popitem(last=False)
        await self._mark(row)
        account = await self._asked_for(attempt, person.account, scope)
        if account is None:
            return _BAD
        if (refusal := await self.admit(account, person.account)) is not None:  # 6
            return refusal
        return Entry(account, row, person=person.account)

    async def _asked_for(self, attempt: _Attempt, person: Account, scope: Scope) -> Account | None:
        """The person's own account, or the shared one they ask for, if they may."""
        if not attempt.mailbox:
            return person
        wanted = partial(shared_mailboxes.opened, mailbox=attempt.mailbox, person=person, scope=scope)
        return await self._database.read(wanted)

    async def _find(self, attempt: _Attempt) -> _Person | None:
        if attempt.address is None:
            return None
        return await self._database.read(partial(_person, address=attempt.address))

    async def _mark(self, row: AppPassword) -> None:
        now = int(self._clock())
        if row.last_used is not None and now - row.last_used < MARK_SECONDS:
            return
        try:
            await self._database.write(lambda tx: app_passwords.mark_used(tx, row.id, now))
        except Temporary as error:  # a full disk must not keep people from their mail
            log.warning("last use not written", reason=str(error))


def _person(tx: Reading, address: Address) -> _Person | None:
    account = accounts.find(tx, address)
    return None if account is None else _Person(account, tuple(app_passwords.of_account(tx, account.id)))


def _opened(plain: bytes, stored: tuple[AppPassword, ...]) -> int | None:
    """The id of the app password that `plain` opens. Runs in a thread.

    All of an account's app passwords share one salt, so that one derivation compares with all of them; there are two
    recipes only after the cost was raised. An unknown address is derived like a known one.
    """
    recipes = {secret.recipe(row.hash) for row in stored} or {secret.NOBODY}
    derived = {recipe: secret.derive_like(plain, recipe) for recipe in recipes}
    found = None
    for row in stored:
        if secret.matches(derived[secret.recipe(row.hash)], row.hash):
            found = row.id
    return found
