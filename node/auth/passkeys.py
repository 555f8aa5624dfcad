"""Passkeys: logging in with one, adding and removing them (Web Authentication Level 3).

They are discoverable: the authenticator knows whose they are, so nobody types a name. A challenge is a nonce of
`Challenges`, good once, for five minutes, in the browser that began (to log in) or the session that asked (to add).
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

import trio

import identity.refusal
from identity import passkey
from identity.passkey import Assertion, Owner, Registration, Site, Verified
from node.anchor import audit
from node.auth import ways_in
from node.auth.challenges import NONCE_SECONDS, USED, Challenges, LoginDesk
from node.auth.refusal import Reason, Refusal
from node.auth.sessions import fingerprint
from node.auth.throttle import network
from node.auth.wallet import LoggedIn
from node.base import metrics
from node.base.log import get_log
from node.store import accounts, passkeys, web_sessions
from node.store.accounts import Account
from node.store.passkeys import Passkey
from node.store.security_events import SecurityEvent
from node.store.transaction import Reading, Writing

log = get_log(__name__)

MAX_PER_ACCOUNT = 20
MAX_NAME = 64  # characters
FRESH_SECONDS = 900  # after a login, in which passkeys may be added
HANDLE_SIZE = 32  # octets

_LOGIN, _ADD = "passkey", "passkey-add"
_UNKNOWN = Refusal(
    Reason.UNKNOWN_PASSKEY,
    False,
    "this passkey opens no mailbox here; perhaps it was removed. Log in another way and add it again",
)
_COPIED = Refusal(
    Reason.COPIED_PASSKEY,
    False,
    "this passkey counts fewer logins than were seen, so there may be a copy of it; log in another way and remove it",
)
_LOGIN_AGAIN = Refusal(
    Reason.LOGIN_AGAIN, False, "your login is too long ago for adding a passkey; log in once more, then add it"
)
_ENOUGH = Refusal(Reason.TOO_MANY, False, f"{MAX_PER_ACCOUNT} passkeys are enough; remove one that is not used")
_TAKEN = Refusal(Reason.TAKEN, False, "this passkey is known here already")
_LAST = Refusal(
    Reason.LAST_WAY_IN, False, "this passkey is the only way in that is left; add another passkey first, then remove it"
)


class Kind(StrEnum):
    """Security events of passkeys."""

    ADDED = "passkey-added"
    REMOVED = "passkey-removed"
    COPIED = "passkey-copied"


@dataclass(frozen=True, slots=True)
class Asker:
    """Who changes their passkeys: logged in, in this session, from this network address."""

    account: Account
    session: str
    peer: str


class Passkeys:
    """Options out; logins, new passkeys and removals in.

    Args:
        desk: what all logins stand on.
        site: what passkeys are made for.
    """

    def __init__(self, desk: LoginDesk, site: Site) -> None:
        self._database, self._sessions, self._clock = desk.database, desk.sessions, desk.clock
        self._site = site
        self._challenges = desk.challenges()
        self._additions = Challenges(desk.database, clock=desk.clock)  # by people who are logged in already

    async def login_options(self, browser: str, peer: str) -> dict[str, Any] | Refusal:
        """What `navigator.credentials.get()` is to be asked, in its JSON form (`Challenges.issue`)."""
        nonce = await self._challenges.issue(_LOGIN, browser, peer)
        if isinstance(nonce, Refusal):
            return nonce
        await _library()
        return passkey.request(self._site, nonce.value.encode(), NONCE_SECONDS)

    async def log_in(self, sent: Assertion, browser: str, peer: str) -> LoggedIn | Refusal:
        """Open a session for whoever holds the passkey that answered.

        1. The challenge is this browser's and unused; it is used up from here on. 2. The passkey is known, and names
        the account it is kept for. 3. The answer was given here, by its verified owner, and the signature holds.
        4. A token gate before the mailbox lets its owner in. 5. The session is opened in a transaction in which the
        passkey is still there and its counter has risen.
        """
        judged = partial(self._judge, sent, browser, network(peer))
        return await self._challenges.attempt(_LOGIN, peer, judged, sent.id.hex())

    async def _judge(self, sent: Assertion, browser: str, peer: str) -> LoggedIn | Refusal:
        challenge = passkey.challenge_of(sent.client_data)
        if isinstance(challenge, identity.refusal.Refusal):
            return _as_ours(challenge)
        if not await self._use(_LOGIN, browser, challenge):  # 1
            return USED
        found = await self._database.read(lambda tx: _find(tx, sent))  # 2
        if found is None:
            return _UNKNOWN
        row, account = found
        await _library()
        verified = passkey.verify_assertion(sent, challenge, self._site, row.public_key)  # 3
        if isinstance(verified, identity.refusal.Refusal):
            return _as_ours(verified)
        if (refusal := await self._sessions.admit(account)) is not None:  # 4
            return refusal
        result = await self._database.write(lambda tx: self._open(tx, sent, verified, peer))  # 5
        if isinstance(result, Refusal) and result.reason is Reason.COPIED_PASSKEY:
            _tell(Kind.COPIED, account, peer)
        return result

    def _open(self, tx: Writing, sent: Assertion, verified: Verified, peer: str) -> LoggedIn | Refusal:
        found = _find(tx, sent)
        if found is None:
            return _UNKNOWN
        row, account = found
        now = int(self._clock())
        if verified.is_synced != row.is_synced:  # §7.2: it cannot change
            return Refusal(Reason.UNKNOWN_PASSKEY, False, "this passkey contradicts what was kept of it; add it again")
        # §6.1.1: who counts, must count on. A passkey that is copied falls behind its twin.
        if (verified.sign_count or row.sign_count) and verified.sign_count <= row.sign_count:
            audit.security(tx, account.id, SecurityEvent(now, Kind.COPIED, peer, details=row.name))
            return _COPIED
        passkeys.mark_used(tx, row.id, verified.sign_count, verified.is_backed_up, now)
        return LoggedIn(account, self._sessions.begin(tx, account, "passkey"))

    async def add_options(self, asker: Asker) -> dict[str, Any] | Refusal:
        """What `navigator.credentials.create()` is to be asked, in its JSON form; only soon after a login."""
        age = await self._sessions.age(asker.session)
        if age is None or age > FRESH_SECONDS:
            return _LOGIN_AGAIN
        account = asker.account
        held = await self.listing(account)
        if len(held) >= MAX_PER_ACCOUNT:
            return _ENOUGH
        nonce = await self._additions.issue(_ADD, asker.session, asker.peer)
        if isinstance(nonce, Refusal):
            return nonce
        fresh = secrets.token_bytes(HANDLE_SIZE)
        handle = await self._database.write(lambda tx: passkeys.keep_handle(tx, account.id, fresh))
        await _library()
        known = [(row.credential_id, row.transports) for row in held]
        owner = Owner(handle, account.address, account.name or account.address, known)
        return passkey.creation(self._site, nonce.value.encode(), NONCE_SECONDS, owner)

    async def add(self, asker: Asker, name: str, sent: Registration, transports: Collection[str]) -> Passkey | Refusal:
        """Keep a new passkey.

        1. It has a name. 2. The challenge is this session's and unused. 3. It was made here, by its verified owner.
        4. Nobody has it yet.

        Args:
            name: what its owner calls it, for example "Phone".
            transports: how browsers may reach the authenticator; unknown words are left out.
        """
        named = check_name(name)  # 1
        if isinstance(named, Refusal):
            return named
        return await self._additions.attempt(_ADD, asker.peer, lambda: self._add(asker, named, sent, transports))

    async def _add(self, asker: Asker, name: str, sent: Registration, transports: Collection[str]) -> Passkey | Refusal:
        challenge = passkey.challenge_of(sent.client_data)
        if isinstance(challenge, identity.refusal.Refusal):
            return _as_ours(challenge)
        if not await self._use(_ADD, asker.session, challenge):  # 2
            return USED
        await _library()
        verified = passkey.verify_registration(sent, challenge, self._site)  # 3
        if isinstance(verified, identity.refusal.Refusal):
            return _as_ours(verified)
        account, peer, now = asker.account, network(asker.peer), int(self._clock())

        def keep(tx: Writing) -> Passkey | Refusal:
            if passkeys.by_credential(tx, sent.id) is not None:  # 4
                return _TAKEN
            if len(passkeys.of_account(tx, account.id)) >= MAX_PER_ACCOUNT:
                return _ENOUGH
            audit.security(tx, account.id, SecurityEvent(now, Kind.ADDED, peer, details=name))
            return passkeys.add(
                tx,
                account.id,
                name,
                credential_id=sent.id,
                public_key=verified.public_key,
                sign_count=verified.sign_count,
                transports=[word for word in passkey.TRANSPORTS if word in transports],
                is_synced=verified.is_synced,
                is_backed_up=verified.is_backed_up,
                now=now,
            )

        kept = await self._database.write(keep)
        if isinstance(kept, Passkey):
            _tell(Kind.ADDED, account, peer)
        return kept

    async def remove(self, asker: Asker, id: int) -> Passkey | Refusal | None:
        """Remove a passkey and end the account's other sessions: one may have been opened with it.

        Returns:
            What was removed; None when the account has none by that id.
        """
        account, peer, now = asker.account, network(asker.peer), int(self._clock())

        def work(tx: Writing) -> Passkey | Refusal | None:
            if not any(row.id == id for row in passkeys.of_account(tx, account.id)):
                return None
            if ways_in.count(tx, account.id) <= 1:
                return _LAST
            gone = passkeys.remove(tx, account.id, id)
            web_sessions.remove_others(tx, account.id, fingerprint(asker.session))
            if gone is not None:
                audit.security(tx, account.id, SecurityEvent(now, Kind.REMOVED, peer, details=gone.name))
            return gone

        gone = await self._database.write(work)
        if isinstance(gone, Passkey):
            _tell(Kind.REMOVED, account, peer)
        return gone

    async def listing(self, account: Account) -> list[Passkey]:
        """An account's passkeys, oldest first."""
        return await self._database.read(lambda tx: passkeys.of_account(tx, account.id))

    async def _use(self, purpose: str, browser: str, challenge: bytes) -> bool:
        return await self._challenges.use(purpose, browser, challenge.decode("ascii", "replace"))


def check_name(name: str) -> str | Refusal:
    """The name without outer and doubled spaces."""
    name = " ".join(name.split())
    if not name:
        return Refusal(Reason.UNUSABLE, False, "give the passkey a name, so that you know later which one it is")
    if len(name) > MAX_NAME or not name.isprintable():
        return Refusal(Reason.UNUSABLE, False, f"the name may have at most {MAX_NAME} printable characters")
    return name


def _find(tx: Reading, sent: Assertion) -> tuple[Passkey, Account] | None:
    """The passkey that answered and whose it is, when the answer names the same account (§7.2)."""
    row = passkeys.by_credential(tx, sent.id)
    if row is None:
        return None
    handle, account = passkeys.handle(tx, row.account_id), accounts.get(tx, row.account_id)
    if handle is None or account is None or not hmac.compare_digest(handle, sent.user_handle):
        return None
    return row, account


async def _library() -> None:
    """The library is imported at the first use of a passkey, beside the loop: it takes too long for either start."""
    if not passkey.is_loaded():
        await trio.to_thread.run_sync(passkey.load)


def _tell(kind: Kind, account: Account, peer: str) -> None:
    metrics.security_events.labels(kind).inc()
    log.warning("security.event", kind=str(kind), account=account.address, network=peer)


def _as_ours(refusal: identity.refusal.Refusal) -> Refusal:
    return Refusal(refusal.reason, False, refusal.words)
