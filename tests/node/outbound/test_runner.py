"""The spool is worked off, and an entry leaves it only with its end on disk. Real store; the network is a function."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import trio

from node.base.address import Address
from node.base.errors import Temporary
from node.base.reply import Reply
from node.mail.part import parse
from node.outbound.bounce import Bouncer
from node.outbound.outcome import Deferred, Delivered, Outcome, Refused
from node.outbound.runner import Limits, Runner
from node.outbound.schedule import EXPIRY_SECONDS
from node.store import accounts, mailboxes, messages, spool
from node.store.blobs import Blobs, add, prepare
from node.store.database import Database, Writing
from node.store.messages import Summary
from node.store.spool import Entry

pytestmark = pytest.mark.anyio

MESSAGE = b"Return-Path: <ann@example.org>\r\nSubject: hello\r\nX-Secret: kept\r\n\r\nnot to go back\r\n"
YES = Delivered("mx.example.net", Reply(250, "2.0.0", "ok"))
LATER = Deferred("mx.example.net", Reply(451, "4.7.1", "try later"))
NEVER = Refused("mx.example.net", Reply(550, "5.1.1", "no such user"))


@dataclass
class Bench:
    """A node's store with ann@example.org in it, a clock to turn by hand, and a network that answers from a table."""

    database: Database
    blobs: Blobs
    now: float = 1_700_000_000.0
    answers: dict[str, list[Outcome | BaseException]] = field(default_factory=dict)
    carried: list[str] = field(default_factory=list)
    bounces_fail: int = 0
    hold: Callable[[Entry], Awaitable[None]] | None = None

    async def carry(self, entry: Entry) -> Outcome:
        self.carried.append(entry.recipient)
        if self.hold:
            await self.hold(entry)
        answer = self.answers.get(entry.recipient, [YES])
        outcome = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def prepare(self, reader: Address, message: bytes) -> Callable[[Writing], object]:
        prepared = await prepare(self.database, message)

        def work(tx: Writing) -> None:
            if self.bounces_fail:
                self.bounces_fail -= 1
                raise Temporary("the disk is full")
            account = accounts.find(tx, reader)
            if account is None:
                raise Temporary("nobody there")
            inbox = mailboxes.find(tx, account.id, "INBOX")
            assert inbox is not None
            summary = Summary(b"", b"", b"", b"")
            messages.add(tx, inbox.id, add(tx, prepared), prepared.size, summary, internaldate=int(self.now))

        return work

    async def spool(self, *recipients: str, sender: str = "ann@example.org") -> None:
        prepared = await prepare(self.database, MESSAGE)

        def work(tx: Writing) -> None:
            blob = add(tx, prepared)
            for recipient in recipients:
                now = int(self.now)
                spool.add(tx, blob, sender, recipient, next_attempt=now, expires=now + EXPIRY_SECONDS)

        await self.database.write(work)

    def runner(self, **limits: int) -> Runner:
        bouncer = Bouncer("mail.example.org", self.blobs, self.prepare, lambda: self.now)
        return Runner(self.database, self.carry, bouncer, lambda: self.now, lambda: 0.5, Limits(**limits))

    async def entries(self) -> list[Entry]:
        return await self.database.read(lambda tx: spool.due(tx, 1 << 60, 10_000))

    async def until(self, holds: Callable[[list[Entry]], bool]) -> list[Entry]:
        """Wait until the spool is as described; each look is a turn of the database's thread."""
        with trio.fail_after(5):
            while not holds(entries := await self.entries()):
                pass
        return entries

    async def inbox(self) -> list[bytes]:
        def query(tx: Any) -> list[int]:
            account = accounts.find(tx, Address("ann", "example.org"))
            assert account is not None
            box = mailboxes.find(tx, account.id, "INBOX")
            assert box is not None
            return [row.blob_id for row in messages.rows(tx, box.id, messages.uids(tx, box.id))]

        return [await self.blobs.read(blob) for blob in await self.database.read(query)]


@pytest.fixture
async def bench(database: Database, blobs: Blobs) -> Bench:
    await database.write(partial(accounts.add, address=Address("ann", "example.org")))
    return Bench(database, blobs)


@asynccontextmanager
async def running(runner: Runner) -> Any:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(runner.run)
        yield
        nursery.cancel_scope.cancel()


async def test_mail_is_carried_and_leaves_the_spool(bench: Bench) -> None:
    await bench.spool("a@example.net", "b@example.net")
    async with running(bench.runner()):
        await bench.until(lambda entries: not entries)
    assert sorted(bench.carried) == ["a@example.net", "b@example.net"]
    assert await bench.inbox() == []


async def test_new_mail_wakes_the_runner(bench: Bench) -> None:
    runner = bench.runner()
    async with running(runner):
        await trio.testing.wait_all_tasks_blocked(0.01)
        await bench.spool("a@example.net")
        runner.wake()
        with trio.fail_after(1):
            await bench.until(lambda entries: not entries)


async def test_a_delay_waits_its_time(bench: Bench) -> None:
    bench.answers["a@example.net"] = [LATER, LATER, YES]
    await bench.spool("a@example.net")
    runner = bench.runner()
    async with running(runner):
        (entry,) = await bench.until(lambda entries: entries[0].attempts == 1)
        assert (entry.next_attempt, entry.last_reply) == (int(bench.now) + 300, "451 4.7.1 try later")
        runner.wake()
        bench.now += 299
        await bench.until(lambda entries: entries[0].attempts == 1)
        assert len(bench.carried) == 1
        bench.now += 1
        runner.wake()
        (entry,) = await bench.until(lambda entries: entries[0].attempts == 2)
        assert entry.next_attempt == int(bench.now) + 900
        bench.now += 900
        runner.wake()
        await bench.until(lambda entries: not entries)


async def test_a_refusal_goes_back_to_the_sender_with_the_header_alone(bench: Bench) -> None:
    bench.answers["a@example.net"] = [NEVER]
    await bench.spool("a@example.net")
    async with running(bench.runner()):
        await bench.until(lambda entries: not entries)
    (notice,) = await bench.inbox()
    assert b"Status: 5.1.1\r\n" in notice
    assert b"mx.example.net said: 550 5.1.1 no such user" in notice
    assert b"X-Secret: kept" in notice
    assert b"not to go back" not in notice
    assert [part.content_type[1] for part in parse(notice).children] == ["plain", "delivery-status", "rfc822-headers"]


async def test_mail_that_waited_too_long_goes_back(bench: Bench) -> None:
    bench.answers["a@example.net"] = [LATER]
    await bench.spool("a@example.net")
    bench.now += EXPIRY_SECONDS
    async with running(bench.runner()):
        await bench.until(lambda entries: not entries)
    (notice,) = await bench.inbox()
    assert b"Status: 4.4.7\r\n" in notice
    assert b"given up after 1 attempts" in notice
    assert bench.carried == ["a@example.net"]  # a last attempt was made


async def test_a_notification_is_never_bounced(bench: Bench) -> None:
    bench.answers["a@example.net"] = [NEVER]
    await bench.spool("a@example.net", sender="")
    async with running(bench.runner()):
        await bench.until(lambda entries: not entries)
    assert await bench.inbox() == []


async def test_an_entry_stays_until_its_notification_is_stored(bench: Bench) -> None:
    bench.answers["a@example.net"] = [NEVER]
    bench.bounces_fail = 1
    await bench.spool("a@example.net")
    runner = bench.runner()
    async with running(runner):
        await bench.until(lambda entries: entries[0].attempts == 1)
        assert await bench.inbox() == []
        bench.now += 300
        runner.wake()
        await bench.until(lambda entries: not entries)
    assert len(await bench.inbox()) == 1


async def test_a_notification_nobody_can_take_is_given_up_in_the_end(bench: Bench) -> None:
    bench.answers["a@example.net"] = [NEVER]
    await bench.spool("a@example.net", sender="gone@example.org")
    runner = bench.runner()
    async with running(runner):
        await bench.until(lambda entries: entries[0].attempts == 1)
        bench.now += EXPIRY_SECONDS + 24 * 3600
        runner.wake()
        await bench.until(lambda entries: not entries)


@pytest.mark.parametrize("fault", [Temporary("no name server"), ValueError("a bug"), trio.TooSlowError()])
async def test_faults_delay_one_message_and_harm_no_other(bench: Bench, fault: Exception) -> None:
    bench.answers["a@example.net"] = [fault, YES]
    await bench.spool("a@example.net", "b@example.net")
    runner = bench.runner()
    async with running(runner):
        (entry,) = await bench.until(lambda entries: len(entries) == 1 and entries[0].attempts == 1)
        assert entry.recipient == "a@example.net"
        bench.now += 300
        runner.wake()
        await bench.until(lambda entries: not entries)


async def test_a_slow_destination_holds_up_itself_alone(bench: Bench) -> None:
    release = trio.Event()

    async def hold(entry: Entry) -> None:
        if entry.recipient.endswith("@slow.example"):
            await release.wait()

    bench.hold = hold
    await bench.spool(*(f"{number}@slow.example" for number in range(1500)))  # more than one window
    await bench.spool("a@example.net")
    async with running(bench.runner(per_destination=3)):
        await bench.until(lambda entries: len(entries) == 1500)
        assert sum(each.endswith("@slow.example") for each in bench.carried) == 3
        release.set()
        bench.hold = None
        await bench.until(lambda entries: len(entries) < 1490)


async def test_only_so_many_are_carried_at_a_time(bench: Bench) -> None:
    under_way = most = 0
    full = trio.Event()

    async def hold(_entry: Entry) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 4:
            full.set()
        await full.wait()
        under_way -= 1

    bench.hold = hold
    await bench.spool(*(f"a@{number}.example" for number in range(20)))
    async with running(bench.runner(total=4)):
        await bench.until(lambda entries: not entries)
    assert most == 4


async def test_a_stop_in_the_middle_keeps_the_entry(bench: Bench) -> None:
    started = trio.Event()

    async def hold(_entry: Entry) -> None:
        started.set()
        await trio.sleep_forever()

    bench.hold = hold
    await bench.spool("a@example.net")
    async with running(bench.runner()):
        await started.wait()
    assert [entry.attempts for entry in await bench.entries()] == [0]


async def test_a_stop_right_behind_the_250_still_records_it(bench: Bench) -> None:
    await bench.spool("a@example.net")
    async with trio.open_nursery() as nursery:

        async def hold(_entry: Entry) -> None:
            nursery.cancel_scope.cancel()  # the node goes down while the peer's answer is being read

        bench.hold = hold
        nursery.start_soon(bench.runner().run)
    assert await bench.entries() == []
