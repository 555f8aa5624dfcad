"""Whole nodes in the test's own process, on free ports of loopback, with two people of the domain example.test."""

from __future__ import annotations

import email.message
import imaplib
import smtplib
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from email.policy import SMTP
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from node.auth.app_passwords import AppPasswords
from node.base.address import parse_address
from node.base.config import Settings
from node.net.stream import Stop
from node.service.node import Running, run_node
from node.service.rooms import Rooms
from node.store import accounts, domains
from node.store.transaction import Writing

ANN = "ann@example.test"
ANYWHERE = ["127.0.0.1:0"]
PATIENCE_SECONDS = 60
T = TypeVar("T")


@dataclass
class House:
    """A node that runs, and Ann's way into it. Clients are blocking ones, so they run in threads."""

    running: Running
    stop: Stop
    password: str

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        with trio.fail_after(PATIENCE_SECONDS):
            return await trio.to_thread.run_sync(partial(work, *arguments))

    async def deliver(self, content: bytes, to: str = ANN) -> None:
        """Hand a message to port 25 as another server would; raises unless it is taken."""
        await self.in_thread(self._deliver, content, to)

    def _deliver(self, content: bytes, to: str) -> None:
        with smtplib.SMTP("127.0.0.1", self.running.ports.smtp, local_hostname="mx.other.test", timeout=30) as client:
            assert client.sendmail("nora@other.test", [to], content) == {}

    async def inbox(self) -> list[bytes]:
        """Everything in Ann's INBOX, as an IMAP client reads it."""
        return await self.imap(_contents)

    async def imap(self, work: Callable[[imaplib.IMAP4], T]) -> T:
        """Run `work` with a client that has Ann's INBOX open."""

        def run() -> T:
            context = ssl.create_default_context(cafile=self.running.certificate.ca)
            client = imaplib.IMAP4_SSL("localhost", self.running.ports.imaps, ssl_context=context, timeout=30)
            try:
                client.login(ANN, self.password)
                client.select("INBOX", readonly=True)
                return work(client)
            finally:
                client.shutdown()

        return await self.in_thread(run)


def _contents(client: imaplib.IMAP4) -> list[bytes]:
    _, found = client.search(None, "ALL")
    return [fetched(client, number.decode(), "BODY[]") for number in found[0].split()]


def fetched(client: imaplib.IMAP4, number: str, item: str) -> bytes:
    """One item of one message."""
    status, answer = client.fetch(number, f"({item})")
    assert status == "OK"
    literal = answer[0]
    assert isinstance(literal, tuple)
    return bytes(literal[1])


@dataclass
class People:
    """Opens Ann's account before the doors do; at a second start she is there already."""

    password: str = ""

    async def prepare(self, rooms: Rooms) -> None:
        def work(tx: Writing) -> accounts.Account:
            if known := accounts.find(tx, parse_address(ANN)):
                return known
            domains.add(tx, "example.test")
            return accounts.add(tx, parse_address(ANN))

        account = await rooms.database.write(work)
        self.password = (await AppPasswords(rooms.database).create(account, "test", ("imap", "smtp"))).password


OpenNode = Callable[[Settings], AbstractAsyncContextManager[House]]


@asynccontextmanager
async def _open_node(settings: Settings) -> AsyncIterator[House]:
    people, stop = People(), Stop()
    async with trio.open_nursery() as nursery:
        with trio.fail_after(PATIENCE_SECONDS):
            running = await nursery.start(partial(run_node, settings, stop, prepare=people.prepare))
        yield House(running, stop, people.password)
        stop.request()


@pytest.fixture
def open_node() -> OpenNode:
    """`async with open_node(settings) as house`."""
    return _open_node


Plan = Callable[..., Settings]


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Settings of a node in the test's folder with model and chain off; sections may be given otherwise."""

    def make(**sections: Any) -> Settings:
        document: dict[str, Any] = {
            "hostname": "mx.example.test",
            "data": tmp_path / "data",
            "smtp": {"listen": ANYWHERE},
            "submission": {"listen_starttls": ANYWHERE, "listen_tls": ANYWHERE},
            "imap": {"listen_starttls": ANYWHERE, "listen_tls": ANYWHERE},
            "http": {"listen": ANYWHERE},
            "classifier": {"enabled": False},
            "anchor": {"enabled": False},
            **sections,
        }
        return Settings.model_validate(document)

    return make


@pytest.fixture
def note() -> bytes:
    """A short message."""
    return b"From: nora@other.test\r\nTo: ann@example.test\r\nSubject: note\r\n\r\nSee you on Tuesday.\r\n"


@pytest.fixture
def parcel() -> bytes:
    """A message with an attachment large enough to leave it."""
    message = email.message.EmailMessage(policy=SMTP)
    message["From"], message["To"], message["Subject"] = "nora@other.test", ANN, "parcel"
    message.set_content("See the file.\n")
    message.add_attachment(bytes(range(256)) * 8192, maintype="application", subtype="octet-stream", filename="p.bin")
    return message.as_bytes()
