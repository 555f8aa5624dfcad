"""Logging in with a wallet: a nonce for this browser, a signed message back, a session for the account bound to it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import identity.refusal
from identity import eip4361, ethereum
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import Sessions, fingerprint
from node.auth.throttle import Pace, Throttle, network
from node.base import metrics
from node.base.log import get_log
from node.store import accounts, nonces
from node.store.accounts import Account
from node.store.database import Database
from node.store.transaction import Writing

log = get_log(__name__)

NONCE_SECONDS = 300
NONCE_BYTES = 16
STATEMENT = "Sign in to your mailbox. This signature costs nothing and moves nothing."

USED = Refusal(Reason.USED_NONCE, False, "this login was already used, or is too old; please start again")
_UNBOUND = Refusal(
    Reason.UNBOUND_WALLET, False, "no mailbox here belongs to this wallet; ask whoever runs this node to add it"
)


@dataclass(frozen=True, slots=True)
class WalletSettings:
    """What a login must be bound to.

    Attributes:
        domain: authority people see in the address bar, "mail.example.org" or "localhost:8080".
        uri: the login page's address.
        chain_ids: EIP-155 chains a message may name.
    """

    domain: str
    uri: str
    chain_ids: frozenset[int]


@dataclass(frozen=True, slots=True)
class Challenge:
    """A nonce for one browser, and what the message around it must say."""

    nonce: str
    domain: str
    uri: str
    statement: str
    issued_at: datetime
    expires: datetime

    def message(self, address: bytes, chain_id: int) -> str:
        """The message for one wallet, ready to be signed."""
        return eip4361.build(
            eip4361.Message(
                domain=self.domain,
                address=address,
                statement=self.statement,
                uri=self.uri,
                chain_id=chain_id,
                nonce=self.nonce,
                issued_at=self.issued_at,
                expires=self.expires,
            )
        )


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A session was opened; `token` goes into the browser's cookie."""

    account: Account
    token: str


class WalletLogin:
    """Challenges out, sessions in.

    Args:
        database: where nonces, wallets and sessions are kept.
        sessions: opens the session.
        settings: what a message must say.
        clock: unix seconds.
    """

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        settings: WalletSettings,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self.settings = settings
        self._clock = clock
        self._failures = Throttle(Pace(free=10))
        # Every challenge is a row on disk: a stranger gets so many, then they grow slow.
        self._challenges = Throttle(Pace(free=60, first_seconds=1, longest_seconds=30, forget_seconds=60))

    async def challenge(self, browser: str, peer: str) -> Challenge | Refusal:
        """Hand out a nonce that only this browser can use, once, within five minutes.

        Args:
            browser: a random token in the browser's cookie; binds the nonce, so that nobody can be logged in to a
                stranger's account with a message the stranger signed (login CSRF).
            peer: network address.
        """
        peer = network(peer)
        if (wait := self._challenges.wait(peer)) > 0:
            return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many logins begun; wait {wait:.0f} seconds", wait)
        self._challenges.fail(peer)
        now = int(self._clock())
        nonce = secrets.token_hex(NONCE_BYTES)
        session = fingerprint(browser).hex()
        await self._database.write(lambda tx: nonces.put(tx, nonce, session, now + NONCE_SECONDS, now))
        issued = datetime.fromtimestamp(now, UTC)
        return Challenge(
            nonce, self.settings.domain, self.settings.uri, STATEMENT, issued, issued + timedelta(seconds=NONCE_SECONDS)
        )

    async def verify(self, text: str, signature: str, browser: str, peer: str) -> LoggedIn | Refusal:
        """Open a session for whoever signed `text`.

        1. The message is for us, for now, and signed by the address in it. 2. Its nonce is this browser's and unused;
        it is used up from here on, whatever else is wrong. 3. The address is bound to an account.
        """
        peer = network(peer)
        if (wait := self._failures.wait(peer)) > 0:
            return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many failed logins; wait {wait:.0f} seconds", wait)
        message = eip4361.parse(text)
        nonce = message.nonce if isinstance(message, eip4361.Message) else ""
        proved = prove(text, signature, nonce, self.settings, self._clock(), statement=STATEMENT)  # 1
        if nonce:
            session = fingerprint(browser).hex()
            result = await self._database.write(lambda tx: self._open(tx, proved, nonce, session))
        else:
            result = proved if isinstance(proved, Refusal) else USED
        outcome = "ok"
        if isinstance(result, Refusal):
            outcome = result.reason.value
            self._failures.fail(peer)
            log.info("login refused", scope="wallet", peer=peer, reason=outcome)
        metrics.logins.labels("wallet", outcome).inc()
        return result

    def _open(self, tx: Writing, proved: bytes | Refusal, nonce: str, session: str) -> LoggedIn | Refusal:
        fresh = nonces.take(tx, nonce, session, int(self._clock()))  # 2
        if isinstance(proved, Refusal):
            return proved
        if not fresh:
            return USED
        account = accounts.bound(tx, ethereum.subject(proved))  # 3
        return _UNBOUND if account is None else LoggedIn(account, self._sessions.begin(tx, account))


def prove(
    text: str, signature: str, nonce: str, settings: WalletSettings, now: float, *, statement: str
) -> bytes | Refusal:
    """The 20 octets of the address that signed `text` for us, now; whether it may do what it wants is another question.

    Args:
        nonce: the one in the message; whether it is good, the caller asks the store.
        now: unix seconds.
        statement: what the message must say: a signature for one deed is none for another.
    """
    signed = ethereum.parse_signature(signature)
    if isinstance(signed, identity.refusal.Refusal):
        return _as_ours(signed)
    lifetime = timedelta(seconds=NONCE_SECONDS)
    expected = eip4361.Expectation(
        settings.domain, settings.uri, settings.chain_ids, nonce, lifetime=lifetime, statement=statement
    )
    message = eip4361.verify(text, signed, expected, datetime.fromtimestamp(now, UTC))
    return _as_ours(message) if isinstance(message, identity.refusal.Refusal) else message.address


def _as_ours(refusal: identity.refusal.Refusal) -> Refusal:
    return Refusal(refusal.reason, False, refusal.words)
