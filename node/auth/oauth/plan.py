"""What the provider is told, and what its parts share."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from identity.oauth.tokens import KeyRing
from node.anchor import audit
from node.base import metrics
from node.base.log import get_log
from node.store.accounts import Account
from node.store.database import Database
from node.store.oauth import Grant
from node.store.oauth_clients import Client
from node.store.security_events import SecurityEvent
from node.store.transaction import Writing

log = get_log(__name__)

CODE_SECONDS = 60  # RFC 6749 §4.1.2 says ten minutes at most; a browser needs none
DEVICE_SECONDS = 600
MAX_GRANTS = 50  # an account

REFRESH_REUSED = "oauth-refresh-reused"
CODE_REPLAYED = "oauth-code-replayed"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything the provider's parts have in common.

    Attributes:
        database: where grants are kept.
        ring: signs and verifies.
        issuer: the origin people type, without a slash at its end.
        clients: those of the settings, by id.
        registration: further clients may register themselves, up to `max_clients`.
        access_seconds: life of an access token.
        refresh_seconds: life of a grant that is not refreshed.
        clock: unix seconds.
    """

    database: Database
    ring: KeyRing
    issuer: str
    clients: Mapping[str, Client] = field(default_factory=dict)
    registration: bool = True
    max_clients: int = 1000
    access_seconds: int = 3600
    refresh_seconds: int = 90 * 86_400
    clock: Callable[[], float] = time.time

    @property
    def now(self) -> int:
        """Unix seconds."""
        return int(self.clock())


def new_secret() -> str:
    """256 random bits for a code or half a token."""
    return secrets.token_urlsafe(32)


def fingerprint(secret: str) -> bytes:
    """What is stored: whoever reads the database gets no token."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()


def note(tx: Writing, kind: str, grant: Grant, network: str, now: int) -> None:
    """Write a security event for the grant's owner, who finds it on the account page."""
    event = SecurityEvent(now, kind, network, grant.client_name, details="grant-ended")
    audit.security(tx, grant.account_id, event)


def given(tx: Writing, account: Account, client: tuple[str, str], scopes: frozenset[str], now: int) -> None:
    """Write down what a person allowed a client (id and name)."""
    details = {"client": client[1], "client_id": client[0], "scopes": " ".join(sorted(scopes))}
    audit.record(tx, audit.Kind.GRANT_GIVEN, account.address, account.address, details, now)


def alarm(kind: str, grant: Grant, network: str) -> None:
    """Tell the operator, once the event is on disk."""
    metrics.security_events.labels(kind).inc()
    log.warning("security.event", kind=kind, account=grant.account_id, client=grant.client_id, network=network)
