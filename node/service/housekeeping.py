"""What nobody waits for: removing what nobody needs any more, at the start and then every hour."""

from __future__ import annotations

import time
from functools import partial

import trio

from node.anchor import retention
from node.auth.oauth import provider as oauth
from node.base.config import Settings
from node.base.errors import WaxsealError
from node.base.log import get_log
from node.service import holding
from node.service.learning import teaches
from node.service.linking import linker_of
from node.service.rooms import Rooms
from node.store import changes, ens_names, gates, newcomers, security_events, sending, shown_credentials, web_sessions
from node.store.directory import directory_changes
from node.store.transaction import Writing

log = get_log(__name__)

EVERY_SECONDS = 3600.0
DAY = 86400
GATES_SECONDS = NAMES_SECONDS = 30 * DAY  # nothing older counts, whatever the settings
KEPT_CHANGES = 500_000  # rows of the change feed: what a client may have missed and still be told step by step


async def keep_house(rooms: Rooms) -> None:
    """Go round for ever."""
    while True:
        await go_round(rooms)
        await trio.sleep(EVERY_SECONDS)


async def go_round(rooms: Rooms) -> None:
    """Once: blobs without a message, old changes, sessions whose time is over, what is remembered of sending."""
    sent_before = int(time.time()) - rooms.settings.audit.sent_days * DAY
    removed = await rooms.blobs.collect(sent_before)
    while await rooms.database.write(partial(retention.forget_sent, before=sent_before)):
        pass
    followers = [name for name, follows in _followers(rooms.settings) if follows]

    def tidy(tx: Writing) -> None:
        now = int(time.time())
        web_sessions.expire(tx, now)
        sending.expire(tx, now)
        retention.note(tx, "security_events", security_events.expire(tx, now))
        retention.note(tx, "directory_changes", directory_changes.expire(tx, now))
        oauth.expire(tx, now)
        newcomers.expire(tx, now)
        shown_credentials.expire(tx, now)
        gates.expire(tx, now - GATES_SECONDS)
        ens_names.expire(tx, now - NAMES_SECONDS)
        oldest = changes.last(tx) - KEPT_CHANGES
        # What a listener has not seen yet stays, however much has happened since.
        changes.trim(tx, min([oldest, *(changes.cursor(tx, name) for name in followers)]))

    await rooms.database.write(tidy)
    await holding.go_round(rooms)
    await _clear_links(rooms)
    log.info("house.kept", blobs=removed)


async def _clear_links(rooms: Rooms) -> None:
    """Blocks of links that ended go, links switched off or not; a store that is away now is there the next time."""
    linker = linker_of(rooms, "")
    try:
        while await linker.sweep():
            pass
    except WaxsealError as error:
        log.warning("links.clearing_failed", error=str(error))


def _followers(settings: Settings) -> tuple[tuple[str, bool], ...]:
    """Cursors in the change feed, and whether somebody moves them."""
    return ("offload", settings.offload.enabled), ("learning", teaches(settings))
