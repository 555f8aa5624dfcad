"""Reading stored mail beside the running node: offloaded attachments and archives included."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from node.base.config import Settings
from node.ipfs.keys import Keys
from node.ipfs.sealed_parts import SealedParts
from node.service.folders import Folders
from node.service.stores import open_stores
from node.store.blobs import Blobs
from node.store.database import Database


@asynccontextmanager
async def open_mail(settings: Settings, database: Database) -> AsyncIterator[Blobs]:
    """The node's messages, wherever their octets are.

    Raises:
        ConfigError: a key or token file cannot be used.
    """
    folders = Folders(settings.data)
    async with open_stores(settings.ipfs, folders.blocks) as stores:
        yield Blobs(database, folders.data, SealedParts(database, stores.blocks, Keys.open(folders.keys)))
