"""Logging in with a DID: a nonce for this browser, a signed proof back, a session for the account it is bound to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import identity.refusal
from identity import did_login
from identity.credentials.credential import Credential
from identity.credentials.linked import Proofs
from identity.credentials.verify import Verifier
from identity.did.document import Method
from identity.did.resolve import SelfContained
from identity.did.syntax import Did
from identity.did_login import Proof
from node.auth.challenges import USED, LoginDesk
from node.auth.refusal import Reason, Refusal
from node.auth.wallet import LoggedIn
from node.base.log import get_log
from node.net.did_resolver import DidResolver
from node.store import accounts, shown_credentials
from node.store.accounts import Account
from node.store.shown_credentials import Shown
from node.store.transaction import Writing

log = get_log(__name__)

_PURPOSE = "did"
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
        desk: what all logins stand on.
        resolver: finds the DIDs' keys.
        origin: what proofs must be made for, "https://mail.example.org".
        proofs: checks embedded proofs; None refuses them.
    """

    def __init__(self, desk: LoginDesk, resolver: DidResolver, origin: str, *, proofs: Proofs | None = None) -> None:
        self._database, self._sessions, self._clock = desk.database, desk.sessions, desk.clock
        self._resolver = resolver
        self._verifier = Verifier(resolver, resolver, proofs)
        self._origin = origin
        self._domain = origin.partition("://")[2]
        self._challenges = desk.challenges()

    async def challenge(self, browser: str, peer: str) -> DidChallenge | Refusal:
        """What a proof must carry: good once, in this browser, within five minutes (`Challenges.issue`)."""
        nonce = await self._challenges.issue(_PURPOSE, browser, peer)
        if isinstance(nonce, Refusal):
            return nonce
        return DidChallenge(nonce.value, self._origin, self._domain, nonce.expires)

    async def verify(self, compact: str, browser: str, peer: str) -> DidLoggedIn | Refusal:
        """Open a session for whoever made the proof.

        1. The proof is for us, and for now. 2. Its nonce is this browser's and unused; it is used up from here on.
        3. The DID is bound to an account; only then is anything fetched for it. 4. The DID itself signed. 5. Every
        credential that is shown holds, and is kept for gates that ask for one. 6. A token gate before the mailbox lets
        its owner in. 7. The session is opened in a transaction in which the DID is still bound.
        """
        proof = did_login.read(compact)
        claimed = str(proof.did) if isinstance(proof, Proof) else ""
        return await self._challenges.attempt(_PURPOSE, peer, lambda: self._judged(proof, browser), claimed)

    async def _judged(self, proof: Proof | identity.refusal.Refusal, browser: str) -> DidLoggedIn | Refusal:
        if isinstance(proof, identity.refusal.Refusal):
            return _as_ours(proof)
        moment = datetime.fromtimestamp(self._clock(), UTC)
        unfit = did_login.judge(proof, frozenset({self._origin, self._domain}), moment)  # 1
        fresh = await self._challenges.use(_PURPOSE, browser, proof.nonce)  # 2
        if unfit is not None:
            return _as_ours(unfit)
        if not fresh:
            return USED
        account = await self._database.read(lambda tx: accounts.bound(tx, subject_of(proof.did)))  # 3
        refusal = await self._prove(proof, account)  # 4
        if refusal is not None or account is None:
            return refusal or _UNBOUND
        held = await did_login.verify_credentials(proof, self._verifier, moment)  # 5
        if isinstance(held, identity.refusal.Refusal):
            return _as_ours(held)
        if held:
            await self._database.write(lambda tx: self._keep(tx, account.id, proof, held))
        if (shut := await self._sessions.admit(account)) is not None:  # 6
            return shut
        return await self._database.write(lambda tx: self._open(tx, proof, held, account))  # 7

    async def _prove(self, proof: Proof, account: Account | None) -> Refusal | None:
        """Whether the DID signed. A stranger's DID is judged by what it says itself, and nothing is fetched for it."""
        resolver = SelfContained() if account is None else self._resolver
        method = await did_login.verify(proof, resolver, self._verifier.proofs)
        if isinstance(method, Method):
            return _UNBOUND if account is None else None
        log.info("did login not proved", bound=account is not None, reason=method.reason.value)
        return _NOT_PROVED

    def _keep(self, tx: Writing, account_id: int, proof: Proof, held: tuple[Credential, ...]) -> None:
        now = int(self._clock())
        for token, one in zip(proof.credentials, held, strict=True):
            ends = now + shown_credentials.KEPT_SECONDS
            if one.valid_until is not None:
                ends = min(ends, int(one.valid_until.timestamp()))
            if len(token) <= shown_credentials.MAX_SIZE:
                shown_credentials.put(tx, account_id, Shown(token, str(proof.did), now, ends))

    def _open(self, tx: Writing, proof: Proof, held: tuple[Credential, ...], account: Account) -> DidLoggedIn | Refusal:
        owner = accounts.bound(tx, subject_of(proof.did))
        if owner is None or owner.id != account.id:
            return _UNBOUND
        return DidLoggedIn(account, self._sessions.begin(tx, account, "did"), str(proof.did), held)


def subject_of(did: Did) -> str:
    """The name under which a DID is bound: a did:pkh of Ethereum is the wallet, whichever chain it names."""
    chain, _, account = did.id.partition(":")
    if did.method == "pkh" and chain == "eip155":
        return f"eip155:{account.partition(':')[2]}".lower()
    return str(did)


def _as_ours(refusal: identity.refusal.Refusal) -> Refusal:
    return Refusal(refusal.reason, False, refusal.words)
