"""The runner of outgoing mail, with DNS, the bouncer and the settings' way out."""

from __future__ import annotations

import time

from dns.asyncresolver import Resolver
from dns.resolver import NoResolverConfiguration

from node.anchor.leaf import Direction
from node.base.address import Address
from node.base.log import get_log
from node.checks.sending import Policy
from node.flow.deliver import Order, deliver
from node.flow.parcel import pack
from node.flow.premises import Premises
from node.flow.sending import note_bounce
from node.outbound.bounce import Bouncer, Work
from node.outbound.relay import Relay
from node.outbound.runner import Runner
from node.service.rooms import Rooms
from node.service.sending import sending_policy
from node.store.transaction import Writing

log = get_log(__name__)


def open_runner(rooms: Rooms) -> Runner:
    """The runner over these rooms; a smart host, where one is set, gets everything."""
    settings = rooms.settings
    smarthost = settings.relay.smarthost
    relay = Relay(
        settings.hostname,
        rooms.blobs,
        _resolver(),
        port=settings.relay.port,
        smarthost=(smarthost.host, smarthost.port) if smarthost else None,
    )
    policy = sending_policy(settings) if settings.sending.enabled else None
    bouncer = Bouncer(settings.hostname, rooms.blobs, _Notifications(rooms.premises, policy), time.time)
    return Runner(rooms.database, relay.carry, bouncer, time.time)


def _resolver() -> Resolver:
    """The system's resolver; where none is set up, one on this machine: mail comes in all the same."""
    try:
        return Resolver()
    except NoResolverConfiguration as error:
        log.warning("dns.not_configured", error=str(error), instead="127.0.0.1")
        resolver = Resolver(configure=False)
        resolver.nameservers = ["127.0.0.1"]
        return resolver


class _Notifications:
    """Makes a delivery status notification ready to be stored in the transaction that ends its cause.

    Args:
        policy: of the lookout, which counts the recipients that do not exist; None when there is none.
    """

    def __init__(self, premises: Premises, policy: Policy | None) -> None:
        self._premises = premises
        self._policy = policy

    async def __call__(self, reader: Address, content: bytes) -> Work:
        incoming = self._premises.incoming()
        try:
            await incoming.write(content)
            parcel = await pack(self._premises.database, incoming, b"")
        finally:
            await incoming.aclose()
        order = Order(sender="", recipients=(reader,), direction=Direction.SUBMITTED, may_leave=True)

        def work(tx: Writing) -> object:
            if self._policy:
                note_bounce(tx, reader, time.time(), self._policy)
            return deliver(tx, parcel, order, self._premises.log)

        return work
