"""A network that the node shuts out begins no login on the pages, and is told so."""

from __future__ import annotations

from functools import partial

import httpx2 as httpx
import pytest
import trio

from node.auth.blocks import Blocks, Policy
from node.auth.brake import Brake
from node.auth.gate import Gate
from node.servers.http.app import WebApp
from node.servers.http.server import BUSY, FAREWELL, WebServer
from node.servers.http.settings import WebSettings
from node.servers.listen import Limits, Stop, open_listener, serve

from .conftest import Web

pytestmark = pytest.mark.anyio
WALLET = "0x1a642f0e3c3af545e7acbd38b07251b3990914f1"


async def test_mail_and_pages_shut_the_same_networks_out(web: Web) -> None:
    blocks = Blocks(web.database, Policy(failures=3, names=3))
    gate = Gate(web.database, brake=Brake(blocks))
    door, stop = await open_listener("127.0.0.1", 0, "http"), Stop()
    origin = f"http://127.0.0.1:{door.address[1]}"
    handler = WebServer(WebApp(web.database, gate, WebSettings("waxseal.test", origin, chain_ids=(1,)))).handle
    asks = {
        "/auth/siwe/nonce": {"address": WALLET, "chain_id": 1},
        "/auth/did/nonce": {},
    }
    async with trio.open_nursery() as nursery:
        limits = Limits(grace_seconds=2)
        await nursery.start(partial(serve, [door], handler, limits=limits, busy=BUSY, farewell=FAREWELL, stop=stop))
        async with httpx.AsyncClient(base_url=origin, timeout=10, trust_env=False) as client:
            for path, body in asks.items():
                assert (await client.post(path, json=body)).status_code == 200, path
            for name in ("a", "b", "c"):
                await gate.password(f"{name}@waxseal.test", "wrong", "imap", "127.0.0.1")
            for path, body in asks.items():
                answer = await client.post(path, json=body)
                assert (answer.status_code, answer.json()["error"]) == (429, "blocked-network"), path
                assert int(answer.headers["retry-after"]) > 0
        stop.request()
