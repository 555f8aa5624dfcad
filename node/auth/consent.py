"""A fresh wallet signature for one deed: asked of somebody who is logged in already, good once, for nothing else."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from identity import eip4361, ethereum
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import fingerprint
from node.auth.throttle import Pace, Throttle, network
from node.auth.wallet import NONCE_BYTES, NONCE_SECONDS, USED, Challenge, WalletSettings, prove
from node.base import metrics
from node.base.log import get_log
from node.store import accounts, nonces
from node.store.accounts import Account
from node.store.database import Database
from node.store.transaction import Writing

log = get_log(__name__)
T = TypeVar("T")

_NOT_YOURS = Refusal(
    Reason.UNBOUND_WALLET, False, "this wallet does not open this account; sign with one that is listed on the page"
)


@dataclass(frozen=True, slots=True)
class Deed:
    """What is signed for.

    Attributes:
        name: keeps nonces apart: one that was given out for a deed logs nobody in, and does nothing else.
        statement: what the wallet shows; compared letter for letter.
        path: below our origin.
    """

    name: str
    statement: str
    path: str


class Consent:
    """Challenges out, deeds done.

    Args:
        database: where nonces and wallets are kept.
        settings: what a login must say; the domain and the chains hold here, too.
        origin: scheme and authority people type.
        clock: unix seconds.
    """

    def __init__(
        self, database: Database, settings: WalletSettings, origin: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._settings = settings
        self._origin = origin
        self._clock = clock
        self._failures = Throttle(Pace(free=10))
        self._challenges = Throttle(Pace(free=60, first_seconds=1, longest_seconds=30, forget_seconds=60))

    async def challenge(self, deed: Deed, session: str, peer: str) -> Challenge | Refusal:
        """Hand out a nonce for this deed in this browser session.

        Args:
            session: the token of a session that is known to be open.
            peer: network address.
        """
        peer = network(peer)
        if (wait := self._challenges.wait(peer)) > 0:
            return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many signatures begun; wait {wait:.0f} seconds", wait)
        self._challenges.fail(peer)
        now = int(self._clock())
        nonce = secrets.token_hex(NONCE_BYTES)
        await self._database.write(lambda tx: nonces.put(tx, nonce, _owner(deed, session), now + NONCE_SECONDS, now))
        issued = datetime.fromtimestamp(now, UTC)
        uri = self._origin + deed.path
        expires = issued + timedelta(seconds=NONCE_SECONDS)
        return Challenge(nonce, self._settings.domain, uri, deed.statement, issued, expires)

    async def verify(
        self,
        deed: Deed,
        account: Account,
        session: str,
        *,
        signed: tuple[str, str],
        peer: str,
        work: Callable[[Writing, str], T],
    ) -> T | Refusal:
        """Do `work` when a wallet of the account has signed for it.

        1. The message is for us, for this deed, for now, and signed by the address in it. 2. Its nonce is this
        session's and unused; it is used up from here on. 3. The address is bound to this very account. 4. The work is
        done in the transaction that used the nonce up.

        Args:
            signed: message and signature, as the wallet gave them.
            work: gets the subject that signed.
        """
        peer = network(peer)
        if (wait := self._failures.wait(peer)) > 0:
            return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many failed signatures; wait {wait:.0f} seconds", wait)
        text, signature = signed
        message = eip4361.parse(text)
        nonce = message.nonce if isinstance(message, eip4361.Message) else ""
        settings = replace(self._settings, uri=self._origin + deed.path)
        proved = prove(text, signature, nonce, settings, self._clock(), statement=deed.statement)  # 1

        def attempt(tx: Writing) -> T | Refusal:
            fresh = nonces.take(tx, nonce, _owner(deed, session), int(self._clock()))  # 2
            if isinstance(proved, Refusal):
                return proved
            if not fresh:
                return USED
            subject = ethereum.subject(proved)
            owner = accounts.bound(tx, subject)  # 3
            return work(tx, subject) if owner is not None and owner.id == account.id else _NOT_YOURS  # 4

        result = await self._database.write(attempt) if nonce else proved if isinstance(proved, Refusal) else USED
        outcome = "ok"
        if isinstance(result, Refusal):
            outcome = result.reason.value
            self._failures.fail(peer)
            log.info("login refused", scope=deed.name, peer=peer, reason=outcome)
        metrics.logins.labels(deed.name, outcome).inc()
        return result


def _owner(deed: Deed, session: str) -> str:
    return f"{deed.name}:{fingerprint(session).hex()}"
