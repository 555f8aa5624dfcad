"""What `waxseal doctor` says about the places that keep replicas of sealed attachments."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import trio

from node.base.config import Settings
from node.base.errors import ConfigError, WaxsealError
from node.cli.doctor_chains import Answer
from node.cli.settings import with_database
from node.service.folders import Folders
from node.service.stores import open_stores
from node.store import replicas
from node.store.database import Database

LATE_SECONDS = 3600  # a tree that waits longer is worth a look


def ask_places(settings: Settings) -> Iterator[Answer]:
    """Look whether each daemon and service answers, and how long its queue is. No block is shown to anybody."""
    if not settings.ipfs.kubo and not settings.ipfs.pinning:
        return
    try:
        words = trio.run(_hello, settings)
    except ConfigError as error:
        yield Answer("replicas", False, str(error))
        return
    for name, (fine, word) in words.items():
        yield Answer(name, fine, word)
        if Folders(settings.data).database.exists():
            yield _queue(settings, name)


async def _hello(settings: Settings) -> dict[str, tuple[bool, str]]:
    found: dict[str, tuple[bool, str]] = {}
    async with open_stores(settings.ipfs, Folders(settings.data).blocks) as stores:
        for place in stores.services:
            try:
                found[place.name] = True, await place.hello()
            except WaxsealError as error:
                found[place.name] = False, f"{error}; replicas wait until it is back, mail does not"
    return found


def _queue(settings: Settings, name: str) -> Answer:
    async def work(database: Database) -> replicas.Standing:
        return await database.read(partial(replicas.standing, place=name))

    standing = with_database(settings, work)
    words = f"holds {standing.held} sealed trees, {standing.waiting} wait"
    if standing.oldest is not None and time.time() - standing.oldest > LATE_SECONDS:
        hours = (time.time() - standing.oldest) / 3600
        return Answer(
            f"{name} queue", None, f"{words}, the oldest for {hours:.0f} h: {standing.error or 'not tried yet'}"
        )
    return Answer(f"{name} queue", True, words)
