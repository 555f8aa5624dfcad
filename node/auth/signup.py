"""Opening a mailbox by oneself: a wallet signs, a gate or an invitation decides, and the address is chosen."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from identity.gates.verdict import Truth
from node.anchor import audit
from node.auth import secret
from node.auth.challenges import USED, Challenges
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.evaluate import Judgement
from node.auth.gates.holder import Holder
from node.auth.local_parts import mistake
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import Sessions, fingerprint, is_token, new_token
from node.auth.throttle import Pace, Throttle, network
from node.auth.wallet import Challenge, owner
from node.auth.wallet_proof import Proved, WalletProofs, read
from node.base import metrics
from node.base.address import Address
from node.base.config_names import Signup
from node.base.errors import Permanent
from node.base.log import get_log
from node.store import accounts, domains, gates, newcomers
from node.store.accounts import Account
from node.store.database import Database
from node.store.gates import StoredGate
from node.store.transaction import Reading, Writing

log = get_log(__name__)

STATEMENT = "Open a mailbox for this wallet. This signature costs nothing and moves nothing."
PATH = "/signup"
NEWCOMER_SECONDS = 900  # between the signature and the address
DAY = 86400
_PURPOSE = "signup"

_HAS_ONE = Refusal(Reason.HAS_MAILBOX, False, "this wallet has a mailbox here already; log in with it")
_TOO_LATE = Refusal(Reason.USED_NONCE, False, "that took too long; please sign again")
_FULL = Refusal(Reason.BUSY, True, "many mailboxes were opened today; come back tomorrow", DAY / 4)


@dataclass(frozen=True, slots=True)
class Offer:
    """One domain, and whether this newcomer may open a mailbox there.

    Attributes:
        judgement: what the gate says; None where there is none, or where it cannot be read.
        truth: yes: without an invitation; no and unknown: only with one.
    """

    domain: str
    gate: StoredGate | None
    judgement: Judgement | None
    truth: Truth


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something in the form to put right, in words for who filled it in."""

    words: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What a newcomer asks for, as typed."""

    local: str
    domain: str
    invitation: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """A mailbox was opened; `token` is a browser session's, or why its owner may not log in yet."""

    account: Account
    token: str | Refusal


class SignUp:
    """Newcomers in, mailboxes out.

    Args:
        proofs: judges what was signed.
        keeper: asks gates; None: a domain with a gate is shut.
        origin: scheme and authority people type.
        clock: unix seconds.
    """

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        proofs: WalletProofs,
        keeper: Doorkeeper | None,
        *,
        settings: Signup,
        origin: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._proofs = proofs
        self._keeper = keeper
        self._settings = settings
        self._uri = origin + PATH
        self._clock = clock
        self._challenges = Challenges(database, clock=clock)
        self._guesses = Throttle(Pace(free=10))
        # A household may open a few; a farm of wallets behind one network gets slow, and then stuck.
        self._opened = Throttle(Pace(free=5, first_seconds=600, longest_seconds=DAY, forget_seconds=DAY))

    async def challenge(self, browser: str, peer: str) -> Challenge | Refusal:
        """What is to be signed (`Challenges.issue`)."""
        nonce = await self._challenges.issue(_PURPOSE, browser, peer)
        if isinstance(nonce, Refusal):
            return nonce
        domain = self._proofs.settings.domain
        return Challenge(nonce.value, domain, self._uri, STATEMENT, nonce.issued_at, nonce.expires)

    async def prove(self, text: str, signature: str, browser: str, peer: str) -> str | Refusal:
        """Take a signature and return a token for the browser: who signed may choose an address for 15 minutes.

        1. The message is for us, for this, for now, and signed. 2. Its nonce is this browser's and unused; it is used
        up from here on. 3. A contract wallet's chain says that it signed. 4. No account is bound to it.
        """
        return await self._challenges.attempt(_PURPOSE, peer, lambda: self._judge(text, signature, browser))

    async def _judge(self, text: str, signature: str, browser: str) -> str | Refusal:
        claim = read(text)
        proof = self._proofs.check(claim, text, signature, uri=self._uri, statement=STATEMENT)  # 1
        if isinstance(claim, Refusal):
            return claim
        fresh = await self._challenges.use(_PURPOSE, browser, claim.nonce)  # 2
        if isinstance(proof, Refusal):
            return proof
        proved = await self._proofs.settle(proof) if fresh else USED  # 3
        if isinstance(proved, Refusal):
            return proved
        subjects = proved.subjects
        token, now = new_token(), int(self._clock())

        def work(tx: Writing) -> bool:
            if owner(tx, Proved(subjects)) is not None:  # 4
                return False
            newcomers.put(tx, fingerprint(token), subjects, now + NEWCOMER_SECONDS, now)
            return True

        return token if await self._database.write(work) else _HAS_ONE

    async def newcomer(self, token: str) -> tuple[str, ...] | None:
        """What the holder of this token proved; None when it is none, or too old."""
        if not is_token(token):
            return None
        now = int(self._clock())
        return await self._database.read(lambda tx: newcomers.get(tx, fingerprint(token), now))

    async def offers(self, subjects: tuple[str, ...]) -> Sequence[Offer]:
        """Every domain where somebody with these wallets may, or might, open a mailbox."""

        def query(tx: Reading) -> list[tuple[str, StoredGate | None]]:
            return [(name, gates.get(tx, "signup", name)) for name in domains.listing(tx)]

        return [await self._offer(name, gate, subjects) for name, gate in await self._database.read(query)]

    async def _offer(self, domain: str, gate: StoredGate | None, subjects: tuple[str, ...]) -> Offer:
        if gate is None:
            return Offer(domain, None, None, Truth.YES if self._settings.open else Truth.NO)
        # The one that will be bound: what opens the mailbox is what will open it tomorrow.
        judgement = await self._keeper.ask(gate, Holder(None, subjects[:1])) if self._keeper else None
        return Offer(domain, gate, judgement, judgement.truth if judgement else Truth.UNKNOWN)

    async def open(self, token: str, wish: Wish, peer: str) -> Opened | Mistake | Refusal:
        """Open a mailbox.

        1. Somebody proved a wallet, not too long ago. 2. The address may be had. 3. This network has not opened too
        many, and the node neither. 4. The domain's gate, asked again, or an invitation lets them in. 5. Invitation and
        proof are used up, and address, wallet and session come to be, in one transaction.
        """
        subjects = await self.newcomer(token)  # 1
        if subjects is None:
            return _TOO_LATE
        local = wish.local.strip().lower()
        if wrong := mistake(local, self._settings.reserved):  # 2
            return Mistake(wrong)
        peer = network(peer)
        if (wait := self._opened.wait(peer)) > 0:  # 3
            return Refusal(Reason.TOO_MANY_FAILURES, True, "many mailboxes were opened from your network", wait)
        admitted = await self._admitted(wish, subjects, peer)  # 4
        if not isinstance(admitted, bool):
            return admitted
        invited = invitation_digest(wish.invitation) if not admitted else b""
        made = await self._database.write(lambda tx: self._make(tx, token, Address(local, wish.domain), invited))  # 5
        if isinstance(made, Account):
            self._opened.fail(peer)
            metrics.signups.labels("opened").inc()
            log.info("signup.opened", account=made.address, invited=bool(invited), network=peer)
            if (shut := await self._sessions.admit(made)) is not None:
                return Opened(made, shut)
            return Opened(made, await self._database.write(lambda tx: self._sessions.begin(tx, made, "signup")))
        return made

    async def _admitted(self, wish: Wish, subjects: tuple[str, ...], peer: str) -> bool | Mistake | Refusal:
        """True where the gate lets them in, false where the invitation does."""

        def query(tx: Reading) -> tuple[bool, StoredGate | None]:
            return domains.exists(tx, wish.domain), gates.get(tx, "signup", wish.domain)

        ours, gate = await self._database.read(query)
        if not ours:
            return Mistake("choose one of the domains in the list")
        offer = await self._offer(wish.domain, gate, subjects)
        if offer.truth is Truth.YES:
            return True
        if wish.invitation.strip():
            return await self._invited(wish, peer)
        metrics.signups.labels("gate" if gate else "invitation").inc()
        if gate is None:
            return Mistake(f"{wish.domain} takes invited people; type the code of your invitation")
        if offer.truth is Truth.NO:
            return Refusal(Reason.GATE_CLOSED, False, f"you do not hold what {wish.domain} asks for")
        return Refusal(
            Reason.GATE_UNKNOWN, True, f"it cannot be told now whether you hold what {wish.domain} asks for", 60
        )

    async def _invited(self, wish: Wish, peer: str) -> bool | Mistake | Refusal:
        if (wait := self._guesses.wait(peer)) > 0:
            return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many wrong invitations; wait {wait:.0f} seconds", wait)
        now, code = int(self._clock()), invitation_digest(wish.invitation)
        if await self._database.read(lambda tx: newcomers.is_invited(tx, code, wish.domain, now)):
            return False
        self._guesses.fail(peer)
        metrics.signups.labels("invitation").inc()
        return Mistake(f"this invitation is not good at {wish.domain}: it was used, has ended, or was mistyped")

    def _make(self, tx: Writing, token: str, address: Address, invited: bytes) -> Account | Mistake | Refusal:
        now = int(self._clock())
        if newcomers.opened_since(tx, now - DAY) >= self._settings.per_day:
            return _FULL
        subjects = newcomers.get(tx, fingerprint(token), now)
        if subjects is None:
            return _TOO_LATE
        if owner(tx, Proved(subjects)) is not None:  # one mailbox a wallet
            return _HAS_ONE
        if invited and not newcomers.is_invited(tx, invited, address.domain, now):
            return Mistake("this invitation was used a moment ago")
        try:
            account = accounts.add(tx, address)
        except Permanent:
            return Mistake(f"the address {address} is taken; choose another")
        accounts.bind(tx, account.id, subjects[0])
        told = {"identity": subjects[0], "by": "invitation" if invited else "sign-up"}
        audit.record(tx, audit.Kind.PERSON_ADDED, account.address, account.address, told, now)
        newcomers.take(tx, fingerprint(token), now)
        if invited:
            newcomers.use(tx, invited, address.domain, now)
        return account


def invitation_digest(typed: str) -> bytes:
    """What is kept of an invitation's code, however it was typed."""
    return hashlib.sha256(secret.normalize(typed)).digest()


def new_invitation() -> tuple[str, bytes]:
    """A code of 100 random bits as it is handed out, and what is kept of it."""
    code = secret.generate()
    return code, invitation_digest(code)
