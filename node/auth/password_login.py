"""Logging in to the web pages with a password, a second factor, or a recovery code beside one of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from identity import totp
from node.anchor import audit
from node.auth import password_hash
from node.auth.gate import USERNAME_LENGTH, Gate
from node.auth.password_hash import Hasher
from node.auth.refusal import Reason, Refusal
from node.auth.sealing import Sealing
from node.auth.sessions import Sessions
from node.auth.throttle import Pace, Throttle, network
from node.auth.wallet import LoggedIn
from node.base import metrics
from node.base.address import Address, AddressError, parse_address
from node.base.log import get_log
from node.store import accounts, passwords, web_sessions
from node.store.accounts import Account
from node.store.database import Database
from node.store.passwords import Factors
from node.store.security_events import SecurityEvent
from node.store.transaction import Reading, Writing

log = get_log(__name__)

MAX_CODE = 64  # characters of a code that are looked at
_SCOPE = "password"
_DUMMY = b"\0" * totp.SECRET_SIZE
_BAD = Refusal(
    Reason.BAD_CREDENTIALS,
    False,
    "address, password or code is wrong; an account with an authenticator app needs its code, too",
)
_BUSY = Refusal(Reason.BUSY, True, "too many logins at once; try again shortly", 5)


class Kind(StrEnum):
    """Security events of passwords and second factors."""

    PASSWORD_SET = "password-set"  # noqa: S105
    PASSWORD_REMOVED = "password-removed"  # noqa: S105
    TOTP_ADDED = "totp-added"
    TOTP_REMOVED = "totp-removed"
    CODES_MADE = "recovery-codes-made"
    RECOVERED = "recovered"


@dataclass(frozen=True, slots=True)
class Typed:
    """What somebody typed into the form; "" for what was left empty.

    Attributes:
        code: of an authenticator app.
        recovery: a recovery code; with a password or a code beside it.
        end_others: end every other session of the account.
    """

    address: str
    password: str = field(default="", repr=False)
    code: str = field(default="", repr=False)
    recovery: str = field(default="", repr=False)
    end_others: bool = False


@dataclass(frozen=True, slots=True)
class _Used:
    """What opened the account, to be used up."""

    step: int | None
    code: bytes | None


class PasswordLogin:
    """Judges what was typed and opens a session.

    Args:
        gate: its brake counts failures by network; a token gate holds here, too.
        sealing: opens the secrets of authenticator apps.
        clock: unix seconds.
    """

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        gate: Gate,
        hasher: Hasher,
        *,
        sealing: Sealing,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._brake = gate.brake
        self._hasher = hasher
        self._sealing = sealing
        self._clock = clock
        # Slower than for app passwords, and nobody is exempt: people's passwords can be guessed.
        self._names = Throttle(Pace(free=10, longest_seconds=900, forget_seconds=3600))

    async def log_in(self, typed: Typed, peer: str) -> LoggedIn | Refusal:
        """Open a session.

        1. Who failed too often waits. 2. The password costs one derivation, whether there is one or not. 3. Password
        and code fit, or a recovery code and one of both; a code of the app is good once. 4. A token gate lets its
        owner in. 5. The session is opened in the transaction that uses the codes up.

        Raises:
            Temporary: the store cannot be read or written now.
        """
        asker, name = network(peer), _name(typed.address)
        result = await self._judge(typed, asker, name)
        outcome = "ok"
        if isinstance(result, Refusal):
            outcome = result.reason.value
            log.info("login refused", scope=_SCOPE, peer=asker, reason=outcome)
        metrics.logins.labels(_SCOPE, outcome).inc()
        return result

    async def _judge(self, typed: Typed, asker: str, name: str) -> LoggedIn | Refusal:
        if (refusal := self._too_many(asker, name)) is not None:  # 1
            return refusal
        address = _address(name)
        found = await self._database.read(lambda tx: _find(tx, address))
        account, factors = found or (None, None)
        fits = await self._hasher.fits(typed.password, factors.hash if factors else None)  # 2
        if fits is None:
            return _BUSY
        if (refusal := self._too_many(asker, name)) is not None:  # a burst must not slip through behind the queue
            return refusal
        if account is None or factors is None or self._judged(typed, account.id, factors, fits) is None:  # 3
            return self._failed(asker, name)
        if (refusal := await self._sessions.admit(account)) is not None:  # 4
            return refusal
        known = factors.hash if fits else None
        opened = await self._database.write(partial(self._open, typed=typed, account=account, known=known, peer=asker))
        if opened is None:
            return self._failed(asker, name)
        return opened

    def _open(
        self, tx: Writing, *, typed: Typed, account: Account, known: str | None, peer: str
    ) -> LoggedIn | None:  # 5
        """`known`: the stored hash that the password was found to fit; it counts if it is still the one."""
        now, factors = self._clock(), passwords.factors(tx, account.id)
        fits = known is not None and factors.hash == known
        used = self._judged(typed, account.id, factors, fits)
        if used is None or not _use(tx, account.id, used):
            return None
        if used.code is not None:
            event = SecurityEvent(int(now), Kind.RECOVERED, peer, details=f"codes left {factors.codes - 1}")
            audit.security(tx, account.id, event)
        if typed.end_others:
            web_sessions.remove_all(tx, account.id)
        way = "password" if used.step is None else "password+code"
        return LoggedIn(account, self._sessions.begin(tx, account, way))

    def _judged(self, typed: Typed, account_id: int, factors: Factors, fits: bool) -> _Used | None:
        """What opens the account; None when it stays shut."""
        app = factors.totp if factors.totp and factors.totp.confirmed else None
        # A secret that cannot be opened still is a second factor: no code fits, a recovery code helps.
        secret = self._sealing.open_totp(account_id, app.secret) if app else None
        last = app.last_step if app else None
        step = totp.accept(secret or _DUMMY, typed.code[:MAX_CODE], self._clock(), last)
        if secret is None:
            step = None
        if typed.recovery:
            code = password_hash.digest(account_id, typed.recovery)
            return _Used(step, code) if fits or step is not None else None  # whether it is one of theirs, `_use` sees
        return _Used(step, None) if fits and (app is None or step is not None) else None

    def _too_many(self, asker: str, name: str) -> Refusal | None:
        wait = self._names.wait(name)
        if wait > 0:
            return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many failed logins; wait {wait:.0f} seconds", wait)
        return self._brake.refusal(asker, f"web {name}")  # friends of the mail protocols are none here

    def _failed(self, asker: str, name: str) -> Refusal:
        self._names.fail(name)
        self._brake.fail(asker, name)
        return _BAD


def _use(tx: Writing, account_id: int, used: _Used) -> bool:
    """Use the codes up; False when the recovery code is none."""
    if used.code is not None and not passwords.use_code(tx, account_id, used.code):
        return False
    if used.step is not None:
        passwords.use_step(tx, account_id, used.step)
    return True


def _name(typed: str) -> str:
    """The address as failures are counted, whatever was typed."""
    name = typed.strip()[:USERNAME_LENGTH].casefold().encode("utf-8", "replace").decode()
    address = _address(name)
    return name if address is None else address.key


def _address(name: str) -> Address | None:
    try:
        return parse_address(name)
    except AddressError:
        return None


def _find(tx: Reading, address: Address | None) -> tuple[Account, Factors] | None:
    account = None if address is None else accounts.find(tx, address)
    return None if account is None else (account, passwords.factors(tx, account.id))
