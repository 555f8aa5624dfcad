"""The JSON-RPC client and servers of another chain, away, or answering nonsense (the rest: test_interface)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio

from node.base.errors import Permanent, Temporary
from node.net.chain.jsonrpc import JsonRpcChain

pytestmark = pytest.mark.anyio

KEY = b"\x11" * 32


async def test_another_chain_than_the_settings_say(anvil: str) -> None:
    with pytest.raises(Permanent, match="serves chain 31337"):
        async with JsonRpcChain.open(anvil, KEY, 1):
            pass


async def test_nobody_answers() -> None:
    with pytest.raises(Temporary, match="no answer"):
        async with JsonRpcChain.open("http://127.0.0.1:9", KEY, 1):
            pass


@asynccontextmanager
async def answering(body: bytes, *, chunked: bool = False) -> AsyncIterator[str]:
    """A server that gives every request the same answer; `%d` becomes the request's id."""
    form = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n%s"

    async def serve(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            request = b""
            async for chunk in stream:
                request += chunk
                head, _, content = request.partition(b"\r\n\r\n")
                if not head or not content.endswith(b"}"):
                    continue
                answer = body.replace(b"%d", str(json.loads(content)["id"]).encode())
                await stream.send_all(b"HTTP/1.1 200 OK\r\n" + form % (len(answer), answer))
                request = b""

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"id": %d}',
        b'{"id": 0, "result": "0x1"}',
        b'{"id": %d, "result": 1}',
        b'{"id": %d, "result": "one"}',
        b'{"id": %d, "result": "-0x1"}',
        b'{"id": %d, "result": {"number": "0x1"}}',
        b'{"id": %d, "error": "no"}',
        b'{"id": %d, "error": {"code": -32000, "message": "busy"}}',
        b'{"id": %d, "result": "' + b"0" * (5 << 20) + b'"}',
        b"[" * 100_000,
    ],
)
async def test_nonsense_is_a_temporary_failure(body: bytes) -> None:
    async with answering(body) as url:
        with pytest.raises(Temporary):
            async with JsonRpcChain.open(url, None, 1):
                pass


async def test_a_good_id_and_nonsense_after_it() -> None:
    async with answering(b'{"id": %d, "result": "0x1"}') as url, JsonRpcChain.open(url, KEY, 1) as chain:
        for question in (chain.head, partial(chain.events, "0x" + "12" * 20, 1)):
            with pytest.raises(Temporary):
                await question()


# The HTTP library drops the generator it read from when we stop reading; it is closed all the same.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_an_endless_answer_is_cut_off() -> None:
    async with answering(b'{"id": %d, "result": "' + b"0" * (5 << 20) + b'"}', chunked=True) as url:
        with pytest.raises(Temporary, match="too long"):
            async with JsonRpcChain.open(url, None, 1):
                pass
