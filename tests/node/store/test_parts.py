"""Rows of attachments that were cut out: begun, kept, orphaned, forgotten."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from node.base.address import Address
from node.store import accounts, blobs, mailboxes, messages, parts
from node.store.blobs import Blobs
from node.store.database import Database
from node.store.messages import Summary
from node.store.parts import Candidate, WrappedKey
from node.store.transaction import Writing

pytestmark = pytest.mark.anyio

KEY = WrappedKey(1, b"wrapped")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "waxseal.db") as opened:
        yield opened


async def deliver(database: Database, content: bytes) -> int:
    prepared = await blobs.prepare(database, content)

    def work(tx: Writing) -> int:
        account = accounts.find(tx, Address("ann", "waxseal.test")) or accounts.add(tx, Address("ann", "waxseal.test"))
        inbox = mailboxes.find(tx, account.id, "INBOX")
        assert inbox is not None
        blob_id = blobs.add(tx, prepared)
        messages.add(tx, inbox.id, blob_id, len(content), Summary(b"", b"", b"", b""), internaldate=0)
        return blob_id

    return await database.write(work)


def begin(tx: Writing, reference: bytes, position: int = 0) -> None:
    parts.begin(tx, reference, position=position, header=b"h", profile="p", size=5, name="a.bin")


async def test_a_part_is_begun_then_kept(database: Database) -> None:
    blob_id = await deliver(database, b"content")
    await database.write(partial(begin, reference=b"one"))
    assert await database.read(partial(parts.get, reference=b"one")) is None
    assert [part.reference for part in await database.read(parts.loose)] == [b"one"]
    assert await database.read(parts.roots) == []
    await database.write(partial(parts.keep, reference=b"one", blob_id=blob_id, cid=b"cid", key=KEY))
    found = await database.read(partial(parts.get, reference=b"one"))
    assert found is not None
    assert (found[0].cid, found[0].blob_id, found[0].name, found[1]) == (b"cid", blob_id, "a.bin", KEY)
    assert await database.read(parts.loose) == []
    assert await database.read(parts.roots) == [b"cid"]


async def test_parts_of_a_message_come_in_its_order(database: Database) -> None:
    blob_id = await deliver(database, b"content")

    def work(tx: Writing) -> bytes:
        for position, reference in ((300, b"a"), (100, b"c"), (200, b"b")):
            begin(tx, reference, position)
            parts.keep(tx, reference, blob_id, reference, KEY)
        about = blobs.about(tx, blob_id)
        assert about is not None
        return about[0]

    sha256 = await database.write(work)
    assert [part.cid for part in await database.read(partial(parts.of_message, sha256=sha256))] == [b"c", b"b", b"a"]
    assert await database.read(partial(parts.of_message, sha256=bytes(32))) == []


async def test_keys_go_with_the_blob_and_the_row_stays_until_it_is_forgotten(database: Database) -> None:
    blob_id = await deliver(database, b"content")
    await database.write(partial(begin, reference=b"one"))
    await database.write(partial(parts.keep, reference=b"one", blob_id=blob_id, cid=b"cid", key=KEY))
    await database.write(partial(parts.forget, reference=b"one"))
    assert await database.read(partial(parts.get, reference=b"one")) is not None  # a message needs it

    def remove(tx: Writing) -> None:
        inbox = mailboxes.find(tx, 1, "INBOX")
        assert inbox is not None
        messages.remove(tx, inbox.id, list(messages.uids(tx, inbox.id)))

    await database.write(remove)
    await Blobs(database, database.path.parent).collect()
    assert await database.read(partial(parts.get, reference=b"one")) is None
    assert [(part.cid, part.blob_id) for part in await database.read(parts.loose)] == [(b"cid", None)]
    await database.write(partial(parts.forget, reference=b"one"))
    assert await database.read(parts.loose) == []


async def test_candidates_are_large_and_still_whole(database: Database) -> None:
    large = await deliver(database, b"x" * 100)
    await deliver(database, b"small")
    look = partial(parts.uncut, after=0, upto=1 << 40, larger_than=50)
    assert await database.read(look) == [Candidate(large, 1)]
    assert await database.read(partial(parts.uncut, after=1 << 30, upto=1 << 40, larger_than=50)) == []
    recipe = [blobs.Inline(b"x" * 100)]
    await database.write(partial(blobs.replace_by_pieces, blob_id=large, recipe=recipe))
    assert await database.read(look) == []
