"""A fresh wallet signature for one deed: asked of somebody who is logged in already, good once, for nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from node.auth.challenges import USED, Challenges
from node.auth.refusal import Reason, Refusal
from node.auth.wallet import Challenge, owner
from node.auth.wallet_proof import Proved, WalletProofs, read
from node.store.accounts import Account
from node.store.database import Database
from node.store.transaction import Writing

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
        self._challenges = Challenges(database, clock=clock)

    async def challenge(self, deed: Deed, session: str, peer: str) -> Challenge | Refusal:
        """Hand out a nonce for this deed in this browser session.

        Args:
            session: the token of a session that is known to be open.
            peer: network address.
        """
        nonce = await self._challenges.issue(deed.name, session, peer)
        if isinstance(nonce, Refusal):
            return nonce
        uri, domain = self._origin + deed.path, self._proofs.settings.domain
        return Challenge(nonce.value, domain, uri, deed.statement, nonce.issued_at, nonce.expires)

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

        def settle(tx: Writing, proved: Proved) -> T | Refusal:
            found = owner(tx, proved)  # 4
            return work(tx, found[1]) if found is not None and found[0].id == account.id else _NOT_YOURS  # 5

        async def judged() -> T | Refusal:
            proved = await self._prove(deed, session, *signed)
            if isinstance(proved, Refusal):
                return proved
            return await self._database.write(lambda tx: settle(tx, proved))

        return await self._challenges.attempt(deed.name, peer, judged)

    async def _prove(self, deed: Deed, session: str, text: str, signature: str) -> Proved | Refusal:
        claim = read(text)
        proof = self._proofs.check(claim, text, signature, uri=self._origin + deed.path, statement=deed.statement)  # 1
        if isinstance(claim, Refusal):
            return claim
        fresh = await self._challenges.use(deed.name, session, claim.nonce)  # 2
        if isinstance(proof, Refusal):
            return proof
        return await self._proofs.settle(proof) if fresh else USED  # 3
