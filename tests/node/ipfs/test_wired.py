"""The rooms of a node beside a real daemon: replicas are made, lost blocks come back, a dead daemon hinders nobody."""

from __future__ import annotations

import base64
import random
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from node.base.address import Address
from node.base.config import Settings
from node.base.errors import Temporary
from node.ipfs.cid import Cid
from node.service.rooms import Rooms, open_rooms
from node.store import accounts, blobs, mailboxes, messages, parts, replicas
from node.store.messages import Summary
from node.store.parts import Candidate
from node.store.transaction import Writing

pytestmark = pytest.mark.anyio


def message(seed: int) -> bytes:
    """With an attachment of 900,000 octets."""
    text = base64.b64encode(random.Random(seed).randbytes(900_000))
    lines = b"\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    head = b"From: ann@waxseal.test\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head + lines + b"\r\n"


def settings(data: Path, **ipfs: Any) -> Settings:
    return Settings.model_validate(
        {
            "hostname": "mail.waxseal.test",
            "data": data,
            "offload": {"threshold_kib": 64},
            "classifier": {"enabled": False},
            "ipfs": {"deadline_seconds": 60, **ipfs},
        }
    )


def _files(data: Path) -> int:
    return len(list((data / "blocks").rglob("baf*")))


async def clean_up(rooms: Rooms) -> None:
    """Leave nothing pinned in the daemon that other tests use, too."""
    for root in await rooms.database.read(parts.roots):
        await rooms.stores.kubos[0].drop(str(Cid.from_bytes(root)), "")


async def deliver(rooms: Rooms, content: bytes) -> int:
    """Store a message and move its attachment; the number of its blob."""
    prepared = await blobs.prepare(rooms.database, content)

    def work(tx: Writing) -> tuple[int, int]:
        account = accounts.find(tx, Address("ann", "waxseal.test")) or accounts.add(tx, Address("ann", "waxseal.test"))
        inbox = mailboxes.find(tx, account.id, "INBOX")
        assert inbox is not None
        blob_id = blobs.add(tx, prepared)
        messages.add(tx, inbox.id, blob_id, len(content), Summary(b"", b"", b"", b""), internaldate=0)
        return blob_id, account.id

    blob_id, account_id = await rooms.database.write(work)
    assert await rooms.offload.cut(Candidate(blob_id, account_id)) == 1
    return blob_id


async def test_an_attachment_goes_to_the_daemon_and_comes_back_from_it(tmp_path: Path, js_ipfs: str) -> None:
    ipfs = {"kubo": {"home": {"url": js_ipfs}}}
    async with open_rooms(settings(tmp_path, **ipfs)) as rooms:
        blob_id = await deliver(rooms, message(1))
        await rooms.replication.refresh()
        (place,) = rooms.stores.places
        assert await rooms.replication.round(place)
        standing = await rooms.database.read(partial(replicas.standing, place="kubo:home"))
        assert (standing.held, standing.waiting) == (1, 0)
    shutil.rmtree(tmp_path / "blocks")
    async with open_rooms(settings(tmp_path, **ipfs)) as rooms:
        assert await rooms.blobs.read(blob_id) == message(1)
        assert _files(tmp_path) == 5  # written again, all of them
        await clean_up(rooms)
    async with open_rooms(settings(tmp_path)) as rooms:
        assert await rooms.blobs.read(blob_id) == message(1)


async def test_leaves_that_were_released_are_read_from_the_daemon(tmp_path: Path, js_ipfs: str) -> None:
    async with open_rooms(settings(tmp_path, kubo={"home": {"url": js_ipfs}}, keep_local=False)) as rooms:
        blob_id = await deliver(rooms, message(2))
        await rooms.replication.refresh()
        await rooms.replication.round(rooms.stores.places[0])
        assert await rooms.replication.release() == 1
        assert await rooms.blobs.read(blob_id) == message(2)
        await clean_up(rooms)
    async with open_rooms(settings(tmp_path)) as rooms:  # and not without it: an error that may pass, not a short text
        with pytest.raises(Temporary, match="is not in"):
            await rooms.blobs.read(blob_id)


async def test_a_daemon_that_is_away_makes_the_queue_grow_and_nothing_else(tmp_path: Path) -> None:
    async with open_rooms(settings(tmp_path, kubo={"home": {"url": "http://127.0.0.1:9"}})) as rooms:
        ids = [await deliver(rooms, message(seed)) for seed in (3, 4)]
        await rooms.replication.refresh()
        assert not await rooms.replication.round(rooms.stores.places[0])
        assert [await rooms.blobs.read(blob_id) for blob_id in ids] == [message(3), message(4)]
        standing = await rooms.database.read(partial(replicas.standing, place="kubo:home"))
        assert (standing.held, standing.waiting) == (0, 2)
        assert "no answer from kubo:home" in standing.error


async def test_a_daemon_may_be_the_store_itself(tmp_path: Path, js_ipfs: str) -> None:
    async with open_rooms(settings(tmp_path, store="kubo:home", kubo={"home": {"url": js_ipfs}})) as rooms:
        before = {cid async for cid in rooms.stores.local.ids()}  # other tests', on the same daemon
        blob_id = await deliver(rooms, message(5))
        assert await rooms.blobs.read(blob_id) == message(5)
        ours = {cid async for cid in rooms.stores.local.ids()} - before
        assert len(ours) == 5  # four leaves and a node
        assert rooms.stores.places == ()
        assert await rooms.stores.local.delete(ours) == 5
    assert not _files(tmp_path)


async def test_with_a_dead_daemon_as_the_store_the_message_stays_whole(tmp_path: Path) -> None:
    ipfs = {"store": "kubo:home", "kubo": {"home": {"url": "http://127.0.0.1:9"}}}
    async with open_rooms(settings(tmp_path, **ipfs)) as rooms:
        with pytest.raises(Temporary, match="no answer from kubo:home"):
            await deliver(rooms, message(6))
        assert await rooms.blobs.read(1) == message(6)
