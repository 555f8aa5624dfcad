"""How mail is held back, as the settings have it; and the round that bounds what is held and who is remembered."""

from __future__ import annotations

import time
from functools import partial

from node.base import metrics
from node.base.config import Settings
from node.base.log import get_log
from node.flow.held import Holding, expire
from node.service.rooms import Rooms
from node.store import contacts, held, sent_ids
from node.store.transaction import Writing

log = get_log(__name__)
DAY = 86400


def holding(settings: Settings) -> Holding:
    """How mail is held."""
    return Holding(settings.hostname, settings.threat.hold_days * DAY, settings.threat.notices)


async def go_round(rooms: Rooms) -> None:
    """Once: held mail whose time is over, and contacts that are forgotten."""

    def tidy(tx: Writing) -> int:
        now = int(time.time())
        contacts.expire(tx, now)
        sent_ids.expire(tx, now)
        return expire(tx, now, rooms.premises.log, holding(rooms.settings))

    dropped = await rooms.database.write(tidy)
    for account_id in await rooms.database.read(contacts.crowded):
        await rooms.database.write(partial(contacts.trim, account_id=account_id))
    metrics.held_messages.set(await rooms.database.read(held.count))
    if dropped:
        metrics.held.labels("expired").inc(dropped)
        log.info("held.expired", messages=dropped)
