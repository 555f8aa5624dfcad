"""Links instead of large attachments, as the settings have them."""

from __future__ import annotations

from node.flow.linking import Linker, Terms
from node.service.doors import Ports
from node.service.rooms import Rooms
from node.service.web import origin


def open_linker(rooms: Rooms, ports: Ports) -> Linker | None:
    """What makes links; None when they are switched off."""
    return linker_of(rooms, origin(rooms, ports)) if rooms.settings.links.enabled else None


def linker_of(rooms: Rooms, address: str) -> Linker:
    """The same, whatever the setting.

    Args:
        address: scheme and authority of the pages.
    """
    given = rooms.settings.links
    terms = Terms(
        address, frozenset(given.domains), int(given.threshold_mib * (1 << 20)), given.days * 86400, given.downloads
    )
    return Linker(rooms.premises, rooms.stores.blocks, terms)
