"""A real web server over loopback, with a real store behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import trio
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct

from node.auth.gate import Gate
from node.base.address import parse_address
from node.servers.http.app import WebApp
from node.servers.http.server import BUSY, FAREWELL, WebServer
from node.servers.http.settings import MailServer, WebSettings
from node.servers.listen import Limits, Stop, open_listener, serve
from node.store import accounts, domains
from node.store.accounts import Account
from node.store.database import Database, Writing

ALICE = Wallet.from_key(b"\x01" * 32)
BOB = Wallet.from_key(b"\x02" * 32)


@dataclass
class Web:
    """A running web server and what a test wants to reach behind it."""

    origin: str
    port: int
    database: Database
    settings: WebSettings
    stop: Stop
    alice: Account
    bob: Account
    receipts: dict[tuple[int, bytes], dict[str, Any]] = field(default_factory=dict)
    mailed: list[tuple[int, bytes]] = field(default_factory=list)
    note: bytes | None = None

    def client(self, **options: Any) -> httpx.AsyncClient:
        """A browser of its own."""
        return httpx.AsyncClient(base_url=self.origin, timeout=10, trust_env=False, **options)

    async def log_in(self, client: httpx.AsyncClient, wallet: Any = ALICE) -> httpx.Response:
        """The whole wallet login, as the page's script does it."""
        asked = await client.post("/auth/siwe/nonce", json={"address": wallet.address.lower(), "chain_id": 1})
        text = asked.json()["message"]
        return await client.post("/auth/siwe/verify", json={"message": text, "signature": sign(text, wallet)})


def sign(text: str, wallet: Any = ALICE) -> str:
    return "0x" + bytes(wallet.sign_message(encode_defunct(text=text)).signature).hex()


def people(tx: Writing) -> tuple[Account, Account]:
    domains.add(tx, "waxseal.test")
    alice = accounts.add(tx, parse_address("alice@waxseal.test"), "Alice")
    bob = accounts.add(tx, parse_address("bob@waxseal.test"))
    accounts.bind(tx, alice.id, f"eip155:{ALICE.address.lower()}")
    accounts.bind(tx, bob.id, f"eip155:{BOB.address.lower()}")
    return alice, bob


@pytest.fixture
async def web(tmp_path: Path) -> AsyncIterator[Web]:
    async with Database.open(tmp_path / "node.sqlite") as database, trio.open_nursery() as nursery:
        alice, bob = await database.write(people)
        door = await open_listener("127.0.0.1", 0, "http")
        origin = f"http://127.0.0.1:{door.address[1]}"
        servers = (MailServer("Incoming (IMAP)", "mail.waxseal.test", 993, "TLS"),)
        settings = WebSettings(
            "waxseal.test", origin, chain_ids=(1, 31337), mail_servers=servers, log_origin="log.test/1"
        )
        web = Web(origin, door.address[1], database, settings, Stop(), alice, bob)

        async def receipt(account: Account, sha256: bytes) -> dict[str, Any] | None:
            return web.receipts.get((account.id, sha256))

        async def mail_receipt(account: Account, sha256: bytes) -> bool:
            if (account.id, sha256) not in web.receipts:
                return False
            web.mailed.append((account.id, sha256))
            return True

        async def checkpoint() -> bytes | None:
            return web.note

        given = {"receipt": receipt, "mail_receipt": mail_receipt, "checkpoint": checkpoint}
        app = WebApp(database, Gate(database), settings, **given)  # type: ignore[arg-type]
        handler = WebServer(app).handle
        await nursery.start(
            partial(serve, [door], handler, limits=Limits(grace_seconds=2), busy=BUSY, farewell=FAREWELL, stop=web.stop)
        )
        yield web
        web.stop.request()
