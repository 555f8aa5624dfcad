"""A fresh wallet signature for one deed: asked of somebody who is logged in already, good once, for nothing else."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from node.auth.refusal import Reason, Refusal
from node.auth.sessions import fingerprint
from node.auth.throttle import Pace, Throttle, network
from node.auth.wallet import NONCE_BYTES, USED, Challenge, owner
from node.auth.wallet_proof import NONCE_SECONDS, Proved, WalletProofs, read
from node.base import metrics
from node.base.log import get_log
from node.store import nonces
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
        proofs: judges what was signed; the domain and the chains of a login hold here, too.
        origin: scheme and authority people type.
        clock: unix seconds.
    """

    def __init__(
        self, database: Database, proofs: WalletProofs, origin: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._proofs = proofs
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
        return Challenge(nonce, self._proofs.settings.domain, uri, deed.statement, issued, expires)

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

        1. The message is for us, for this deed, for now, and signed by a key, or maybe by a contract wallet. 2. Its
        nonce is this session's and unused; it is used up from here on. 3. A contract wallet's chain says that it
        signed. 4. What was proved is bound to this very account. 5. The work is done in the transaction that saw this.

        Args:
            signed: message and signature, as the wallet gave them.
            work: gets the subject that signed.
        """
        peer = network(peer)
        if (wait := self._failures.wait(peer)) > 0:
            return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many failed signatures; wait {wait:.0f} seconds", wait)
        proved = await self._prove(deed, session, *signed)

        def attempt(tx: Writing, proved: Proved) -> T | Refusal:
            found = owner(tx, proved)  # 4
            return work(tx, found[1]) if found is not None and found[0].id == account.id else _NOT_YOURS  # 5

        result: T | Refusal
        if isinstance(proved, Refusal):
            result = proved
        else:
            result = await self._database.write(lambda tx: attempt(tx, proved))
        outcome = "ok"
        if isinstance(result, Refusal):
            outcome = result.reason.value
            self._failures.fail(peer)
            log.info("login refused", scope=deed.name, peer=peer, reason=outcome)
        metrics.logins.labels(deed.name, outcome).inc()
        return result

    async def _prove(self, deed: Deed, session: str, text: str, signature: str) -> Proved | Refusal:
        claim = read(text)
        proof = self._proofs.check(claim, text, signature, uri=self._origin + deed.path, statement=deed.statement)  # 1
        if isinstance(claim, Refusal):
            return claim
        now = int(self._clock())
        fresh = await self._database.write(lambda tx: nonces.take(tx, claim.nonce, _owner(deed, session), now))  # 2
        if isinstance(proof, Refusal):
            return proof
        return await self._proofs.settle(proof) if fresh else USED  # 3


def _owner(deed: Deed, session: str) -> str:
    return f"{deed.name}:{fingerprint(session).hex()}"
