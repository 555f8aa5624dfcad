"""A server between us and a chain that says something else than the chain does."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio

Change = Callable[[dict[str, Any], Any], Any]


@asynccontextmanager
async def _lying(url: str, change: Change) -> AsyncIterator[str]:
    async def serve(stream: trio.SocketStream) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            request = b""
            async for chunk in stream:
                request += chunk
                head, _, content = request.partition(b"\r\n\r\n")
                length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
                if not length or len(content) < int(length):
                    continue
                question = json.loads(content)
                answer = await trio.to_thread.run_sync(_forward, url, content)
                body = json.dumps(change(question, answer)).encode()
                await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                request = b""

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def _forward(url: str, content: bytes) -> Any:
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return json.load(response)


@pytest.fixture
def lying() -> Callable[[str, Change], AbstractAsyncContextManager[str]]:
    """`async with lying(url, change) as false_url`: answers what `change(question, true_answer)` returns."""
    return _lying
