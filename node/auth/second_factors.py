"""What people set for themselves: a password for the web, an authenticator app, recovery codes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from identity import totp
from identity.password_strength import weakness
from node.anchor import audit
from node.auth import password_hash
from node.auth.password_hash import Hasher
from node.auth.password_login import MAX_CODE, Kind
from node.auth.refusal import Reason, Refusal
from node.auth.sealing import Sealing
from node.auth.sessions import Sessions, fingerprint
from node.auth.throttle import Pace, Throttle, network
from node.base import metrics
from node.base.log import get_log
from node.store import accounts, passkeys, passwords, web_sessions
from node.store.accounts import Account
from node.store.database import Database
from node.store.passwords import Factors
from node.store.security_events import SecurityEvent
from node.store.transaction import Writing

log = get_log(__name__)

FRESH_SECONDS = 900  # after a login, in which these things may be changed

_LOGIN_AGAIN = Refusal(
    Reason.LOGIN_AGAIN, False, "your login is too long ago for this; log in once more, then try again"
)
_LAST = Refusal(
    Reason.LAST_WAY_IN, False, "the password is the only way in that is left; add a wallet or a passkey first"
)
_WRONG = Refusal(Reason.BAD_CREDENTIALS, False, "this code does not fit; is the clock of your telephone right?")
_NONE = Refusal(Reason.UNUSABLE, False, "there is nothing to confirm; begin again")


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks.

    Attributes:
        session: the token of the browser session, which must be fresh.
        peer: network address.
    """

    account: Account
    session: str = field(repr=False)
    peer: str


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A secret on its way into an authenticator app; shown once.

    Attributes:
        text: the secret in base32, for who types it.
        uri: what the QR code holds.
    """

    text: str = field(repr=False)
    uri: str = field(repr=False)


class SecondFactors:
    """The account page's side; every deed asks for a fresh login, and is written down.

    Args:
        issuer: what authenticator apps show beside the address.
        sealing: seals secrets in the database.
        clock: unix seconds.
    """

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        hasher: Hasher,
        issuer: str,
        *,
        sealing: Sealing,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._hasher = hasher
        self._issuer = issuer
        self._sealing = sealing
        self._clock = clock
        self._guesses = Throttle(Pace(free=10))

    async def of(self, account: Account) -> Factors:
        """What the account has."""
        return await self._database.read(lambda tx: passwords.factors(tx, account.id))

    async def set_password(self, person: Person, typed: str) -> str | Refusal:
        """Set or change the password; the token of a new session, since all others end."""
        if (refusal := await self._stale(person)) is not None:
            return refusal
        if (words := weakness(typed, person.account.address)) is not None:
            return Refusal(Reason.UNUSABLE, False, words)
        hashed = await self._hasher.hash(typed)

        def work(tx: Writing) -> str:
            passwords.set_password(tx, person.account.id, hashed, int(self._clock()))
            self._note(tx, person, Kind.PASSWORD_SET)
            strong = web_sessions.is_strong(tx, fingerprint(person.session), int(self._clock()))
            web_sessions.remove_all(tx, person.account.id)
            return self._sessions.begin(tx, person.account, strong=strong)

        return await self._database.write(work)

    async def remove_password(self, person: Person) -> Refusal | None:
        """Log in without a password from now on; not where it is the only way in."""
        if (refusal := await self._stale(person)) is not None:
            return refusal

        def work(tx: Writing) -> Refusal | None:
            if not accounts.identities(tx, person.account.id) and not passkeys.of_account(tx, person.account.id):
                return _LAST
            if passwords.remove_password(tx, person.account.id):
                self._note(tx, person, Kind.PASSWORD_REMOVED)
            return None

        return await self._database.write(work)

    async def begin_totp(self, person: Person) -> Enrolment | Refusal:
        """Make a secret for an authenticator app; it counts once a code of it is confirmed."""
        if (refusal := await self._stale(person)) is not None:
            return refusal
        secret, now = totp.new_secret(), int(self._clock())

        def work(tx: Writing) -> bool:
            kept = passwords.get_totp(tx, person.account.id)
            if kept is not None and kept.confirmed:
                return False
            passwords.begin_totp(tx, person.account.id, self._sealing.totp(person.account.id, secret), now)
            return True

        if not await self._database.write(work):
            return Refusal(Reason.TAKEN, False, "there is an authenticator app already; remove it first")
        uri = totp.provisioning_uri(secret, self._issuer, person.account.address)
        return Enrolment(totp.format_secret(secret), uri)

    async def confirm_totp(self, person: Person, typed: str) -> list[str] | Refusal:
        """A first code shows that the app has the secret; the answer are new recovery codes, where there were none."""
        if (refusal := await self._stale(person)) is not None:
            return refusal
        key = str(person.account.id)
        if (wait := self._guesses.wait(key)) > 0:
            return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many wrong codes; wait {wait:.0f} seconds", wait)
        codes = password_hash.new_codes()

        def work(tx: Writing) -> list[str] | Refusal:
            factors = passwords.factors(tx, person.account.id)
            if factors.totp is None or factors.totp.confirmed:
                return _NONE
            secret = self._sealing.open_totp(person.account.id, factors.totp.secret)
            step = totp.accept(secret, typed[:MAX_CODE], self._clock(), None) if secret else None
            if step is None:
                return _WRONG
            passwords.confirm_totp(tx, person.account.id, step)
            self._note(tx, person, Kind.TOTP_ADDED)
            return [] if factors.codes else self._keep(tx, person, codes)

        result = await self._database.write(work)
        if result is _WRONG:
            self._guesses.fail(key)
        return result

    async def remove_totp(self, person: Person) -> Refusal | None:
        """Log in without codes from now on."""
        if (refusal := await self._stale(person)) is not None:
            return refusal

        def work(tx: Writing) -> None:
            if passwords.remove_totp(tx, person.account.id):
                self._note(tx, person, Kind.TOTP_REMOVED)

        await self._database.write(work)
        return None

    async def new_codes(self, person: Person) -> list[str] | Refusal:
        """Ten recovery codes, shown once; those before are void."""
        if (refusal := await self._stale(person)) is not None:
            return refusal
        codes = password_hash.new_codes()
        return await self._database.write(lambda tx: self._keep(tx, person, codes))

    def _keep(self, tx: Writing, person: Person, codes: list[str]) -> list[str]:
        digests = [password_hash.digest(person.account.id, code) for code in codes]
        passwords.replace_codes(tx, person.account.id, digests)
        self._note(tx, person, Kind.CODES_MADE)
        return codes

    async def _stale(self, person: Person) -> Refusal | None:
        age = await self._sessions.age(person.session)
        return _LOGIN_AGAIN if age is None or age > FRESH_SECONDS else None

    def _note(self, tx: Writing, person: Person, kind: Kind) -> None:
        event = SecurityEvent(int(self._clock()), kind, network(person.peer))
        audit.security(tx, person.account.id, event)
        metrics.security_events.labels(kind).inc()
        log.warning("security.event", kind=str(kind), account=person.account.address, network=event.network)
