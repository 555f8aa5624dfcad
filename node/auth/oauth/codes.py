"""Authorization codes: given to the browser of whoever consented, exchanged once by the client that asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from identity.oauth import pkce
from identity.oauth.authorization import Ask
from identity.oauth.fault import Code, Fault
from node.auth.oauth.issue import Issued, Refreshing, answer, new_refreshing, settle
from node.auth.oauth.plan import (
    CODE_REPLAYED,
    CODE_SECONDS,
    MAX_GRANTS,
    Plan,
    alarm,
    fingerprint,
    given,
    new_secret,
    note,
)
from node.store import accounts, oauth, oauth_clients
from node.store.accounts import Account
from node.store.oauth import Grant
from node.store.oauth_clients import Client
from node.store.transaction import Writing

_BAD = Fault(Code.INVALID_GRANT, "the code is unknown, used, expired, or not for this client; start again")
FULL = Fault(Code.ACCESS_DENIED, f"{MAX_GRANTS} connected clients are enough; disconnect one that is not used")


@dataclass(frozen=True, slots=True)
class Brought:
    """What a client brings to the token endpoint. `redirect_uri` is "" when it left that out (OAuth 2.1 §4.1.3)."""

    code: str = field(repr=False)
    client_id: str
    redirect_uri: str
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Replayed:
    """A code was brought a second time: its grant has been ended."""

    grant: Grant


class Codes:
    """Codes out and in."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    async def allow(self, account: Account, client: Client, ask: Ask, auth_time: int) -> str | Fault:
        """Keep a person's consent, and return the code for the client.

        Args:
            auth_time: when the person logged in, unix seconds.
        """
        code, now = new_secret(), self._plan.now

        def work(tx: Writing) -> str | Fault:
            oauth.expire(tx, now)
            if oauth.count(tx, account.id, now) >= MAX_GRANTS:
                return FULL
            expires = now + CODE_SECONDS
            named = (client.id, client.name)
            id = oauth.add(tx, account.id, named, ask.scopes, auth_time=auth_time, now=now, expires=expires)
            oauth.add_code(
                tx,
                fingerprint(code),
                id,
                redirect_uri=ask.target.redirect_uri,
                challenge=ask.challenge,
                nonce=ask.nonce,
                expires=expires,
            )
            oauth_clients.mark_used(tx, client.id, now)
            given(tx, account, named, ask.scopes, now)
            return code

        return await self._plan.database.write(work)

    async def exchange(self, brought: Brought, network: str) -> dict[str, Any] | Fault:
        """Tokens for a code.

        1. The code is known, and burnt from here on. 2. Brought a second time, somebody has stolen it: all its tokens
        end (RFC 6749 §4.1.2). 3. It is for this client and this redirect, in time, and the client knows the verifier;
        else its grant ends, so that nobody guesses on.

        Args:
            network: of who brings it, for the security event.
        """
        now, refreshing = self._plan.now, new_refreshing()
        found = await self._plan.database.write(lambda tx: self._settle(tx, brought, refreshing, network, now))
        if isinstance(found, Replayed):
            alarm(CODE_REPLAYED, found.grant, network)
            return _BAD
        return found if isinstance(found, Fault) else answer(self._plan, found, now)

    def _settle(
        self, tx: Writing, brought: Brought, refreshing: Refreshing, network: str, now: int
    ) -> Issued | Replayed | Fault:
        code = oauth.take_code(tx, fingerprint(brought.code))  # 1
        grant = oauth.get(tx, code.grant_id, now) if code else None
        account = accounts.get(tx, grant.account_id) if grant else None
        if code is None or grant is None or account is None:
            return _BAD
        if code.used:  # 2
            oauth.end(tx, grant.id)
            note(tx, CODE_REPLAYED, grant, network, now)
            return Replayed(grant)
        fits = brought.client_id == grant.client_id and brought.redirect_uri in ("", code.redirect_uri)
        if not (fits and now < code.expires and pkce.matches(brought.verifier, code.challenge)):  # 3
            oauth.end(tx, grant.id)
            return _BAD
        return settle(tx, self._plan, account, grant, refreshing, now=now, nonce=code.nonce)
