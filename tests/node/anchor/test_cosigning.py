"""Asking witnesses: what good ones say is kept and published; slow, dead, lying and confused ones hold up nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog.testing
import trio
from sqlalchemy import delete

from node.anchor import add_checkpoint, checkpoint, cosigning, published
from node.anchor.checkpoint import Checkpoint
from node.anchor.cosignature import CosignatureSigner, cosignatures
from node.anchor.cosigning import AskedWitness, Cosigning
from node.anchor.log import Log
from node.anchor.note import NoteSigner
from node.anchor.published import Quorum
from node.anchor.witness import Witness
from node.store import leaves, witnesses
from node.store.database import Database
from node.store.schema_witness import cosignature as cosignature_table
from node.store.statement import Statement
from node.store.transaction import Reading

pytestmark = pytest.mark.anyio

NOW = 1_763_676_000
SIGNER = NoteSigner("waxseal.test/log", b"\x07" * 32)
ONE, TWO = CosignatureSigner("one.test/w", b"\x01" * 32), CosignatureSigner("two.test/w", b"\x02" * 32)
FORGET = Statement(delete(cosignature_table))
Grow = Callable[[int], Awaitable[list[bytes]]]
Reply = Callable[[bytes], Awaitable[bytes]]


def http(status: str, body: bytes = b"", kind: str = "text/plain", more: str = "") -> bytes:
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{more}\r\n"
    )
    return head.encode() + body


class Site:
    """A server that reads one request and says what `reply` makes of its body."""

    def __init__(self, signer: CosignatureSigner, reply: Reply) -> None:
        self.signer = signer
        self.reply = reply
        self.asked: list[bytes] = []
        self.url = ""

    async def handle(self, stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError, ValueError, IndexError):
            data = b""
            while b"\r\n\r\n" not in data:
                data += await stream.receive_some()
            head, _, body = data.partition(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            while len(body) < length:
                body += await stream.receive_some()
            self.asked.append(body)
            await stream.send_all(await self.reply(body))
            await stream.aclose()

    @property
    def witness(self) -> AskedWitness:
        return AskedWitness(self.url, self.signer.key)


async def sign(database: Database) -> Checkpoint:
    """What the keeper does."""

    def read(tx: Reading) -> Checkpoint:
        size = Log().size(tx)
        return Checkpoint(SIGNER.name, size, Log().root(tx, size))

    head = await database.read(read)
    note = checkpoint.sign(head, SIGNER).encode()
    await database.write(lambda tx: leaves.put_checkpoint(tx, head.size, note, NOW))
    return head


@asynccontextmanager
async def asking(database: Database, *sites: Site, quorum: int = 1) -> AsyncIterator[None]:
    """The witnesses' servers, and the task that asks them."""
    async with trio.open_nursery() as nursery:
        for site in sites:
            found = await nursery.start(partial(trio.serve_tcp, site.handle, 0, host="127.0.0.1"))
            site.url = f"http://127.0.0.1:{found[0].socket.getsockname()[1]}"
        asked = [site.witness for site in sites]
        counted = Quorum(frozenset(site.signer.name for site in sites), quorum, 10)
        nursery.start_soon(Cosigning(database, asked, counted, clock=lambda: NOW, look_seconds=0.01).run)
        yield
        nursery.cancel_scope.cancel()


async def until(wanted: Callable[[], Awaitable[bool]]) -> None:
    with trio.fail_after(30):
        while True:
            if await wanted():
                return
            await trio.sleep(0.01)


async def names(database: Database, head: Checkpoint) -> list[str]:
    return [line.witness for line in await database.read(lambda tx: witnesses.lines(tx, head.size, head.root))]


@pytest.fixture
async def theirs(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "theirs.sqlite") as opened:
        yield opened


def honest(signer: CosignatureSigner, database: Database) -> Site:
    """One of our own witnesses, over HTTP."""
    witness = Witness(database, signer, [SIGNER.key], clock=lambda: NOW)

    async def reply(body: bytes) -> bytes:
        answer = await witness.add_checkpoint(body)
        return http(f"{answer.status} X", answer.body.encode(), answer.kind)

    return Site(signer, reply)


async def test_every_new_checkpoint_is_cosigned_and_published(
    database: Database, theirs: Database, grow: Grow, tmp_path: Path
) -> None:
    async with Database.open(tmp_path / "second.sqlite") as second:
        async with asking(database, honest(ONE, theirs), honest(TWO, second), quorum=2):
            for count in (1, 3, 300):
                await grow(count)
                head = await sign(database)
                await until(lambda head=head: has(database, head, 2))  # type: ignore[misc]
        quorum = Quorum(frozenset({ONE.name, TWO.name}), 2, 10)
        text = (await database.read(lambda tx: published.newest(tx, quorum, NOW)) or b"").decode()
        assert checkpoint.verify(text, SIGNER.key) == head
        assert len(cosignatures(text, [ONE.key, TWO.key], now=NOW)) == 2


async def has(database: Database, head: Checkpoint, count: int) -> bool:
    return len(await names(database, head)) == count


async def test_after_a_restart_the_witness_is_asked_from_where_it_was(
    database: Database, theirs: Database, grow: Grow
) -> None:
    site = honest(ONE, theirs)
    for old in (0, 5):
        await grow(5)
        head = await sign(database)
        async with asking(database, site):
            await until(lambda head=head: has(database, head, 1))  # type: ignore[misc]
        assert add_checkpoint.read(site.asked[-1]).old == old
    assert len(site.asked) == 2


async def test_a_witness_that_knows_more_than_we_believe_is_asked_again(
    database: Database, theirs: Database, grow: Grow
) -> None:
    site = honest(ONE, theirs)
    await grow(5)
    first = await sign(database)
    async with asking(database, site):
        await until(lambda: has(database, first, 1))
    await database.write(lambda tx: tx.execute(FORGET))  # as after an old backup, or in a new database
    await grow(5)
    head = await sign(database)
    async with asking(database, site):
        await until(lambda: has(database, head, 1))
    assert [add_checkpoint.read(body).old for body in site.asked] == [0, 0, 5]


async def test_a_witness_that_saw_another_history_is_told_of_loudly(
    database: Database, theirs: Database, grow: Grow, tmp_path: Path, growing_of: Callable[[Database], Grow]
) -> None:
    """The same key and name, another database: what an old backup, or a thief, would sign."""
    async with Database.open(tmp_path / "twin.sqlite") as twin:
        await growing_of(twin)(7)
        await sign(twin)
        async with asking(twin, honest(ONE, theirs)):
            await until(lambda: known(theirs, 7))
    for count in (3, 4, 5):  # smaller, as large, larger
        await grow(count)
        head = await sign(database)
        site = honest(ONE, theirs)
        with structlog.testing.capture_logs() as logged:
            async with asking(database, site):
                await until(lambda logged=logged: said(logged, "witness.contradicts"))  # type: ignore[misc]
        assert await names(database, head) == []


async def known(theirs: Database, size: int) -> bool:
    found = await theirs.read(lambda tx: witnesses.witnessed(tx, SIGNER.name))
    return found is not None and found.size == size


async def said(logged: list[Any], event: str) -> bool:
    return any(entry["event"] == event for entry in logged)


def text_of(body: bytes) -> str:
    return add_checkpoint.read(body).text


def strange(answer: Callable[[bytes], bytes]) -> Reply:
    async def reply(body: bytes) -> bytes:
        return answer(body)

    return reply


EARLIER = Checkpoint(SIGNER.name, 4, bytes(32)).text
STRANGE: dict[str, Callable[[bytes], bytes]] = {
    "an error page": lambda _: http("200 OK", b"<html>Hello</html>", "text/html"),
    "nothing": lambda _: http("200 OK"),
    "no HTTP": lambda _: b"220 smtp.example ESMTP\r\n",
    "cut short": lambda _: http("200 OK", b"x" * 100)[:-50],
    "too much": lambda body: http("200 OK", ONE.cosign(text_of(body), NOW).encode() * 1000),
    "a redirect": lambda _: http("302 Found", more="Location: http://127.0.0.1:1/\r\n"),
    "another's line": lambda body: http("200 OK", TWO.cosign(text_of(body), NOW).encode()),
    "a replayed line": lambda _: http("200 OK", ONE.cosign(EARLIER, NOW).encode()),
    "a line of tomorrow": lambda body: http("200 OK", ONE.cosign(text_of(body), NOW + 86400).encode()),
    "a spoilt line": lambda body: http("200 OK", ONE.cosign(text_of(body), NOW).encode().replace(b"=", b"A")),
    "bytes": lambda _: http("200 OK", b"\xff\xfe\n"),
    "a conflict without a size": lambda _: http("409 Conflict", b"7\n"),
    "a conflict with no number": lambda _: http("409 Conflict", b"many\n", add_checkpoint.SIZE_TYPE),
    "a conflict with what we said": lambda _: http("409 Conflict", b"0\n", add_checkpoint.SIZE_TYPE),
    "a refusal": lambda _: http("403 Forbidden", b"go away\n"),
    "packed": lambda _: http("200 OK", b"x", more="Content-Encoding: gzip\r\n"),
}


@pytest.mark.parametrize("what", STRANGE)
async def test_strange_answers_are_not_kept_and_others_are(
    database: Database, theirs: Database, grow: Grow, what: str
) -> None:
    await grow(5)
    head = await sign(database)
    bad = Site(ONE, strange(STRANGE[what]))
    with structlog.testing.capture_logs() as logged:
        async with asking(database, bad, honest(TWO, theirs)):
            await until(lambda: has(database, head, 1))
            await until(lambda: said(logged, "witness.silent"))
    assert await names(database, head) == [TWO.name]
    assert not [entry for entry in logged if entry["log_level"] == "error"]


async def test_a_silent_witness_holds_up_nobody(
    database: Database, theirs: Database, grow: Grow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cosigning, "ANSWER_SECONDS", 0.2)

    async def reply(_: bytes) -> bytes:
        await trio.sleep_forever()
        return b""

    await grow(5)
    head = await sign(database)
    with structlog.testing.capture_logs() as logged:
        async with asking(database, Site(ONE, reply), honest(TWO, theirs)):
            await until(lambda: has(database, head, 1))
            await until(lambda: said(logged, "witness.silent"))


async def test_what_is_published_waits_for_its_quorum_and_not_for_ever(
    database: Database, theirs: Database, grow: Grow
) -> None:
    quorum = Quorum(frozenset({ONE.name}), 1, 10)

    async def shown(now: float) -> int:
        return checkpoint.read((await database.read(lambda tx: published.newest(tx, quorum, now)) or b"").decode()).size

    assert await database.read(lambda tx: published.newest(tx, quorum, NOW)) is None
    await grow(3)
    first = await sign(database)
    assert await shown(NOW) == 3, "the first one has nothing before it"
    async with asking(database, honest(ONE, theirs)):
        await until(lambda: has(database, first, 1))
    await grow(4)
    await sign(database)
    assert await shown(NOW + 9.9) == 3
    assert await shown(NOW + 10) == 7


async def test_a_line_of_a_witness_that_no_longer_counts_is_shown_but_not_counted(
    database: Database, theirs: Database, grow: Grow
) -> None:
    await grow(3)
    head = await sign(database)
    async with asking(database, honest(ONE, theirs)):
        await until(lambda: has(database, head, 1))
    await grow(1)
    await sign(database)
    quorum = Quorum(frozenset({TWO.name}), 1, 10)
    text = (await database.read(lambda tx: published.newest(tx, quorum, NOW)) or b"").decode()
    assert checkpoint.read(text).size == 4
    earlier = await database.read(lambda tx: published.cosigned(tx, checkpoint.sign(head, SIGNER)))
    assert cosignatures(earlier, [ONE.key])
