"""The provider, whole: its parts over one plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from identity.oauth import metadata
from node.auth.challenges import Challenges
from node.auth.oauth.access import AccessTokens
from node.auth.oauth.clients import FORGOTTEN_SECONDS, UNUSED_SECONDS, Clients
from node.auth.oauth.codes import Codes
from node.auth.oauth.devices import Devices
from node.auth.oauth.plan import Plan
from node.auth.oauth.refresh import Refreshes
from node.auth.throttle import Pace, Throttle
from node.store import oauth, oauth_clients
from node.store.transaction import Writing


@dataclass(frozen=True, slots=True)
class Provider:
    """What the pages and the mail protocols ask.

    Attributes:
        introspection_secret: what a service shows that may ask about tokens; hexadecimal.
        failures: counts wrong codes and tokens, by network.
        consents: nonces of the forms in which people consent.
    """

    plan: Plan
    introspection_secret: str = field(repr=False)
    clients: Clients
    codes: Codes
    refreshes: Refreshes
    devices: Devices
    access: AccessTokens
    failures: Throttle
    consents: Challenges

    @property
    def metadata(self) -> dict[str, Any]:
        """The discovery document."""
        return metadata.document(self.plan.issuer, registration=self.plan.registration)


def open_provider(plan: Plan, introspection_secret: str) -> Provider:
    """Build the parts."""
    return Provider(
        plan,
        introspection_secret,
        Clients(plan),
        Codes(plan),
        Refreshes(plan),
        Devices(plan),
        AccessTokens(plan),
        Throttle(Pace(free=20)),
        Challenges(plan.database, clock=plan.clock),
    )


def expire(tx: Writing, now: int) -> None:
    """Forget what is over: grants, codes, devices' requests, clients that nobody uses."""
    oauth.expire(tx, now)
    oauth_clients.expire_devices(tx, now)
    oauth_clients.expire(tx, now - UNUSED_SECONDS, now - FORGOTTEN_SECONDS)
