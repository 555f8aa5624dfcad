"""From a grant to the answer of the token endpoint (RFC 6749 §5.1)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

from identity.oauth import scope, tokens
from identity.oauth.tokens import Access
from node.anchor import audit
from node.auth.oauth.plan import Plan, fingerprint, new_secret
from node.store import oauth
from node.store.accounts import Account
from node.store.oauth import Grant
from node.store.transaction import Writing

OFFLINE = "offline_access"


@dataclass(frozen=True, slots=True)
class Refreshing:
    """A refresh token in the making: `family` names its grant for good, `part` is new each time."""

    family: str = field(repr=False)
    part: str = field(repr=False)

    @property
    def token(self) -> str:
        """As the client keeps it."""
        return f"{self.family}.{self.part}"


def new_refreshing(family: str = "") -> Refreshing:
    """Random halves; made outside of a transaction, which may run twice."""
    return Refreshing(family or new_secret(), new_secret())


@dataclass(frozen=True, slots=True)
class Issued:
    """A grant that gets tokens, as a transaction has settled it.

    Attributes:
        scopes: of this access token; the grant may have more.
        refresh: None where there is none.
    """

    account: Account
    grant: Grant
    scopes: frozenset[str]
    refresh: Refreshing | None = None
    nonce: str = ""


def settle(
    tx: Writing, plan: Plan, account: Account, grant: Grant, refreshing: Refreshing, *, now: int, nonce: str = ""
) -> Issued:
    """Give the grant its life: with a refresh token where the person allowed offline access, else an access token's."""
    audit.first_login(tx, account.address, grant.last_used, now, {"client": grant.client_name})
    if OFFLINE in grant.scopes:
        expires = now + plan.refresh_seconds
        hashes = (fingerprint(refreshing.family), fingerprint(refreshing.part))
        oauth.rotate(tx, grant.id, *hashes, expires=expires, now=now)
        return Issued(account, grant, grant.scopes, refreshing, nonce)
    oauth.rotate(tx, grant.id, None, None, expires=now + plan.access_seconds, now=now)
    return Issued(account, grant, grant.scopes, None, nonce)


def subject_of(account: Account) -> str:
    """The `sub` of tokens: names the account for good, and is no address."""
    return str(account.id)


def email_claims(account: Account, scopes: frozenset[str]) -> dict[str, Any]:
    """What the scope `email` tells (OpenID Connect Core §5.4)."""
    return {"email": account.address, "email_verified": True} if "email" in scopes else {}


def answer(plan: Plan, issued: Issued, now: int) -> dict[str, Any]:
    """The tokens, signed. A fraction of a millisecond a token."""
    grant = issued.grant
    access = Access(
        *(subject_of(issued.account), grant.client_id, issued.scopes, grant.id),
        *(now, now + plan.access_seconds, grant.auth_time),
    )
    content: dict[str, Any] = {
        "access_token": tokens.write_access(plan.ring, plan.issuer, access, secrets.token_urlsafe(16)),
        "token_type": "Bearer",
        "expires_in": plan.access_seconds,
        "scope": scope.write(issued.scopes),
    }
    if issued.refresh is not None:
        content["refresh_token"] = issued.refresh.token
    if "openid" in issued.scopes:
        extra = tuple(email_claims(issued.account, issued.scopes).items())
        content["id_token"] = tokens.write_id(
            plan.ring, plan.issuer, access, plan.access_seconds, nonce=issued.nonce, extra=extra
        )
    return content
