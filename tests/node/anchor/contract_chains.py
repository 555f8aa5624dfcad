"""Chains for tests of the contracts: the embedded one, anvil, and a server before anvil that changes its answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx2 as httpx
import pytest
import trio

from node.net.chain.embedded import EmbeddedChain
from node.net.chain.interface import Chain
from node.net.chain.jsonrpc import JsonRpcChain

# The first two accounts of every anvil: public, so worth nothing anywhere.
ANN = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
BOB = bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d")

KINDS = ("embedded", "anvil")

Tamper = Callable[[str, list[Any], Any], Any]


@asynccontextmanager
async def two_accounts(
    request: pytest.FixtureRequest, factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[Chain, Chain]]:
    """One chain of the kind `request.param`, opened by Ann and by Bob."""
    if request.param == "embedded":
        folder = factory.mktemp("chain")
        async with EmbeddedChain.open(folder, ANN) as ann, EmbeddedChain.open(folder, BOB) as bob:
            await ann.head()  # the file is made by one of them
            yield ann, bob
    else:
        url = request.getfixturevalue("anvil")
        async with JsonRpcChain.open(url, ANN, 31337) as ann, JsonRpcChain.open(url, BOB, 31337) as bob:
            yield ann, bob


@asynccontextmanager
async def lying(url: str, tamper: Tamper) -> AsyncIterator[JsonRpcChain]:
    """The chain behind `url` through a server whose results are `tamper(method, parameters, true result)`."""

    async def serve(client: httpx.AsyncClient, stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            request = b""
            async for chunk in stream:
                request += chunk
                head, _, body = request.partition(b"\r\n\r\n")
                if not head or not body.endswith(b"}"):
                    continue
                asked = json.loads(body)
                told = (await client.post(url, content=body, headers={"Content-Type": "application/json"})).json()
                if "result" in told:
                    told["result"] = tamper(asked["method"], asked["params"], told["result"])
                answer = json.dumps(told).encode()
                await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
                request = b""

    async with httpx.AsyncClient(trust_env=False, timeout=20) as client, trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, partial(serve, client), 0, host="127.0.0.1"))
        place = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        async with JsonRpcChain.open(place, None, 31337) as chain:
            yield chain
        nursery.cancel_scope.cancel()
