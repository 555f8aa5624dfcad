"""Refresh tokens: each is good once, and whoever brings an old one ends the grant (RFC 9700 §4.14.2)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace
from typing import Any

from identity.oauth import scope
from identity.oauth.fault import Code, Fault
from node.auth.oauth.issue import Issued, Refreshing, answer, new_refreshing, settle
from node.auth.oauth.plan import REFRESH_REUSED, Plan, alarm, fingerprint, note
from node.store import accounts, oauth
from node.store.oauth import Grant, Refresh
from node.store.transaction import Reading, Writing

_BAD = Fault(Code.INVALID_GRANT, "the refresh token is unknown, used, expired or revoked; ask the person again")
_MORE = Fault(Code.INVALID_SCOPE, "a refresh cannot widen what the person allowed")


@dataclass(frozen=True, slots=True)
class Reused:
    """An old refresh token was brought: its grant has been ended."""

    grant: Grant


def split(token: str) -> tuple[str, str]:
    """Both halves of a refresh token; the second is "" for what is none."""
    family, _, part = token.partition(".")
    return family, part


def find(tx: Reading, token: str, now: int) -> tuple[Refresh, bool] | None:
    """The grant that a refresh token names, and whether the token is the one that is good now."""
    family, part = split(token)
    found = oauth.of_family(tx, fingerprint(family), now)
    return None if found is None else (found, hmac.compare_digest(fingerprint(part), found.current))


class Refreshes:
    """Old refresh tokens in, new ones out."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    async def refresh(self, token: str, client_id: str, wanted: str, network: str) -> dict[str, Any] | Fault:
        """New tokens for a refresh token (RFC 6749 §6).

        1. Its grant stands, and is this client's. 2. It is the newest of its family: an old one has been stolen, or
        its thief has refreshed before; which of both, nobody can tell, so the grant ends. 3. The scopes are not more
        than was allowed. 4. The token is replaced.

        Args:
            wanted: scopes, "" for all that were allowed.
            network: of who brings it, for the security event.
        """
        now = self._plan.now
        scopes = scope.read(wanted) if wanted else None
        if isinstance(scopes, Fault):
            return scopes
        fresh = new_refreshing(split(token)[0])
        found = await self._plan.database.write(
            lambda tx: self._settle(tx, token, client_id, scopes, fresh, network=network, now=now)
        )
        if isinstance(found, Reused):
            alarm(REFRESH_REUSED, found.grant, network)
            return _BAD
        return found if isinstance(found, Fault) else answer(self._plan, found, now)

    def _settle(
        self,
        tx: Writing,
        token: str,
        client_id: str,
        scopes: frozenset[str] | None,
        fresh: Refreshing,
        *,
        network: str,
        now: int,
    ) -> Issued | Reused | Fault:
        found = find(tx, token, now)
        if found is None or found[0].grant.client_id != client_id:  # 1
            return _BAD
        grant, is_newest = found[0].grant, found[1]
        if not is_newest:  # 2
            oauth.end(tx, grant.id)
            note(tx, REFRESH_REUSED, grant, network, now)
            return Reused(grant)
        account = accounts.get(tx, grant.account_id)
        if account is None:
            return _BAD
        if scopes is not None and not scopes <= grant.scopes:  # 3
            return _MORE
        issued = settle(tx, self._plan, account, grant, fresh, now=now)  # 4
        return issued if scopes is None else replace(issued, scopes=scopes)
