"""A node whose log is long: its tiles move into files while it serves, and mail does not need them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest
import structlog
import trio
from structlog.typing import EventDict

from node.anchor import checkpoint
from node.anchor.log import Log
from node.anchor.tile_reader import TileReader
from node.anchor.tiles import ENTRIES, Tile
from node.base.config import Settings
from node.service.folders import Folders
from node.store import packs
from node.store.database import Database, Writing

pytestmark = pytest.mark.anyio
OpenNode = Callable[..., Any]
Plan = Callable[..., Settings]

_SIZE = 66_000
PATIENCE_SECONDS = 60


async def test_tiles_are_sealed_served_and_not_needed_for_mail(open_node: OpenNode, plan: Plan, note: bytes) -> None:
    def fill(tx: Writing) -> None:
        for index in range(_SIZE):
            Log().append(tx, index.to_bytes(32, "big"))

    settings = plan()
    async with Database.open(Folders(settings.data).database) as before:
        await before.write(fill)
    with structlog.testing.capture_logs() as lines:
        async with open_node(settings) as house:
            database = house.running.rooms.database
            assert (await heard(lines, "log.sealed"))["first"] == "tile/0/000"
            assert await database.read(lambda tx: (packs.end(tx, 0), packs.end(tx, ENTRIES))) == (256, 256)
            await house.deliver(note)
            await house.running.rooms.keeper.sign_head()
            await _read(house, 17)
            for path in (database.path.parent / "blobs").glob("??/*"):
                path.unlink()
            await house.deliver(note)
            assert len(await house.inbox()) == 2
            head = await house.running.rooms.keeper.sign_head()
            assert head.size == await database.read(Log().size) > _SIZE


async def heard(lines: list[EventDict], event: str) -> EventDict:
    """The first log line with this event, once it is there."""
    with trio.fail_after(PATIENCE_SECONDS):
        while True:
            for line in lines:
                if line["event"] == event:
                    return line
            await trio.sleep(0.02)  # the log wakes nobody


async def _read(house: Any, index: int) -> None:
    """As a stranger does who knows the log's key: an old entry, and that the log still begins as it did."""
    key = house.running.rooms.keys.log_key
    url = f"http://localhost:{house.running.ports.http}/log"
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, trust_env=False) as client:
        head = checkpoint.verify((await client.get(f"{url}/checkpoint")).text, key)
        reader = TileReader(head.size, head.root)

        async def fetch(tile: Tile) -> bytes:
            answer = await client.get(f"{url}/{tile.path}")
            answer.raise_for_status()
            content: bytes = answer.content
            return content

        wanted = {*reader.needed_for_entries(index, index + 1), *reader.needed_for_consistency(_SIZE)}
        reader.add({tile: await fetch(tile) for tile in wanted})
        (bundle,) = reader.bundles(index, index + 1)
        assert reader.entries(bundle, await fetch(bundle))[index] == index.to_bytes(32, "big")
        assert reader.root_at(_SIZE) == await house.running.rooms.database.read(lambda tx: Log().root(tx, _SIZE))
