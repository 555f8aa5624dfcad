"""HTTP on the wire: keep-alive, stopping, limits, and what is not HTTP."""

from __future__ import annotations

from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from node.net.stream import Connection
from node.servers.http import server as server_module
from node.servers.http.server import WebServer

pytestmark = pytest.mark.anyio


async def exchange(port: int, data: bytes, *, eof: bool = False) -> bytes:
    """Send, and read until the server closes."""
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    with trio.fail_after(10):
        async with stream:
            await stream.send_all(data)
            if eof:
                await stream.send_eof()
            answer = b""
            while piece := await stream.receive_some(65536):
                answer += piece
    return answer


async def test_requests_in_one_packet_are_answered_in_order(web: Any) -> None:
    host = f"host: 127.0.0.1:{web.port}\r\n".encode()
    first = b"GET /healthz HTTP/1.1\r\n" + host + b"\r\n"
    last = b"GET /nowhere HTTP/1.1\r\n" + host + b"connection: close\r\n\r\n"
    answer = await exchange(web.port, first + first + last)
    assert answer.count(b"HTTP/1.1 200 ") == 2
    assert answer.rindex(b"HTTP/1.1 200 ") < answer.index(b"HTTP/1.1 404 ")
    assert b"server:" not in answer.lower()


@pytest.mark.parametrize(
    "data",
    [
        b"EHLO there\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 200_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_what_is_no_http_is_refused_and_closed(web: Any, data: bytes) -> None:
    answer = await exchange(web.port, data, eof=True)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


async def test_an_upgrade_to_h2c_is_ignored(web: Any) -> None:
    head = f"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:{web.port}\r\n".encode()
    upgrade = b"connection: upgrade, http2-settings, close\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n"
    assert (await exchange(web.port, head + upgrade)).startswith(b"HTTP/1.1 200 ")


async def test_a_websocket_with_a_trailing_byte_harms_nobody(web: Any) -> None:
    """hypercorn 0.18 died from this as a whole (hypercorn #225)."""
    head = b"GET /healthz HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    head += b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n\x00"
    assert (await exchange(web.port, head, eof=True)).startswith(b"HTTP/1.1 4")
    async with web.client() as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_one_connection_serves_many_requests(web: Any) -> None:
    async with web.client() as client:
        for _ in range(20):
            assert (await client.get("/healthz")).text == "ok\n"
        assert len(client._transport._pool.connections) == 1


async def test_an_idle_connection_ends_with_the_node(web: Any) -> None:
    async with web.client() as client:
        assert (await client.get("/healthz")).status_code == 200
        web.stop.request()  # the fixture's nursery ends only when the kept-alive connection does


async def test_a_request_under_way_is_answered_when_the_node_goes_down(web: Any) -> None:
    gate = trio.Event()

    async def checkpoint() -> bytes:
        web.stop.request()
        await gate.wait()
        return b"note"

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        body = await checkpoint()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
        await send({"type": "http.response.body", "body": body})

    ours, theirs = trio.testing.memory_stream_pair()
    connection = Connection(theirs, stop=web.stop)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(WebServer(slow).handle, connection)
        await ours.send_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        await trio.testing.wait_all_tasks_blocked()
        gate.set()
        with trio.fail_after(5):
            answer = b""
            while not answer.endswith(b"note"):
                answer += await ours.receive_some()
    assert answer.startswith(b"HTTP/1.1 200")


async def _hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def test_who_trickles_a_head_is_dropped_in_time() -> None:
    async def main() -> None:
        ours, theirs = trio.testing.memory_stream_pair()
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(WebServer(_hello).handle, Connection(theirs))
            while trio.current_time() - began < 100:
                await ours.send_all(b"G")
                await trio.sleep(5)
                if len(nursery.child_tasks) == 0:
                    break
        assert trio.current_time() - began <= server_module.IDLE_SECONDS + 5

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


@given(
    st.lists(st.binary(max_size=200) | st.sampled_from([b"GET / HTTP/1.1\r\n", b"host: a\r\n", b"\r\n"]), max_size=8)
)
@settings(max_examples=60)
def test_any_bytes_are_survived(pieces: list[bytes]) -> None:
    async def main() -> None:
        ours, theirs = trio.testing.memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(WebServer(_hello).handle, Connection(theirs))
            for piece in pieces:
                await ours.send_all(piece)
            await trio.testing.wait_all_tasks_blocked()
            await ours.send_eof()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
