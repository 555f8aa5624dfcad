"""The one door: whoever wants in, by whatever protocol, is judged here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeVar, get_args

import trio

from identity.scram import decoy
from node.anchor import audit
from node.auth import scram_keys, secret, shared_mailboxes
from node.auth.brake import Brake
from node.auth.gates import doorkeeper as doorkeepers
from node.auth.gates.doorkeeper import Before, Doorkeeper
from node.auth.memory import Memory
from node.auth.refusal import Reason, Refusal
from node.auth.throttle import network
from node.base import metrics
from node.base.address import Address, AddressError, parse_address
from node.base.errors import Temporary
from node.base.log import get_log
from node.store import accounts, app_passwords, node_secrets
from node.store.accounts import Account
from node.store.app_passwords import AppPassword
from node.store.database import Database
from node.store.oauth import Grant
from node.store.transaction import Reading, Writing

__all__ = ["RESERVED", "SCOPES", "Attempt", "Entry", "Gate", "Person", "Reason", "Refusal", "Scope"]

log = get_log(__name__)
T = TypeVar("T")

Scope = Literal["imap", "smtp", "pop", "sieve", "jmap", "dav", "admin", "audit"]
SCOPES: tuple[Scope, ...] = ("imap", "smtp")
"""What an app password can be good for."""
RESERVED: tuple[Scope, ...] = tuple(scope for scope in get_args(Scope) if scope not in SCOPES)
"""Scopes of protocols that this node does not speak yet: nobody can choose them."""

THREADS = 2  # derivations at a time: a flood of logins costs two threads, not the machine
PATIENCE_SECONDS = 10.0  # waiting for a turn
MARK_SECONDS = 60  # last use is written at most this often
USERNAME_LENGTH = 320

_BAD = Refusal(Reason.BAD_CREDENTIALS, False, "unknown address or wrong app password")
_SCOPE = Refusal(Reason.WRONG_SCOPE, False, "this app password was not made for this kind of access")
_BUSY = Refusal(Reason.BUSY, True, "too many logins at once; try again shortly", 5)


@dataclass(frozen=True, slots=True)
class Attempt:
    """Credentials as they came, made comparable."""

    address: Address | None
    name: str
    plain: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    peer: str
    mailbox: str = ""  # the shared one that is asked for


@dataclass(frozen=True, slots=True)
class Person:
    """What the database says about an address; `before` is the token gate that stands before the account."""

    account: Account
    passwords: tuple[AppPassword, ...]
    before: Before | None = None


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
        brake: slows down who keeps failing; one for all ways in.
        clock: unix seconds, for `last_used`.
    """

    def __init__(
        self,
        database: Database,
        doorkeeper: Doorkeeper | None = None,
        brake: Brake | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._clock = clock
        self._memory = Memory()
        self._doorkeeper = doorkeeper
        self.brake = brake or Brake()
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
        attempt = self.attempt(username, password, peer)
        return self.count(attempt, scope, await self._judge(attempt, scope))

    def count(self, attempt: Attempt, scope: Scope, result: T | Refusal) -> T | Refusal:
        """Log and count a login that was judged, and hand its result on."""
        outcome = "ok"
        if isinstance(result, Refusal):
            outcome = result.reason.value
            log.info("login refused", user=attempt.name, scope=scope, peer=attempt.peer, reason=outcome)
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

    def attempt(self, username: str, password: str, peer: str) -> Attempt:
        """Credentials made comparable; `password` is "" where the protocol does not carry it."""
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
        return Attempt(address, name, plain, self._memory.digest(name.encode(), plain), network(peer), mailbox)

    async def _judge(self, attempt: Attempt, scope: Scope) -> Entry | Refusal:
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
        return _BAD if opened is None else await self.open(attempt, opened, scope)  # 5

    async def _wait_for_twin(self, digest: bytes) -> bool:
        """A client opens five connections at once with one password: the first derives, the others wait here."""
        if digest not in self._running:
            return True
        with trio.move_on_after(PATIENCE_SECONDS):
            while (running := self._running.get(digest)) is not None:
                await running.wait()
        return digest not in self._running

    async def _derive(self, attempt: Attempt) -> int | Refusal | None:
        """The id of the app password that the credentials open, None when there is none, or why that is not tried."""
        if (refusal := self.brake.refusal(attempt.peer, attempt.name)) is not None:
            return refusal
        person = await self.find(attempt)
        with trio.move_on_after(PATIENCE_SECONDS) as patience:
            await self._turns.acquire()
        if patience.cancelled_caught:
            return _BUSY
        try:
            # Asked again behind the queue: a burst sent before its first failure must not slip through.
            if (refusal := self.brake.refusal(attempt.peer, attempt.name)) is not None:
                return refusal
            stored = person.passwords if person else ()
            opened = await trio.to_thread.run_sync(_opened, attempt.plain, stored, limiter=self._threads)
            if opened is None:
                self.brake.fail(attempt.peer, attempt.name)
        finally:
            self._turns.release()
        self._memory.remember(attempt.digest, opened)
        return opened

    async def open(self, attempt: Attempt, password_id: int, scope: Scope) -> Entry | Refusal:
        """Let in who proved to have an app password: it still exists, is good for `scope`, and no token gate objects.

        Raises:
            Temporary: the store cannot be read now.
        """
        person = await self.find(attempt)
        row = next((row for row in person.passwords if row.id == password_id), None) if person else None
        if person is None or row is None:
            self._memory.forget(attempt.digest)
            return _BAD
        if scope not in row.scopes:
            return _SCOPE
        self.brake.welcome(attempt.peer, attempt.name)
        await self._mark(row, person.account, attempt.peer)
        if row.scram is None and attempt.plain:
            await self._add_keys(attempt, person, row)
        account = await self.asked_for(attempt, person.account, scope)
        if account is None:
            return _BAD
        if (refusal := await self._gated(account, person)) is not None:  # 6
            return refusal
        return Entry(account, row, person=person.account)

    async def _gated(self, account: Account, person: Person) -> Refusal | None:
        """What the token gate before an account says to a person; their own was looked up along with them."""
        if account != person.account:
            return await self.admit(account, person.account)
        return (
            None if self._doorkeeper is None or person.before is None else await self._doorkeeper.judge(person.before)
        )

    async def asked_for(self, attempt: Attempt, person: Account, scope: Scope) -> Account | None:
        """The person's own account, or the shared one they ask for; None where they may not."""
        if not attempt.mailbox:
            return person
        wanted = partial(shared_mailboxes.opened, mailbox=attempt.mailbox, person=person, scope=scope)
        return await self._database.read(wanted)

    async def find(self, attempt: Attempt) -> Person | None:
        """Who has this address, and their app passwords; None for nobody."""
        if attempt.address is None:
            return None
        return await self._database.read(partial(_person, address=attempt.address, gated=self._doorkeeper is not None))

    async def _mark(self, row: AppPassword, account: Account, peer: str) -> None:
        now = int(self._clock())
        if row.last_used is not None and now - row.last_used < MARK_SECONDS:
            return

        def work(tx: Writing) -> None:
            app_passwords.mark_used(tx, row.id, now)
            audit.first_login(tx, account.address, row.last_used, now, {"app_password": row.name, "network": peer})

        try:
            await self._database.write(work)
        except Temporary as error:  # a full disk must not keep people from their mail
            log.warning("last use not written", reason=str(error))

    async def _add_keys(self, attempt: Attempt, person: Person, row: AppPassword) -> None:
        """An app password from before there was SCRAM gets its keys while it is at hand: clients prefer SCRAM."""
        salt = scram_keys.salt_of(person.passwords)
        shown = secret.shown(attempt.plain)
        try:
            if salt is None:
                key = await self._database.write(lambda tx: node_secrets.need(tx, scram_keys.SECRET))
                salt = decoy(attempt.name, key).salt
            keys = await trio.to_thread.run_sync(scram_keys.make, shown, salt, limiter=self._threads)
            await self._database.write(lambda tx: app_passwords.set_scram(tx, row.id, keys))
        except Temporary as error:  # at another login, then
            log.warning("scram keys not written", reason=str(error))


def _person(tx: Reading, address: Address, *, gated: bool) -> Person | None:
    account = accounts.find(tx, address)
    if account is None:
        return None
    before = doorkeepers.find(tx, account) if gated else None
    return Person(account, tuple(app_passwords.of_account(tx, account.id)), before)


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
