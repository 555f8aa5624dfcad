"""Browser sessions: a random token in a cookie, of which the node keeps only the hash."""

from __future__ import annotations

import hashlib
import math
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from node.anchor import audit
from node.auth.refusal import Refusal
from node.base import metrics
from node.base.log import get_log
from node.store import accounts, web_sessions
from node.store.accounts import Account
from node.store.database import Database
from node.store.transaction import Reading, Writing

TOKEN_SIZE = 32  # octets
REMEMBERED = 10_000  # accounts
STRONG = frozenset({"wallet", "did", "passkey", "signup", "password+code"})
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}\Z")

log = get_log(__name__)

Admit = Callable[[Account], Awaitable[Refusal | None]]
"""Why somebody who proved who they are is not let in all the same: `Gate.admit`."""


async def admit_all(_account: Account) -> Refusal | None:
    """There are no token gates."""
    return None


def new_token() -> str:
    """256 random bits, fit for a cookie."""
    return secrets.token_urlsafe(TOKEN_SIZE)


def is_token(text: str) -> bool:
    """True when the text has a token's form; nothing else is worth a look-up."""
    return _TOKEN.match(text) is not None


def fingerprint(token: str) -> bytes:
    """What is stored: whoever reads the database cannot take over a session."""
    return hashlib.sha256(token.encode("ascii")).digest()


class Sessions:
    """Who is logged in, in which browser.

    Args:
        database: where sessions are kept.
        seconds: how long a session lasts.
        admit: every login asks this once it knows who is there, before it begins a session; open ones ask it again.
        again_seconds: how long its answer counts for open sessions.
        clock: unix seconds.
    """

    def __init__(
        self,
        database: Database,
        *,
        seconds: int,
        admit: Admit = admit_all,
        again_seconds: float = 20,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self.admit = admit
        self.seconds = seconds
        self._clock = clock
        self._again = again_seconds
        self._passed: OrderedDict[int, float] = OrderedDict()  # account → when it was asked last

    def begin(self, tx: Writing, account: Account, way: str = "", *, strong: bool = False) -> str:
        """Open a session within a transaction and return its token.

        Args:
            way: how its owner logged in, for the audit trail; "" for one that takes another's place.
            strong: that one was (`is_strong`).
        """
        token, now = new_token(), int(self._clock())
        if way:
            audit.record(tx, audit.Kind.LOGIN, account.address, account.address, {"way": way}, now)
        web_sessions.expire(tx, now)
        web_sessions.add(tx, fingerprint(token), account.id, now + self.seconds, now, strong or way in STRONG)
        return token

    async def account(self, token: str) -> Account | None:
        """Whose session this is; None for an unknown, ended or expired one, and where a token gate has closed since."""
        found = await self._owner(token)
        return found if found is not None and await self._is_admitted(found) else None

    async def shut_out(self, token: str) -> Account | None:
        """Whose session this is, where a token gate is shut: for the page that says why, and for nothing else."""
        found = await self._owner(token)
        return found if found is not None and not await self._is_admitted(found) else None

    async def _owner(self, token: str) -> Account | None:
        if not is_token(token):
            return None
        now = int(self._clock())

        def find(tx: Reading) -> Account | None:
            account_id = web_sessions.get(tx, fingerprint(token), now)
            return None if account_id is None else accounts.get(tx, account_id)

        return await self._database.read(find)

    async def _is_admitted(self, account: Account) -> bool:
        """Ask the gate again, once in a while after a yes, and at every visit after anything else."""
        now = self._clock()
        if 0 <= now - self._passed.get(account.id, -math.inf) < self._again:
            return True
        refusal = await self.admit(account)
        if refusal is None:
            self._passed[account.id] = now
            self._passed.move_to_end(account.id)
            while len(self._passed) > REMEMBERED:
                self._passed.popitem(last=False)
            return True
        if self._passed.pop(account.id, None) is not None:
            log.info("web sessions shut", reason=str(refusal.reason), account=account.id)
            metrics.sessions_ended.labels(str(refusal.reason)).inc()
        return False

    async def age(self, token: str) -> float | None:
        """Seconds since the login that opened this session; None for an unknown, ended or expired one."""
        if not is_token(token):
            return None
        now = self._clock()
        began = await self._database.read(lambda tx: web_sessions.began(tx, fingerprint(token), int(now)))
        return None if began is None else now - began

    async def is_strong(self, token: str) -> bool:
        """True when a signature opened the session, or a password and a code of an authenticator app."""
        now = int(self._clock())
        return is_token(token) and await self._database.read(
            lambda tx: web_sessions.is_strong(tx, fingerprint(token), now)
        )

    async def end(self, token: str) -> None:
        """Close a session, now and for every copy of its token."""
        if is_token(token):
            await self._database.write(lambda tx: web_sessions.remove(tx, fingerprint(token)))
