"""Access tokens that come back: whose they are, whether their grant still stands, and how they end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import identity.refusal
from identity.oauth import metadata, scope, tokens
from identity.oauth.fault import Code, Fault
from identity.oauth.tokens import Access
from node.anchor import audit
from node.auth.oauth import refresh
from node.auth.oauth.issue import subject_of
from node.auth.oauth.plan import Plan
from node.store import accounts, oauth
from node.store.accounts import Account
from node.store.oauth import Grant
from node.store.transaction import Reading, Writing

_GONE = identity.refusal.Refusal(identity.refusal.Reason.REVOKED, "access was revoked, or has run out")


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who brings an access token may do this.

    Attributes:
        scopes: of the token, as far as the grant still has them.
    """

    account: Account
    grant: Grant
    scopes: frozenset[str]
    access: Access


class AccessTokens:
    """Reads tokens of ours, and ends them."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    @property
    def configuration(self) -> str:
        """Where a client learns how to get a token."""
        return self._plan.issuer + metadata.DISCOVERY

    async def read(self, compact: str) -> Bearer | identity.refusal.Refusal:
        """Whose token this is. The signature is checked first; then the database has the last word.

        Raises:
            Temporary: the store cannot be read now.
        """
        access = tokens.read_access(self._plan.ring, self._plan.issuer, compact, self._plan.clock())
        if isinstance(access, identity.refusal.Refusal):
            return access
        return await self._plan.database.read(lambda tx: self._bearer(tx, access))

    def _bearer(self, tx: Reading, access: Access) -> Bearer | identity.refusal.Refusal:
        grant = oauth.get(tx, access.grant_id, self._plan.now)
        account = accounts.get(tx, grant.account_id) if grant else None
        if grant is None or account is None:
            return _GONE
        if subject_of(account) != access.subject or grant.client_id != access.client_id:
            return _GONE
        return Bearer(account, grant, access.scopes & grant.scopes, access)

    async def mark_used(self, grant: Grant, every: int) -> None:
        """Note a login with one of the grant's tokens, unless one was noted less than `every` seconds ago."""
        now = self._plan.now
        if grant.last_used is not None and now - grant.last_used < every:
            return

        def work(tx: Writing) -> None:
            oauth.mark_used(tx, grant.id, now)
            account = accounts.get(tx, grant.account_id)
            if account is not None:
                audit.first_login(tx, account.address, grant.last_used, now, {"client": grant.client_name})

        await self._plan.database.write(work)

    async def revoke(self, token: str, client_id: str) -> Fault | None:
        """End the grant of a token, of either kind; None also when there was nothing to end (RFC 7009 §2.2)."""
        bearer = await self.read(token)
        brought = bearer.grant if isinstance(bearer, Bearer) else None
        now = self._plan.now

        def work(tx: Writing) -> Fault | None:
            found = refresh.find(tx, token, now)
            grant = found[0].grant if found else brought
            if grant is None:
                return None
            if grant.client_id != client_id:
                return Fault(Code.UNAUTHORIZED_CLIENT, "the token was given to another client")
            if oauth.end(tx, grant.id):
                account = accounts.get(tx, grant.account_id)
                told = {"client": grant.client_name, "by": "client"}
                audit.record(tx, audit.Kind.GRANT_ENDED, audit.NODE, account.address if account else "", told, now)
            return None

        return await self._plan.database.write(work)

    async def introspect(self, token: str) -> dict[str, Any]:
        """What a token is good for (RFC 7662 §2.2); of one that is good for nothing, only that."""
        bearer = await self.read(token)
        if isinstance(bearer, Bearer):
            access = bearer.access
            return {
                **_said(bearer.account, bearer.grant, bearer.scopes),
                **{"token_type": "Bearer", "iss": self._plan.issuer, "aud": self._plan.issuer},
                **{"iat": access.issued, "exp": min(access.expires, bearer.grant.expires)},
            }
        now = self._plan.now

        def work(tx: Reading) -> dict[str, Any]:
            found = refresh.find(tx, token, now)
            if found is None or not found[1]:
                return {"active": False}
            grant = found[0].grant
            account = accounts.get(tx, grant.account_id)
            if account is None:
                return {"active": False}
            return {**_said(account, grant, grant.scopes), "iss": self._plan.issuer, "exp": grant.expires}

        return await self._plan.database.read(work)


def _said(account: Account, grant: Grant, scopes: frozenset[str]) -> dict[str, Any]:
    return {
        "active": True,
        "scope": scope.write(scopes),
        "client_id": grant.client_id,
        "username": account.address,
        "sub": subject_of(account),
    }
