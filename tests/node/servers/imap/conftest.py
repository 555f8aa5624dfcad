"""A real IMAP server over loopback with the real store; clients: a raw one on Trio, or blocking ones in threads."""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from node.auth.gate import Entry
from node.auth.refusal import Reason, Refusal
from node.base.address import Address
from node.ipfs.blockstore import LocalBlocks
from node.ipfs.keys import Keys
from node.ipfs.offload import Offload
from node.mail.summary import summarize
from node.servers import listen
from node.servers.imap.server import ImapServer, Limits
from node.store import accounts, blobs, mailboxes, messages
from node.store.accounts import Account
from node.store.app_passwords import AppPassword
from node.store.blobs import Blobs
from node.store.database import Database, Writing
from node.store.incoming import Incoming
from node.store.mailboxes import Mailbox
from node.store.messages import Flag, Message, Summary

NONE = Flag(0)
LOOPBACK = "127.0.0.1"
OFFLOAD_FROM = 48  # octets; nothing is offloaded unless a test does it
MAIL = (
    b"From: Ann Example <ann@example.org>\r\nTo: bob@example.org\r\nSubject: Hello %d\r\n"
    b"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nMessage-ID: <%d@example.org>\r\n\r\nBody of %d\r\n"
)


@dataclass
class Door:
    """The gate's outer seam: two people with the password "pw"."""

    people: dict[str, Account]
    app_passwords: dict[int, AppPassword] = field(default_factory=dict)

    async def enter(self, username: str, password: str, scope: str, peer: str) -> Entry | Refusal:
        await trio.lowlevel.checkpoint()
        if username == "busy":
            return Refusal(Reason.BUSY, True, "come back later")
        if username == "gated":
            return Refusal(Reason.GATE_CLOSED, False, "your wallet no longer holds it")
        if password == "pw" and username in self.people:
            account = self.people[username]
            unkept = AppPassword(0, account.id, "test", frozenset({"imap"}), "", 0, None)
            return Entry(account, self.app_passwords.get(account.id, unkept))
        return Refusal(Reason.BAD_CREDENTIALS, False, "wrong")


@dataclass
class House:
    """Everything behind the server, and the server."""

    database: Database
    blobs: Blobs
    ann: Account
    bob: Account
    server: ImapServer
    offload: Offload
    port: int = 0
    tls_port: int = 0
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def append(
        self, mailbox: Mailbox, incoming: Incoming, flags: Flag, keywords: frozenset[str], internaldate: int | None
    ) -> Message:
        with incoming.view() as view:
            prepared = await self.blobs.prepare(view)
            summary = summarize(view)
        prepared_summary = Summary(summary.envelope, summary.body, summary.bodystructure, summary.layout)
        when = int(time.time()) if internaldate is None else internaldate

        def work(tx: Writing) -> Message:
            blob = blobs.add(tx, prepared)
            return messages.add(
                tx, mailbox.id, blob, prepared.size, prepared_summary, flags=flags, keywords=keywords, internaldate=when
            )

        return await self.database.write(work)

    async def deliver(
        self, content: bytes, name: str = "INBOX", flags: Flag = NONE, when: int | None = None
    ) -> Message:
        """Put a message into one of Ann's mailboxes, as a delivery would."""
        mailbox = await self.database.read(lambda tx: mailboxes.find(tx, self.ann.id, name))
        assert mailbox is not None
        incoming = self.server.new_incoming()
        try:
            await incoming.write(content)
            return await self.append(mailbox, incoming, flags, frozenset(), when)
        finally:
            await incoming.aclose()

    async def fill(self, count: int, name: str = "INBOX") -> None:
        """Deliver `count` small messages."""
        for number in range(1, count + 1):
            await self.deliver(MAIL % (number, number, number), name)

    async def client(self) -> Client:
        """A raw client, greeted."""
        stream = await trio.open_tcp_stream(LOOPBACK, self.port)
        await self.stack.enter_async_context(stream)
        client = Client(stream)
        client.greeting = await client.line()
        return client

    async def ready(self, mailbox: str = "INBOX", user: str = "ann") -> Client:
        """A raw client, logged in, with a mailbox selected."""
        client = await self.client()
        await client.ok(f"LOGIN {user} pw")
        if mailbox:
            await client.ok(f'SELECT "{mailbox}"')
        return client


class Client:
    """Sends lines, reads responses; a literal stays in the response it belongs to."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.buffer = b""
        self.greeting = b""
        self.count = 0

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def _more(self) -> None:
        with trio.fail_after(10):
            data = await self.stream.receive_some(65536)
        if not data:
            raise EOFError(self.buffer)
        self.buffer += data

    async def line_begins(self) -> None:
        """Wait for the first octets of a response."""
        if not self.buffer:
            await self._more()

    async def line(self) -> bytes:
        """One response, literals included, without its CRLF."""
        whole = b""
        while True:
            while b"\r\n" not in self.buffer:
                await self._more()
            line, _, self.buffer = self.buffer.partition(b"\r\n")
            whole += line
            literal = re.search(rb"\{(\d+)\}\Z", line)
            if literal is None:
                return whole
            size = int(literal[1])
            while len(self.buffer) < size:
                await self._more()
            whole += b"\r\n" + self.buffer[:size]
            self.buffer = self.buffer[size:]

    async def start(self, text: str | bytes) -> bytes:
        """Send a command; its tag."""
        self.count += 1
        tag = b"t%d" % self.count
        await self.send(tag + b" " + (text.encode() if isinstance(text, str) else text) + b"\r\n")
        return tag

    async def finish(self, tag: bytes) -> list[bytes]:
        """Every response up to and with the tagged one, which comes last and without its tag."""
        lines = []
        while True:
            line = await self.line()
            if line.startswith(tag + b" "):
                return [*lines, line[len(tag) + 1 :]]
            lines.append(line)

    async def run(self, text: str | bytes) -> list[bytes]:
        return await self.finish(await self.start(text))

    async def ok(self, text: str | bytes) -> list[bytes]:
        lines = await self.run(text)
        assert lines[-1].startswith(b"OK"), lines
        return lines

    async def no(self, text: str | bytes) -> bytes:
        lines = await self.run(text)
        assert lines[-1].startswith(b"NO"), lines
        return lines[-1]

    async def append(self, name: str, content: bytes, extra: str = "") -> bytes:
        """APPEND with a non-synchronising literal; the tagged response."""
        head = f'APPEND "{name}" {extra}'.encode() + b"{%d+}\r\n" % len(content)
        return (await self.run(head + content))[-1]

    async def idle(self) -> bytes:
        tag = await self.start("IDLE")
        assert (await self.line()).startswith(b"+")
        return tag

    async def closed(self) -> bytes:
        """Everything until the server closes."""
        with trio.fail_after(10):
            while data := await self.stream.receive_some(65536):
                self.buffer += data
        return self.buffer


@asynccontextmanager
async def opened(directory: Path, tls: ssl.SSLContext | None, limits: Limits) -> AsyncIterator[House]:
    async with Database.open(directory / "mail.db") as database, trio.open_nursery() as nursery:
        people = await database.write(
            lambda tx: [accounts.add(tx, Address(name, "waxseal.test")) for name in ("ann", "bob")]
        )
        offload = Offload(database, LocalBlocks(directory / "blocks"), Keys(bytes(32)), OFFLOAD_FROM)
        content = Blobs(database, directory, offload.parts)
        new_incoming = partial(Incoming, directory)

        async def append(*args: Any) -> Message:
            return await house.append(*args)

        server = ImapServer(
            database,
            content,
            Door({"ann": people[0], "bob": people[1]}),
            append,
            new_incoming,
            limits,
            tls,
            "mx.waxseal.test",
            login_in_clear=tls is None,
        )
        house = House(database, content, people[0], people[1], server, offload)
        doors = [await listen.open_listener(LOOPBACK, 0, "imap")]
        if tls is not None:
            doors.append(await listen.open_listener(LOOPBACK, 0, "imaps", tls))
        house.port, house.tls_port = doors[0].address[1], doors[-1].address[1]
        stop = listen.Stop()
        serve = partial(
            listen.serve,
            doors,
            server.handle,
            limits=listen.Limits(grace_seconds=2),
            busy=b"* BYE busy\r\n",
            farewell=b"* BYE down\r\n",
            stop=stop,
        )
        room = await nursery.start(serve)
        async with house.stack:
            yield house
        stop.request()
    assert room.crashed == 0


@pytest.fixture
def serving(tmp_path: Path) -> Callable[..., Any]:
    """`async with serving() as house`; options: `tls`, and those of Limits."""

    def make(tls: ssl.SSLContext | None = None, **limits: Any) -> Any:
        return opened(tmp_path, tls, Limits(**limits))

    return make


@pytest.fixture(scope="session")
def open_house() -> Callable[[Path], Any]:
    """Likewise in a folder of the caller's, for tests that need many houses."""
    return lambda directory: opened(directory, None, Limits())
