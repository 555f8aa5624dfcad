"""Blobs: once for equal content, readable by windows in every form, gone when nobody needs them."""

from __future__ import annotations

import base64
import errno
import hashlib
import mmap
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from node.base.errors import Permanent, Temporary
from node.store import blobs, messages, spool
from node.store.blobs import Blobs, Encoded, Form, Inline
from node.store.database import Database, Writing
from node.store.mailboxes import Mailbox
from node.store.messages import Message

pytestmark = pytest.mark.anyio

Deliver = Callable[..., Awaitable[Message]]
LARGE = random.Random(7).randbytes(1_300_000)


def files(directory: Path) -> list[Path]:
    return [path for path in (directory / "blobs").glob("??/*") if path.is_file()]


class Decoded:
    """A store of parts in memory that notes what it was asked."""

    def __init__(self, parts: dict[bytes, bytes]) -> None:
        self.parts = parts
        self.asked: list[tuple[int, int]] = []

    async def read(self, reference: bytes, start: int, length: int) -> bytes:
        self.asked.append((start, length))
        return self.parts[reference][start : start + length]


@pytest.fixture
def store(database: Database, tmp_path: Path) -> Blobs:
    return Blobs(database, tmp_path)


@pytest.mark.parametrize("size", [0, 1, 5000, blobs.QUICK + 1, blobs.INLINE_LIMIT, blobs.INLINE_LIMIT + 1, 1_300_000])
async def test_windows_of_every_form(
    store: Blobs, database: Database, inbox: Mailbox, deliver: Deliver, tmp_path: Path, size: int
) -> None:
    content = LARGE[:size]
    message = await deliver(inbox.id, content)
    assert len(files(tmp_path)) == (1 if size > blobs.INLINE_LIMIT else 0)
    assert await store.read(message.blob_id) == content
    rng = random.Random(size)
    for _ in range(10):
        start, length = rng.randint(0, size + 10), rng.randint(0, size + 10)
        assert await store.read(message.blob_id, start, length) == content[start : start + length]
    streamed = [chunk async for chunk in store.stream(message.blob_id, size // 3, chunk=10_000)]
    assert b"".join(streamed) == content[size // 3 :]
    assert all(len(chunk) <= 10_000 for chunk in streamed)
    about = await database.read(lambda tx: blobs.about(tx, message.blob_id))
    form = Form.FILE if size > blobs.INLINE_LIMIT else Form.INLINE
    assert about == (hashlib.sha256(content).digest(), size, form)


@pytest.mark.parametrize("size", [10, 100_000, 1_300_000])
async def test_a_prefix_goes_before_and_a_head_is_left_out(store: Blobs, database: Database, size: int) -> None:
    prefix = b"Received: by us\r\n" * 3
    with tempfile.TemporaryFile() as file:
        file.write(LARGE[:size])
        file.flush()
        with mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) as mapped:
            prepared = await store.prepare(mapped, prefix, start=5)
    whole = prefix + LARGE[5:size]
    assert (prepared.sha256, prepared.size) == (hashlib.sha256(whole).digest(), len(whole))
    blob_id = await database.write(lambda tx: blobs.add(tx, prepared))
    assert await store.read(blob_id) == whole


@pytest.mark.parametrize("size", [100, 1_300_000])
async def test_equal_content_is_kept_once(
    store: Blobs, database: Database, inbox: Mailbox, deliver: Deliver, tmp_path: Path, size: int
) -> None:
    first = await deliver(inbox.id, LARGE[:size])
    second = await deliver(inbox.id, LARGE[:size])
    assert first.blob_id == second.blob_id
    await database.write(lambda tx: None)
    assert len(files(tmp_path)) == (1 if size > blobs.INLINE_LIMIT else 0)
    assert await store.collect() == 0
    await database.write(lambda tx: messages.remove(tx, inbox.id, [first.uid]))
    assert await store.collect() == 0
    assert await store.read(second.blob_id) == LARGE[:size]
    await database.write(lambda tx: messages.remove(tx, inbox.id, [second.uid]))
    assert await store.collect() == 1
    await database.write(lambda tx: None)
    assert files(tmp_path) == []
    with pytest.raises(Permanent, match="no blob"):
        await store.read(second.blob_id)


async def test_the_same_prepared_content_added_twice(store: Blobs, database: Database, tmp_path: Path) -> None:
    prepared = await store.prepare(LARGE)
    one = await database.write(lambda tx: blobs.add(tx, prepared))
    assert await database.write(lambda tx: blobs.add(tx, prepared)) == one
    await database.write(lambda tx: None)
    assert await store.read(one) == LARGE
    assert await database.read(lambda tx: blobs.find(tx, prepared.sha256)) == one
    assert await database.read(lambda tx: blobs.find(tx, bytes(32))) is None


async def test_the_spool_holds_a_blob(store: Blobs, database: Database) -> None:
    prepared = await store.prepare(b"outgoing")

    def work(tx: Writing) -> spool.Entry:
        return spool.add(tx, blobs.add(tx, prepared), "", "bob@example.net", next_attempt=1, expires=2)

    entry = await database.write(work)
    assert await store.collect() == 0
    await database.write(lambda tx: spool.done(tx, entry.id))
    await database.write(lambda tx: spool.done(tx, entry.id))
    assert await store.collect() == 1


async def test_files_without_a_row_go_once_they_are_old(store: Blobs, tmp_path: Path) -> None:
    await store.prepare(LARGE)
    (stray,) = files(tmp_path)
    assert stray.stat().st_mode & 0o777 == 0o600
    assert stray.parent.stat().st_mode & 0o777 == 0o700
    assert await store.collect() == 0  # a delivery may be about to write its row
    os.utime(stray, (time.time() - blobs.STRAY_SECONDS - 5,) * 2)
    assert await store.collect() == 1
    assert files(tmp_path) == []


async def test_a_full_disk_is_temporary_and_leaves_nothing(
    store: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    await store.prepare(LARGE[:-1])  # the folders are there
    before = files(tmp_path)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Temporary, match="No space left"):
        await store.prepare(LARGE)
    assert files(tmp_path) == before


async def test_lost_and_damaged_content_is_told(store: Blobs, database: Database, tmp_path: Path) -> None:
    prepared = await store.prepare(LARGE)
    blob_id = await database.write(lambda tx: blobs.add(tx, prepared))
    (file,) = files(tmp_path)
    with file.open("r+b") as opened:
        opened.seek(1000)
        opened.write(b"rotten")
    with pytest.raises(Permanent, match="damaged"):
        await store.read(blob_id)
    os.truncate(file, 100)
    with pytest.raises(Permanent, match="short"):
        await store.read(blob_id)
    file.unlink()
    with pytest.raises(Permanent, match="missing"):
        await store.read(blob_id)


@pytest.mark.parametrize("size", [3000, 1_300_000])
async def test_pieces_take_the_contents_place(database: Database, tmp_path: Path, size: int) -> None:
    part = LARGE[:size]
    head, tail = b"Content-Transfer-Encoding: base64\r\n\r\n", b"--boundary--\r\n"
    piece = Encoded(b"cid", size, 76, b"\r\n", trailing=True)
    body = base64.encodebytes(part).replace(b"\n", b"\r\n")
    whole = head + body + tail
    decoded = Decoded({b"cid": part})
    store = Blobs(database, tmp_path, decoded)
    prepared = await store.prepare(whole)
    blob_id = await database.write(lambda tx: blobs.add(tx, prepared))
    with pytest.raises(ValueError, match="pieces"):
        await database.write(lambda tx: blobs.replace_by_pieces(tx, blob_id, [Inline(head), piece]))
    assert await store.read(blob_id) == whole
    assert decoded.asked == []

    await database.write(lambda tx: blobs.replace_by_pieces(tx, blob_id, [Inline(head), piece, Inline(tail)]))
    await database.write(lambda tx: None)
    assert files(tmp_path) == []
    assert await store.read(blob_id) == whole
    middle = len(head) + len(body) // 2
    decoded.asked.clear()
    assert await store.read(blob_id, middle, 100) == whole[middle : middle + 100]
    assert decoded.asked[0][1] < 110
    assert await store.read(blob_id, 0, 10) == whole[:10]
    assert len(decoded.asked) == 1
    assert b"".join([chunk async for chunk in store.stream(blob_id)]) == whole

    with pytest.raises(Temporary, match="off"):
        await Blobs(database, tmp_path).read(blob_id)
    decoded.parts[b"cid"] = part[: size // 2]
    with pytest.raises(Permanent, match="shorter"):
        await store.read(blob_id)


async def test_a_reader_that_meets_the_replacement_sees_the_message(
    store: Blobs, database: Database, tmp_path: Path
) -> None:
    """The row said FILE, and the file went before it was opened."""
    prepared = await store.prepare(LARGE)
    blob_id = await database.write(lambda tx: blobs.add(tx, prepared))
    (file,) = files(tmp_path)
    aside = file.rename(tmp_path / "aside")
    original = Database.read
    looks = 0

    async def read(self: Database, query: object) -> object:
        nonlocal looks
        looks += 1
        if looks == 2:
            aside.rename(file)
        return await original(self, query)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "read", read)
        assert await store.read(blob_id, 10, 10) == LARGE[10:20]
    assert looks == 2


async def test_a_window_must_make_sense(store: Blobs) -> None:
    with pytest.raises(ValueError, match="window"):
        await store.read(1, -1)
