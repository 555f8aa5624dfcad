"""Logging in with a wallet: a nonce for this browser, a signed message back, a session for the account bound to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

from identity import caip122, eip4361
from node.auth.challenges import USED, LoginDesk
from node.auth.refusal import Reason, Refusal
from node.auth.wallet_proof import Claim, Proved, WalletProofs, WalletSettings, read
from node.store import accounts
from node.store.accounts import Account
from node.store.transaction import Reading, Writing

__all__ = ["Challenge", "LoggedIn", "WalletLogin", "WalletSettings"]

STATEMENT = "Sign in to your mailbox. This signature costs nothing and moves nothing."

_PURPOSE = "wallet"
_UNBOUND = Refusal(
    Reason.UNBOUND_WALLET, False, "no mailbox here belongs to this wallet; ask whoever runs this node to add it"
)


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
        """The message for one Ethereum wallet, ready to be signed."""
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

    def solana_message(self, address: str, chain: str) -> str:
        """The message for one Solana wallet, ready to be signed."""
        return caip122.build(
            caip122.Message(
                domain=self.domain,
                address=address,
                statement=self.statement,
                uri=self.uri,
                chain_id=chain,
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
        desk: what all logins stand on.
        proofs: judges what was signed.
    """

    def __init__(self, desk: LoginDesk, proofs: WalletProofs) -> None:
        self._database, self._sessions = desk.database, desk.sessions
        self._proofs = proofs
        self.settings = proofs.settings
        self._challenges = desk.challenges()

    async def challenge(self, browser: str, peer: str) -> Challenge | Refusal:
        """What is to be signed: good once, in this browser, within five minutes (`Challenges.issue`)."""
        nonce = await self._challenges.issue(_PURPOSE, browser, peer)
        if isinstance(nonce, Refusal):
            return nonce
        settings = self.settings
        return Challenge(nonce.value, settings.domain, settings.uri, STATEMENT, nonce.issued_at, nonce.expires)

    async def verify(self, text: str, signature: str, browser: str, peer: str) -> LoggedIn | Refusal:
        """Open a session for whoever signed `text`.

        1. The message is for us, for now, and signed by a key, or maybe by a contract wallet. 2. Its nonce is this
        browser's and unused; it is used up from here on, whatever else is wrong. 3. A contract wallet's chain says
        that it signed. 4. What was proved is bound to an account. 5. A token gate before the mailbox lets its owner in.
        6. The session is opened in a transaction in which it is still bound.
        """
        claim = read(text)
        judged = partial(self._judge, claim, text, signature, browser)
        return await self._challenges.attempt(_PURPOSE, peer, judged, _claimed(claim))

    async def _judge(self, claim: Claim | Refusal, text: str, signature: str, browser: str) -> LoggedIn | Refusal:
        proof = self._proofs.check(claim, text, signature, uri=self.settings.uri, statement=STATEMENT)  # 1
        if isinstance(claim, Refusal):
            return claim
        fresh = await self._challenges.use(_PURPOSE, browser, claim.nonce)  # 2
        if isinstance(proof, Refusal):
            return proof
        if not fresh:
            return USED
        proved = await self._proofs.settle(proof)  # 3
        if isinstance(proved, Refusal):
            return proved
        found = await self._database.read(lambda tx: owner(tx, proved))  # 4
        if found is None:
            return _UNBOUND
        if (refusal := await self._sessions.admit(found[0])) is not None:  # 5
            return refusal
        return await self._database.write(lambda tx: self._open(tx, proved, found[0]))  # 6

    def _open(self, tx: Writing, proved: Proved, account: Account) -> LoggedIn | Refusal:
        found = owner(tx, proved)
        if found is None or found[0].id != account.id:
            return _UNBOUND
        return LoggedIn(account, self._sessions.begin(tx, account, "wallet"))


def _claimed(claim: Claim | Refusal) -> str:
    if isinstance(claim, Refusal):
        return ""
    return claim.address.hex() if isinstance(claim.address, bytes) else claim.address


def owner(tx: Reading, proved: Proved) -> tuple[Account, str] | None:
    """The account that one of the proved identities acts for, and which one."""
    for subject in proved.subjects:
        account = accounts.bound(tx, subject)
        if account is not None:
            return account, subject
    return None
