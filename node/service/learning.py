"""Learning from people, as the settings have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.base.address import parse_address
from node.base.config import Settings
from node.service.rooms import Rooms

if TYPE_CHECKING:
    from node.flow.learning import Learning


def teaches(settings: Settings) -> bool:
    """Without a classifier there is nothing to correct."""
    return settings.learning.enabled and settings.classifier.enabled


def open_learning(rooms: Rooms) -> Learning:
    """The listener over these rooms."""
    from node.flow.learning import Learning  # noqa: PLC0415 - numpy, which a node without a classifier does not need

    settings = rooms.settings.learning
    traps = [parse_address(text) for text in settings.traps]
    return Learning(rooms.database, rooms.blobs, rooms.learned, rooms.classifier.excess, traps, settings.from_people)
