"""The lookout over what people send, as the settings have it."""

from __future__ import annotations

from node.base.config import Settings
from node.checks.sending import Policy
from node.flow.sending import Lookout
from node.service.doors import Ports
from node.service.rooms import Rooms
from node.service.web import origin


def open_lookout(rooms: Rooms, ports: Ports) -> Lookout | None:
    """The lookout over these rooms; None when it is switched off. No database of countries ships with Waxseal."""
    if not rooms.settings.sending.enabled:
        return None
    return Lookout(
        rooms.database,
        rooms.premises.log,
        rooms.settings.hostname,
        page=f"{origin(rooms, ports)}/account",
        policy=sending_policy(rooms.settings),
        classifier=rooms.classifier if rooms.settings.classifier.enabled else None,
    )


def sending_policy(settings: Settings) -> Policy:
    """Recipients an hour and a day."""
    sending = settings.sending
    return Policy(
        (float(sending.new_recipients_per_hour), float(sending.new_recipients_per_day)),
        (float(sending.max_recipients_per_hour), float(sending.max_recipients_per_day)),
    )
