"""Who may ask at all: clients of the settings, and those that registered themselves."""

from __future__ import annotations

import secrets
from typing import Any

from identity.oauth import registration
from identity.oauth.fault import Code, Fault
from node.auth.oauth.plan import Plan
from node.auth.throttle import Pace, Throttle, network
from node.base.log import get_log
from node.store import oauth_clients
from node.store.oauth_clients import Client
from node.store.transaction import Writing

log = get_log(__name__)

MAX_ID = 64
UNUSED_SECONDS = 86_400  # so long a client that nobody allowed anything is kept
CROWDED_SECONDS = 3600  # likewise, when there are too many
FORGOTTEN_SECONDS = 90 * 86_400

_CLOSED = Fault(Code.INVALID_CLIENT_METADATA, "clients cannot register themselves here; ask the operator for an id")
_FULL = Fault(Code.TEMPORARILY_UNAVAILABLE, "too many clients are registered; try again later", 3600)


class Clients:
    """Finds clients, and takes new ones on."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        # Every registration is a row on disk: a stranger gets ten, then they grow slow.
        self._begun = Throttle(Pace(free=10, first_seconds=10, longest_seconds=3600, forget_seconds=3600))

    async def find(self, id: str) -> Client | None:
        """The client by its id."""
        if (known := self._plan.clients.get(id)) is not None:
            return known
        if not id or len(id) > MAX_ID:
            return None
        return await self._plan.database.read(lambda tx: oauth_clients.get(tx, id))

    async def register(self, body: bytes, peer: str) -> dict[str, Any] | Fault:
        """Take a client on (RFC 7591).

        1. Where the operator lets them. 2. Not too many from one network. 3. What it says of itself holds. 4. Not too
        many at all; those that nobody ever used make room.

        Args:
            peer: network address.
        """
        if not self._plan.registration:  # 1
            return _CLOSED
        if (wait := self._begun.wait(network(peer))) > 0:  # 2
            return Fault(Code.TEMPORARILY_UNAVAILABLE, "too many registrations from your network", wait)
        self._begun.fail(network(peer))
        wanted = registration.read(body)  # 3
        if isinstance(wanted, Fault):
            return wanted
        client = Client(secrets.token_hex(16), wanted.name, wanted.redirects)
        now = self._plan.now

        def add(tx: Writing) -> bool:
            if oauth_clients.count(tx) >= self._plan.max_clients:  # 4
                oauth_clients.expire(tx, now - CROWDED_SECONDS, now - FORGOTTEN_SECONDS)
                if oauth_clients.count(tx) >= self._plan.max_clients:
                    return False
            oauth_clients.add(tx, client, now)
            return True

        if not await self._plan.database.write(add):
            return _FULL
        log.info("oauth client registered", client=client.id, peer=network(peer))
        return registration.describe(client.id, wanted, now)
