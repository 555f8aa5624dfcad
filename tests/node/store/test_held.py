"""Messages kept back: their content stays as long as they do."""

from __future__ import annotations

import pytest

from node.store import blobs, held
from node.store.accounts import Account
from node.store.blobs import Blobs
from node.store.database import Database, Writing
from node.store.held import Held
from tests.node.store.conftest import SUMMARY

pytestmark = pytest.mark.anyio
CONTENT = b"Subject: held\r\n\r\nbody\r\n"


async def keep_back(database: Database, account: Account, received: int = 100, content: bytes = CONTENT) -> int:
    prepared = await blobs.prepare(database, content)

    def work(tx: Writing) -> int:
        message = Held(
            id=0,
            blob_id=blobs.add(tx, prepared),
            size=prepared.size,
            sender="nora@far.example",
            author="nora@far.example",
            subject="held",
            why="threat=0.97",
            verdict="threat-hold",
            received=received,
            expires=received + 50,
            recipients={account.id: "Ann@example.org", 99: "gone@example.org"},
        )
        return held.add(tx, message, SUMMARY)

    return await database.write(work)


async def test_what_is_held_is_listed_with_its_content_and_answers(
    database: Database, account: Account, tmp_path
) -> None:
    first, second = await keep_back(database, account), await keep_back(database, account, content=b"other")
    listed = await database.read(held.listing)
    assert [message.id for message in listed] == [first, second]
    assert listed[0].recipients == {account.id: "Ann@example.org", 99: "gone@example.org"}
    assert await database.read(lambda tx: held.listing(tx, after=first)) == [listed[1]]
    assert await database.read(lambda tx: held.get(tx, first)) == listed[0]
    assert await database.read(lambda tx: held.summary_of(tx, listed[0])) == SUMMARY
    store = Blobs(database, tmp_path)
    await store.collect()
    assert await store.read(listed[0].blob_id) == CONTENT
    assert await database.read(held.count) == 2


async def test_once_decided_it_is_gone_with_its_content(database: Database, account: Account, tmp_path) -> None:
    number = await keep_back(database, account)
    assert await database.write(lambda tx: held.remove(tx, number))
    assert not await database.write(lambda tx: held.remove(tx, number)), "deciding twice changes nothing"
    assert await database.read(lambda tx: held.get(tx, number)) is None
    assert await Blobs(database, tmp_path).collect() == 1
    assert await keep_back(database, account) > number, "a number is never given again"


async def test_what_is_due_and_what_came_lately(database: Database, account: Account) -> None:
    early, late = await keep_back(database, account, 100), await keep_back(database, account, 200)
    assert [message.id for message in await database.read(lambda tx: held.due(tx, 150))] == [early]
    assert await database.read(lambda tx: held.has_since(tx, account.id, 99, late))
    assert not await database.read(lambda tx: held.has_since(tx, account.id, 100, late))
    assert not await database.read(lambda tx: held.has_since(tx, 7, 0, 0))
