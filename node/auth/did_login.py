"""Logging in with a DID: a nonce for this browser, a signed proof back, a session for the account it is bound to."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import identity.refusal
from identity import did_login
from identity.credentials.credential import Credential
from identity.credentials.verify import Verifier
from identity.did.document import Method
from identity.did.resolve import SelfContained
from identity.did_login import Proof
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import Sessions, fingerprint
from node.auth.throttle import Pace, Throttle, network
from node.auth.wallet import NONCE_BYTES, NONCE_SECONDS, USED, LoggedIn
from node.base import metrics
from node.base.log import get_log
from node.net.did_resolver import DidResolver
from node.store import accounts, nonces
from node.store.accounts import Account
from node.store.database import Database
from node.store.transaction import Writing

log = get_log(__name__)

_UNBOUND = Refusal(
    Reason.UNBOUND_DID, False, "no mailbox here belongs to this DID; ask whoever runs this node to add it"
)
# The same words whether a DID is bound or not, as long as nothing is proved: nobody is told whose DIDs have mailboxes.
_NOT_PROVED = Refusal(
    Reason.NOT_PROVED, False, "the proof is not by a key this DID logs in with, or no mailbox here belongs to the DID"
)


@dataclass(frozen=True, slots=True)
class DidChallenge:
    """What a proof must carry: the nonce, and `audience` as its `aud` (or `domain`, without the scheme)."""

    nonce: str
    audience: str
    domain: str
    expires: datetime


@dataclass(frozen=True, slots=True)
class DidLoggedIn(LoggedIn):
    """A session was opened by a DID; `credentials` were shown with the proof, verified, and are about that DID."""

    did: str
    credentials: tuple[Credential, ...]


class DidLogin:
    """Challenges out, sessions in.

    Args:
        database: where nonces, bindings and sessions are kept.
        sessions: opens the session.
        resolver: finds the DIDs' keys.
        origin: what proofs must be made for, "https://mail.example.org".
        clock: unix seconds.
    """

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        resolver: DidResolver,
        origin: str,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._resolver = resolver
        self._verifier = Verifier(resolver, resolver)
        self._origin = origin
        self._domain = origin.partition("://")[2]
        self._clock = clock
        self._failures = Throttle(Pace(free=10))
        self._challenges = Throttle(Pace(free=60, first_seconds=1, longest_seconds=30, forget_seconds=60))

    async def challenge(self, browser: str, peer: str) -> DidChallenge | Refusal:
        """Hand out a nonce that only this browser can use, once, within five minutes.

        Args:
            browser: a random token in the browser's cookie; binds the nonce against login CSRF.
            peer: network address.
        """
        peer = network(peer)
        if (wait := self._challenges.wait(peer)) > 0:
            return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many logins begun; wait {wait:.0f} seconds", wait)
        self._challenges.fail(peer)
        now = int(self._clock())
        nonce = secrets.token_hex(NONCE_BYTES)
        await self._database.write(lambda tx: nonces.put(tx, nonce, _owner(browser), now + NONCE_SECONDS, now))
        expires = datetime.fromtimestamp(now, UTC) + timedelta(seconds=NONCE_SECONDS)
        return DidChallenge(nonce, self._origin, self._domain, expires)

    async def verify(self, compact: str, browser: str, peer: str) -> DidLoggedIn | Refusal:
        """Open a session for whoever made the proof.

        1. The proof is for us, and for now. 2. Its nonce is this browser's and unused; it is used up from here on.
        3. The DID is bound to an account; only then is anything fetched for it. 4. The DID itself signed. 5. Every
        credential that is shown holds. 6. The session is opened in a transaction in which the DID is still bound.
        """
        peer = network(peer)
        if (wait := self._failures.wait(peer)) > 0:
            return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many failed logins; wait {wait:.0f} seconds", wait)
        result = await self._judged(compact, browser)
        outcome = "ok"
        if isinstance(result, Refusal):
            outcome = result.reason.value
            self._failures.fail(peer)
            log.info("login refused", scope="did", peer=peer, reason=outcome)
        metrics.logins.labels("did", outcome).inc()
        return result

    async def _judged(self, compact: str, browser: str) -> DidLoggedIn | Refusal:
        proof = did_login.read(compact)
        if isinstance(proof, identity.refusal.Refusal):
            return _as_ours(proof)
        now = self._clock()
        moment = datetime.fromtimestamp(now, UTC)
        unfit = did_login.judge(proof, frozenset({self._origin, self._domain}), moment)  # 1
        nonce = proof.nonce
        fresh = await self._database.write(lambda tx: nonces.take(tx, nonce, _owner(browser), int(now)))  # 2
        if unfit is not None:
            return _as_ours(unfit)
        if not fresh:
            return USED
        account = await self._database.read(lambda tx: accounts.bound(tx, str(proof.did)))  # 3
        refusal = await self._prove(proof, account)  # 4
        if refusal is not None:
            return refusal
        held = await did_login.verify_credentials(proof, self._verifier, moment)  # 5
        if isinstance(held, identity.refusal.Refusal):
            return _as_ours(held)
        return await self._database.write(lambda tx: self._open(tx, proof, held))  # 6

    async def _prove(self, proof: Proof, account: Account | None) -> Refusal | None:
        """Whether the DID signed. A stranger's DID is judged by what it says itself, and nothing is fetched for it."""
        resolver = SelfContained() if account is None else self._resolver
        method = await did_login.verify(proof, resolver)
        if isinstance(method, Method):
            return _UNBOUND if account is None else None
        log.info("did login not proved", bound=account is not None, reason=method.reason.value)
        return _NOT_PROVED

    def _open(self, tx: Writing, proof: Proof, held: tuple[Credential, ...]) -> DidLoggedIn | Refusal:
        account = accounts.bound(tx, str(proof.did))
        if account is None:
            return _UNBOUND
        return DidLoggedIn(account, self._sessions.begin(tx, account), str(proof.did), held)


def _owner(browser: str) -> str:
    """Keeps these nonces apart from the wallets': one that was given out for one kind of proof serves no other."""
    return f"did:{fingerprint(browser).hex()}"


def _as_ours(refusal: identity.refusal.Refusal) -> Refusal:
    return Refusal(refusal.reason, False, refusal.words)
