"""Offload: messages come back byte for byte, whatever their attachments look like and wherever it is interrupted."""

from __future__ import annotations

import base64
import contextlib
import json
import random
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from node.base.address import Address
from node.base.errors import Permanent, Temporary
from node.ipfs.blockstore import BlockCorrupt, BlockMissing, Blocks, LocalBlocks
from node.ipfs.cid import Cid, Codec
from node.ipfs.offload import RETRY_SECONDS, Offload
from node.ipfs.seal import Keys, SealError
from node.ipfs.unixfs import Block, blocks_of
from node.store import accounts, blobs, changes, held, mailboxes, messages, parts
from node.store.blobs import Blobs, Form
from node.store.database import Database
from node.store.held import Held
from node.store.messages import Summary
from node.store.parts import Candidate
from node.store.schema import message as message_table
from node.store.statement import Statement, chosen
from node.store.transaction import Writing

pytestmark = pytest.mark.anyio

TINY = 64  # octets: the threshold of most tests
EMPTY = Summary(b"", b"", b"", b"")


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """Waits that nobody cuts short are skipped, once nothing has happened for a moment (threads work unseen)."""
    return "trio", {"clock": trio.testing.MockClock(autojump_threshold=0.5)}


@dataclass
class House:
    """A store with one mailbox, and an offload beside it."""

    database: Database
    directory: Path
    account_id: int
    inbox: int
    blocks: Blocks
    keys: Keys
    offload: Offload = field(init=False)
    blobs: Blobs = field(init=False)

    def __post_init__(self) -> None:
        self.offload = Offload(self.database, self.blocks, self.keys, TINY)
        self.blobs = Blobs(self.database, self.directory, self.offload.parts)

    async def deliver(self, message: bytes) -> Candidate:
        prepared = await blobs.prepare(self.database, message)

        def work(tx: Writing) -> int:
            blob_id = blobs.add(tx, prepared)
            messages.add(tx, self.inbox, blob_id, len(message), EMPTY, internaldate=0)
            return blob_id

        return Candidate(await self.database.write(work), self.account_id)

    async def form(self, candidate: Candidate) -> Form:
        about = await self.database.read(partial(blobs.about, blob_id=candidate.blob_id))
        assert about is not None
        return about[2]

    async def parts_of(self, candidate: Candidate) -> list[tuple[str, Cid, int]]:
        about = await self.database.read(partial(blobs.about, blob_id=candidate.blob_id))
        assert about is not None
        return await self.offload.of_message(about[0])

    async def reference_of(self, candidate: Candidate) -> bytes:
        about = await self.database.read(partial(blobs.about, blob_id=candidate.blob_id))
        assert about is not None
        (part,) = await self.database.read(partial(parts.of_message, sha256=about[0]))
        return part.reference

    async def block_ids(self) -> set[Cid]:
        return {cid async for cid in self.blocks.ids()}

    async def needed(self) -> set[Cid]:
        """The blocks that parts need."""
        roots = await self.database.read(parts.roots)
        return {cid for root in roots async for cid in blocks_of(self.blocks.get, Cid.from_bytes(root))}

    async def expunge_all(self) -> None:
        await self.database.write(lambda tx: messages.remove(tx, self.inbox, list(messages.uids(tx, self.inbox))))


async def furnish(database: Database, directory: Path) -> House:
    def work(tx: Writing) -> tuple[int, int]:
        account = accounts.add(tx, Address("ann", "waxseal.test"))
        inbox = mailboxes.find(tx, account.id, "INBOX")
        assert inbox is not None
        return account.id, inbox.id

    account_id, inbox = await database.write(work)
    return House(database, directory, account_id, inbox, LocalBlocks(directory / "blocks"), Keys(bytes(32)))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with Database.open(tmp_path / "waxseal.db") as database:
        yield await furnish(database, tmp_path)


def lines(content: bytes, width: int = 76, end: bytes = b"\r\n") -> bytes:
    text = base64.b64encode(content)
    return end.join(text[at : at + width] for at in range(0, len(text), width))


def attachment(body: bytes, name: str = "file.bin", end: bytes = b"\r\n") -> bytes:
    head = b"Content-Type: application/octet-stream@Content-Transfer-Encoding: base64@"
    head += b'Content-Disposition: attachment; filename="%s"@@' % name.encode()
    return head.replace(b"@", end) + body


def multipart(bodies: Iterable[bytes], end: bytes = b"\r\n", ending: bytes = b"--") -> bytes:
    text = b"From: a@b.example@Subject: x@MIME-Version: 1.0@Content-Type: multipart/mixed; boundary=cut@@"
    text += b"--cut@Content-Type: text/plain@@Hello.@"
    text = text.replace(b"@", end).replace(b"a" + end + b"b.example", b"a@b.example")
    return text + b"".join(b"--cut" + end + body + end for body in bodies) + b"--cut" + ending + end


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


# --- byte for byte ----------------------------------------------------------------------------------------------------


@st.composite
def bodies(draw: st.DrawFn, end: bytes) -> bytes:
    """A base64 body as senders write it, some of them broken in ways that must stay as they are."""
    content = draw(st.binary(max_size=40)) * draw(st.integers(1, 30))
    width = draw(st.sampled_from([4, 60, 64, 72, 75, 76, 77, 1000]))
    text = bytearray(lines(content, width, end))
    for _ in range(draw(st.integers(0, 1))):
        at = draw(st.integers(0, len(text)))
        text[at:at] = draw(st.sampled_from([b" ", b"=", b"\r\n", b"\n", b"A", b"*", b"-", b"AB=="]))
    return bytes(text) + end * draw(st.integers(0, 3))


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=120)
async def test_any_message_comes_back_whole_and_in_windows(house: House, data: st.DataObject) -> None:
    end = data.draw(st.sampled_from([b"\r\n", b"\n"]))
    many = data.draw(st.lists(bodies(end), max_size=4))
    message = multipart((attachment(body, end=end) for body in many), end, data.draw(st.sampled_from([b"--", b""])))
    stored = await house.deliver(message)
    moved = await house.offload.cut(stored)
    assert len(await house.parts_of(stored)) == moved or not moved  # the same message may have come before
    assert await house.blobs.read(stored.blob_id) == message
    for _ in range(5):
        start = data.draw(st.integers(0, len(message)))
        length = data.draw(st.integers(0, len(message)))
        assert await house.blobs.read(stored.blob_id, start, length) == message[start : start + length]
    assert b"".join([piece async for piece in house.blobs.stream(stored.blob_id, chunk=97)]) == message


async def test_large_attachments_leave_and_windows_touch_only_their_leaves(house: House) -> None:
    contents = [noise(1_500_000, 1), noise(700_001, 2), noise(TINY - 1, 3)]
    message = multipart(attachment(lines(content), f"{len(content)}.bin") for content in contents)
    stored = await house.deliver(message)
    assert await house.offload.cut(stored) == 2
    assert await house.form(stored) is Form.PIECES
    assert [(name, size) for name, _, size in await house.parts_of(stored)] == [
        ("1500000.bin", 1_500_000),
        ("700001.bin", 700_001),
    ]
    assert await house.blobs.read(stored.blob_id) == message
    counting = Counting(house.blocks)
    fresh = Blobs(house.database, house.directory, Offload(house.database, counting, house.keys).parts)
    for at in (1_000_000, 1_000_400):
        assert await fresh.read(stored.blob_id, at, 300) == message[at : at + 300]
    assert [cid.codec for cid in counting.got] == [Codec.DAG_PB, Codec.RAW]
    assert await house.offload.cut(stored) == 0


async def test_the_database_and_files_shrink(house: House) -> None:
    message = multipart([attachment(lines(noise(3_000_000)))])
    stored = await house.deliver(message)
    before = sum(path.stat().st_size for path in (house.directory / "blobs").rglob("*") if path.is_file())
    await house.offload.cut(stored)
    await house.database.write(lambda _tx: None)  # files go behind the commit, before the next one
    after = sum(path.stat().st_size for path in (house.directory / "blobs").rglob("*") if path.is_file())
    assert before > 2_000_000
    assert after == 0


@pytest.mark.parametrize(
    "body",
    [
        lines(noise(5000)).replace(b"\r\n", b" \r\n", 1),
        lines(noise(5000)) + b"\r\n" + lines(noise(50)),  # padding in the middle
        lines(noise(2000), 76) + b"\r\n" + lines(noise(2000), 64),
        lines(noise(4999))[:-4] + b"ab==",  # bits set that decoding drops
        lines(noise(5000)).replace(b"\r\n", b"\n", 3),
        b"=" + lines(noise(5000)),
    ],
    ids=["space", "padding", "widths", "loose bits", "line ends", "garbage"],
)
async def test_what_would_encode_differently_leaves_as_it_stands(house: House, body: bytes) -> None:
    message = multipart([attachment(body)])
    stored = await house.deliver(message)
    assert await house.offload.cut(stored) == 1
    ((_, _, size),) = await house.parts_of(stored)
    assert abs(size - len(body)) <= 2
    assert await house.blobs.read(stored.blob_id) == message
    for start in (0, 100, 150, 1000, len(message) - 100):
        assert await house.blobs.read(stored.blob_id, start, 777) == message[start : start + 777]


async def test_what_is_neither_base64_nor_text_leaves_as_it_stands(house: House) -> None:
    line = b"=00=01=02=FF binary in quoted-printable=\r\n"
    odd = attachment(line * 100).replace(b"base64", b"quoted-printable")
    text = (
        attachment(line * 100, "long.txt")
        .replace(b"base64", b"8bit")
        .replace(b"application/octet-stream", b"text/plain")
    )
    message = multipart([odd, text])
    stored = await house.deliver(message)
    assert await house.offload.cut(stored) == 1
    assert [(name, size) for name, _, size in await house.parts_of(stored)] == [("file.bin", len(line) * 100)]
    assert await house.blobs.read(stored.blob_id) == message


# --- mail kept back ---------------------------------------------------------------------------------------------------


async def test_what_is_kept_back_for_an_administrator_is_cut_too(house: House) -> None:
    message = multipart([attachment(lines(noise(9000)))])
    prepared = await blobs.prepare(house.database, message)
    kept = Held(0, 0, len(message), "", "", "", "", "", 0, 1 << 40, {house.account_id: "ann@waxseal.test"})

    def work(tx: Writing) -> int:
        blob_id = blobs.add(tx, prepared)
        held.add(tx, replace(kept, blob_id=blob_id), EMPTY)
        return blob_id

    stored = Candidate(await house.database.write(work), house.account_id)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.offload.run)
        await trio.sleep(2)
        nursery.cancel_scope.cancel()
    assert await house.blobs.read(stored.blob_id) == message


# --- archives ---------------------------------------------------------------------------------------------------------

LONG_AGO = 1_000_000_000


async def age(house: House, *stored: Candidate) -> None:
    ids = json.dumps([one.blob_id for one in stored])
    outdate = Statement(update(message_table).where(message_table.c.blob_id.in_(chosen("ids"))).values(saved=LONG_AGO))
    await house.database.write(lambda tx: tx.execute(outdate, ids=ids) and None)


async def test_old_messages_leave_the_database_whole_and_come_back(house: House) -> None:
    short = b"Subject: short\r\n\r\nHello.\r\n"
    long = b"Subject: long\r\n\r\n" + b"A line of text.\r\n" * 100_000
    mixed = multipart([attachment(lines(noise(300_000))), attachment(b"not base64!\r\n" * 90), b"\r\nshort\r\n"])
    old = [await house.deliver(each) for each in (short, long, mixed)]
    young = await house.deliver(short + b"and new\r\n")
    assert await house.offload.cut(old[2]) == 2
    await age(house, *old)
    assert await house.offload.archive(LONG_AGO + 1) == 3
    assert [await house.form(one) for one in (*old, young)] == [Form.ARCHIVE] * 3 + [Form.INLINE]
    assert [size for _, _, size in await house.parts_of(old[2])] == [300_000, 13 * 90]
    random_windows = random.Random(4)
    for one, message in zip(old, (short, long, mixed), strict=True):
        assert await house.blobs.read(one.blob_id) == message
        assert b"".join([piece async for piece in house.blobs.stream(one.blob_id, chunk=4001)]) == message
        for _ in range(20):
            start, length = random_windows.randrange(len(message)), random_windows.randrange(5000)
            assert await house.blobs.read(one.blob_id, start, length) == message[start : start + length]
    assert await house.offload.archive(LONG_AGO + 1) == 0
    assert await house.offload.cut(old[1]) == 0


async def test_a_window_of_an_archived_message_touches_only_its_leaves(house: House) -> None:
    message = b"Subject: long\r\n\r\n" + noise(2_000_000)
    stored = await house.deliver(message)
    await age(house, stored)
    assert await house.offload.archive(LONG_AGO + 1) == 1
    counting = Counting(house.blocks)
    fresh = Blobs(house.database, house.directory, Offload(house.database, counting, house.keys).parts)
    assert await fresh.read(stored.blob_id, 1_000_000, 300) == message[1_000_000:1_000_300]
    assert [cid.codec for cid in counting.got] == [Codec.DAG_PB, Codec.RAW]


async def test_a_message_that_was_copied_lately_is_not_old(house: House) -> None:
    message = b"Subject: x\r\n\r\nHello.\r\n"
    stored = await house.deliver(message)
    await age(house, stored)
    await house.deliver(message)
    assert await house.offload.archive(LONG_AGO + 1) == 0
    assert await house.form(stored) is Form.INLINE


async def test_archives_are_made_while_the_node_runs_when_it_is_told_to(house: House) -> None:
    stored = await house.deliver(b"Subject: x\r\n\r\nHello.\r\n")
    await age(house, stored)
    for days, form in ((0, Form.INLINE), (30, Form.ARCHIVE)):
        offload = Offload(house.database, house.blocks, house.keys, TINY, days)
        with trio.move_on_after(3):
            await offload.run()
        assert await house.form(stored) is form


async def test_deleting_an_archived_message_shreds_its_key_and_its_blocks(house: House) -> None:
    stored = await house.deliver(multipart([attachment(lines(noise(300_000)))]))
    await house.offload.cut(stored)
    await age(house, stored)
    await house.offload.archive(LONG_AGO + 1)
    await house.expunge_all()
    await house.blobs.collect()
    assert await house.offload.sweep() == 2
    assert await house.block_ids() == set()
    assert await house.database.read(parts.loose) == []


async def test_blocks_hold_nothing_readable(house: House) -> None:
    secret = b"a very recognisable line of text\n" * 5000
    await house.offload.cut(await house.deliver(multipart([attachment(lines(secret))])))
    for cid in await house.block_ids():
        assert b"recognisable" not in await house.blocks.get(cid)


# --- the change feed --------------------------------------------------------------------------------------------------


async def test_added_messages_are_cut_as_they_come(house: House) -> None:
    before = await house.deliver(multipart([attachment(lines(noise(900)), "before.bin")]))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.offload.run)
        await house.offload.idle()
        assert [name for name, _, _ in await house.parts_of(before)] == ["before.bin"]
        after = await house.deliver(multipart([attachment(lines(noise(901)), "after.bin")]))
        small = await house.deliver(b"Subject: small\r\n\r\nHello.\r\n" * 10)
        await house.offload.idle()
        assert [name for name, _, _ in await house.parts_of(after)] == ["after.bin"]
        assert await house.form(small) is Form.INLINE
        nursery.cancel_scope.cancel()


async def test_it_starts_behind_its_cursor(house: House) -> None:
    await house.database.write(partial(changes.advance, name="offload", seq=1 << 40))
    stored = await house.deliver(multipart([attachment(lines(noise(900)))]))
    with trio.move_on_after(1):
        await house.offload.run()
    assert await house.form(stored) is Form.INLINE


async def test_a_failure_leaves_the_message_whole_and_is_tried_again(house: House) -> None:
    message = multipart([attachment(lines(noise(900)))])
    failing = Failing(house.blocks, puts=3)
    house.offload = Offload(house.database, failing, house.keys, TINY)
    stored = await house.deliver(message)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.offload.run)
        await house.offload.idle()
        assert await house.form(stored) is Form.INLINE
        assert await house.blobs.read(stored.blob_id) == message
        assert await house.block_ids() == set()
        await trio.sleep(sum(RETRY_SECONDS[:3]) + 5)
        assert await house.form(stored) is Form.PIECES
        nursery.cancel_scope.cancel()
    assert failing.puts == 0
    assert await house.blobs.read(stored.blob_id) == message


async def test_what_does_not_read_back_is_not_kept(house: House) -> None:
    message = multipart([attachment(lines(noise(900)))])
    stored = await house.deliver(message)
    with pytest.raises(BlockMissing):
        await Offload(house.database, Forgetful(house.blocks), house.keys, TINY).cut(stored)
    assert await house.form(stored) is Form.INLINE
    assert await house.block_ids() == set()
    assert await house.database.read(parts.loose) == []


# --- reading what is damaged ------------------------------------------------------------------------------------------


async def test_a_damaged_block_is_an_error_and_never_wrong_bytes(house: House) -> None:
    message = multipart([attachment(lines(noise(600_000)))])
    stored = await house.deliver(message)
    await house.offload.cut(stored)
    leaf = next(cid for cid in await house.needed() if cid.codec is Codec.RAW)
    path = next((house.directory / "blocks").rglob(str(leaf)))
    good = path.read_bytes()
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(BlockCorrupt):
        await house.blobs.read(stored.blob_id)
    assert await house.blobs.read(stored.blob_id, 0, 100) == message[:100]
    path.unlink()
    with pytest.raises(BlockMissing):
        await house.blobs.read(stored.blob_id)
    await house.blocks.put([Block(leaf, good)])
    assert await house.blobs.read(stored.blob_id) == message


async def test_another_nodes_key_opens_nothing(house: House) -> None:
    stored = await house.deliver(multipart([attachment(lines(noise(900)))]))
    await house.offload.cut(stored)
    other = Offload(house.database, house.blocks, Keys(b"x" * 32))
    with pytest.raises(SealError):
        await Blobs(house.database, house.directory, other.parts).read(stored.blob_id)


async def test_reading_beyond_a_part_or_an_unknown_one_is_refused(house: House) -> None:
    stored = await house.deliver(multipart([attachment(lines(noise(900)))]))
    await house.offload.cut(stored)
    reference = await house.reference_of(stored)
    assert await house.offload.parts.read(reference, 900, 0) == b""
    for start, length in ((0, 901), (901, 0), (-1, 5)):
        with pytest.raises(Permanent):
            await house.offload.parts.read(reference, start, length)
    with pytest.raises(Permanent):
        await house.offload.parts.read(bytes(16), 0, 1)


# --- deletion ---------------------------------------------------------------------------------------------------------


async def test_deleting_a_message_shreds_its_keys_at_once_and_its_blocks_soon(house: House) -> None:
    gone = await house.deliver(multipart([attachment(lines(noise(600_000, 1)))]))
    await house.offload.cut(gone)
    reference = await house.reference_of(gone)
    await house.expunge_all()
    kept = await house.deliver(multipart([attachment(lines(noise(600_000, 2)))]))
    await house.offload.cut(kept)
    assert await house.offload.sweep() == 0
    await house.blobs.collect()
    assert await house.database.read(partial(parts.get, reference=reference)) is None
    with pytest.raises(Permanent):
        await house.offload.parts.read(reference, 0, 1)
    assert await house.offload.sweep() == 1
    assert await house.database.read(parts.loose) == []
    assert await house.block_ids() == await house.needed()
    assert await house.offload.collect_garbage() == 0


async def test_a_message_two_mailboxes_hold_stays_until_both_let_go(house: House) -> None:
    message = multipart([attachment(lines(noise(900)))])
    stored = await house.deliver(message)
    assert (await house.deliver(message)).blob_id == stored.blob_id
    await house.offload.cut(stored)
    first = (await house.database.read(partial(messages.uids, mailbox_id=house.inbox)))[0]
    await house.database.write(lambda tx: messages.remove(tx, house.inbox, [first]))
    await house.blobs.collect()
    assert await house.offload.sweep() == 0
    assert await house.blobs.read(stored.blob_id) == message


async def test_garbage_is_not_collected_while_a_tree_cannot_be_read(house: House) -> None:
    await house.offload.cut(await house.deliver(multipart([attachment(lines(noise(600_000)))])))
    root = Cid.from_bytes((await house.database.read(parts.roots))[0])
    await house.blocks.delete([root])
    left = await house.block_ids()
    with pytest.raises(BlockMissing):
        await house.offload.collect_garbage()
    assert await house.block_ids() == left


# --- crashes: from one step on nothing works any more ---------------------------------------------------------------


class Crash(BaseException):
    """The process ends here."""


class Countdown:
    """Counts steps; from the last one on every step is a crash."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self) -> None:
        if self.left <= 0:
            raise Crash
        self.left -= 1


class DyingBlocks:
    """A block store that is killed between two blocks."""

    def __init__(self, blocks: Blocks, countdown: Countdown) -> None:
        self._blocks, self._countdown = blocks, countdown

    async def put(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            self._countdown.step()
            await self._blocks.put([block])

    async def get(self, cid: Cid) -> bytes:
        self._countdown.step()
        return await self._blocks.get(cid)

    async def has(self, cid: Cid) -> bool:
        return await self._blocks.has(cid)

    async def delete(self, cids: Iterable[Cid]) -> int:
        for cid in cids:
            self._countdown.step()
            await self._blocks.delete([cid])
        return 0

    def ids(self) -> AsyncIterator[Cid]:
        return self._blocks.ids()


class DyingDatabase:
    """A database whose process is killed before or after a commit."""

    def __init__(self, database: Database, countdown: Countdown) -> None:
        self._database, self._countdown = database, countdown
        self.path, self.read = database.path, database.read

    async def write(self, work: Callable[[Writing], Any]) -> Any:
        self._countdown.step()
        result = await self._database.write(work)
        self._countdown.step()
        return result


def dying(house: House, steps: int) -> tuple[Offload, Countdown]:
    countdown = Countdown(steps)
    database = cast("Database", DyingDatabase(house.database, countdown))
    return Offload(database, DyingBlocks(house.blocks, countdown), house.keys, TINY), countdown


async def test_a_crash_at_any_step_of_cutting_leaves_the_message_and_garbage_that_is_found(house: House) -> None:
    for steps in range(100):
        message = multipart(attachment(lines(noise(300_000, steps + n))) for n in (0, 1000))
        stored = await house.deliver(message)
        offload, countdown = dying(house, steps)
        try:
            await offload.cut(stored)
        except Crash:
            countdown.left = 0
        assert await house.blobs.read(stored.blob_id) == message
        await house.offload.collect_garbage()
        assert await house.block_ids() == await house.needed()
        assert [part for part in await house.database.read(parts.loose) if not part.cid] == []
        if countdown.left:
            assert await house.form(stored) is Form.PIECES
            break
        await house.offload.cut(stored)
        assert await house.blobs.read(stored.blob_id) == message
    else:
        pytest.fail("it never came to an end")
    assert steps > 15


async def test_a_crash_at_any_step_of_archiving_leaves_the_message_and_garbage_that_is_found(house: House) -> None:
    for steps in range(100):
        message = multipart(attachment(lines(noise(300_000, steps + n))) for n in (0, 1000))
        stored = await house.deliver(message)
        await house.offload.cut(stored)
        await age(house, stored)
        offload, countdown = dying(house, steps)
        with contextlib.suppress(Crash):
            await offload.archive(LONG_AGO + 1)
        assert await house.blobs.read(stored.blob_id) == message
        await house.offload.collect_garbage()
        assert await house.block_ids() == await house.needed()
        if await house.form(stored) is Form.ARCHIVE and countdown.left:
            break
        await house.expunge_all()
        await house.blobs.collect()
        await house.offload.sweep()
    else:
        pytest.fail("it never came to an end")
    assert steps > 5


async def test_a_crash_at_any_step_of_deleting_leaves_garbage_that_is_found(house: House) -> None:
    for steps in range(100):
        stored = await house.deliver(multipart(attachment(lines(noise(600_000, steps + n))) for n in (0, 1000)))
        await house.offload.cut(stored)
        await house.expunge_all()
        await house.blobs.collect()
        offload, countdown = dying(house, steps)
        try:
            await offload.sweep()
        except Crash:
            countdown.left = 0
        await house.offload.sweep()
        assert await house.block_ids() == set()
        assert await house.database.read(parts.loose) == []
        if countdown.left:
            break
    else:
        pytest.fail("it never came to an end")
    assert steps > 8


async def test_the_next_start_clears_up_after_a_crash(house: House) -> None:
    stored = await house.deliver(multipart([attachment(lines(noise(600_000)))]))
    offload, _ = dying(house, 4)
    with pytest.raises(Crash):
        await offload.cut(stored)
    left = await house.block_ids()
    assert left
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.offload.run)
        await house.offload.idle()
        nursery.cancel_scope.cancel()
    assert await house.form(stored) is Form.PIECES
    assert not left & await house.block_ids()


# --- block stores that fail in one way --------------------------------------------------------------------------------


class Passing:
    """Passes everything on to another store."""

    def __init__(self, blocks: Blocks) -> None:
        self.blocks = blocks

    async def put(self, blocks: Sequence[Block]) -> None:
        await self.blocks.put(blocks)

    async def get(self, cid: Cid) -> bytes:
        return await self.blocks.get(cid)

    async def has(self, cid: Cid) -> bool:
        return await self.blocks.has(cid)

    async def delete(self, cids: Iterable[Cid]) -> int:
        return await self.blocks.delete(cids)

    def ids(self) -> AsyncIterator[Cid]:
        return self.blocks.ids()


class Counting(Passing):
    """Remembers what was asked for."""

    def __init__(self, blocks: Blocks) -> None:
        super().__init__(blocks)
        self.got: list[Cid] = []

    async def get(self, cid: Cid) -> bytes:
        self.got.append(cid)
        return await super().get(cid)


class Failing(Passing):
    """Refuses a number of puts, as a full disk does."""

    def __init__(self, blocks: Blocks, puts: int) -> None:
        super().__init__(blocks)
        self.puts = puts

    async def put(self, blocks: Sequence[Block]) -> None:
        if self.puts:
            self.puts -= 1
            raise Temporary("disk full")
        await super().put(blocks)


class Forgetful(Passing):
    """Loses what it has acknowledged."""

    async def put(self, blocks: Sequence[Block]) -> None:
        await super().put(blocks)
        await self.blocks.delete([block.cid for block in blocks])
