"""The front door: limits, the crash guard, TLS from the first byte, and closing in good order."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from node.base.errors import RemoteProtocolError
from node.net.stream import Connection, Disconnected, Stop, Stopping
from node.servers.listen import Door, Handler, Limits, Room, network_of, open_listener, serve

pytestmark = pytest.mark.anyio

BUSY = b"421 busy\r\n"
FAREWELL = b"421 bye\r\n"
LIMITS = Limits()


async def echo(connection: Connection) -> None:
    await connection.send(b"hello\r\n")
    while data := await connection.receive(within=60, idle=True):
        await connection.send(data)


@asynccontextmanager
async def house(
    handler: Handler, *, limits: Limits = LIMITS, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Door, Room, Stop]]:
    stop = Stop()
    door = await open_listener("127.0.0.1", 0, "test", tls)
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            room = await nursery.start(
                partial(serve, [door], handler, limits=limits, busy=BUSY, farewell=FAREWELL, stop=stop)
            )
            yield door, room, stop
            stop.request()


async def dial(door: Door) -> trio.SocketStream:
    return await trio.open_tcp_stream(*door.address)


async def everything(stream: trio.abc.Stream) -> bytes:
    async with stream:
        return b"".join([bytes(piece) async for piece in stream])


async def test_echoes_and_counts() -> None:
    async with house(echo) as (door, room, _):
        async with await dial(door) as stream:
            assert await stream.receive_some() == b"hello\r\n"
            await stream.send_all(b"ping")
            assert await stream.receive_some() == b"ping"
            assert room.inside == 1
        await trio.testing.wait_all_tasks_blocked(0.01)
    assert room.accepted == 1
    assert room.inside == 0
    assert not room.by_network


async def test_a_connection_too_many_is_told_so() -> None:
    async with house(echo, limits=Limits(per_address=2)) as (door, room, _), trio.open_nursery():
        kept = [await dial(door), await dial(door)]
        for stream in kept:
            assert await stream.receive_some() == b"hello\r\n"
        assert await everything(await dial(door)) == BUSY
        assert room.refused == 1
        await kept.pop().aclose()
        while room.inside == 2:
            await trio.lowlevel.checkpoint()
        async with await dial(door) as stream:
            assert await stream.receive_some() == b"hello\r\n"
        await kept.pop().aclose()


async def test_a_crash_stays_with_its_connection() -> None:
    async def crash(connection: Connection) -> None:
        await connection.send(b"x")
        raise ZeroDivisionError

    async with house(crash) as (door, room, _):
        for _ in range(3):
            assert await everything(await dial(door)) == b"x"
        assert room.crashed == 3


async def test_a_protocol_error_is_answered_and_is_no_crash() -> None:
    async def breach(connection: Connection) -> None:
        raise RemoteProtocolError("bare LF", b"521 no\r\n")

    async with house(breach) as (door, room, _):
        assert await everything(await dial(door)) == b"521 no\r\n"
        assert room.crashed == 0


async def test_stop_wakes_the_idle_and_waits_for_the_busy() -> None:
    go_on = trio.Event()

    async def handler(connection: Connection) -> None:
        if await connection.receive(within=60, idle=True) == b"work":
            await connection.send(b"working")
            await go_on.wait()
            await connection.send(b"done")
            await connection.receive(within=60, idle=True)

    async with house(handler) as (door, _, stop):
        idle, busy = await dial(door), await dial(door)
        await busy.send_all(b"work")
        assert await busy.receive_some() == b"working"
        stop.request()
        assert await everything(idle) == FAREWELL
        with pytest.raises(OSError, match="failed"):
            await dial(door)
        go_on.set()
        assert await everything(busy) == b"done" + FAREWELL


async def test_cancelling_serve_also_lets_the_busy_finish_but_not_for_ever() -> None:
    finished: list[str] = []

    async def handler(connection: Connection) -> None:
        name = (await connection.receive(within=60)).decode()
        await connection.send(b"ok")
        try:
            if name == "endless":
                await trio.sleep_forever()
            await trio.lowlevel.checkpoint()
        finally:
            finished.append(name)

    door = await open_listener("127.0.0.1", 0, "test")
    with trio.fail_after(10), trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            await nursery.start(
                partial(
                    serve, [door], handler, limits=Limits(grace_seconds=0.3), busy=BUSY, farewell=FAREWELL, stop=Stop()
                )
            )
            streams = [await dial(door), await dial(door)]
            for name, stream in zip((b"quick", b"endless"), streams, strict=True):
                await stream.send_all(name)
                assert await stream.receive_some() == b"ok"
            scope.cancel()
    for stream in streams:
        await trio.aclose_forcefully(stream)
    assert finished == ["quick", "endless"]


async def test_a_slow_peer_is_closed_and_a_gone_one_is_no_crash() -> None:
    outcomes: list[str] = []

    async def handler(connection: Connection) -> None:
        try:
            await connection.receive(within=0.01)
        except trio.TooSlowError:
            outcomes.append("slow")
            raise

    async with house(handler) as (door, room, _):
        assert await everything(await dial(door)) == b""
        assert room.crashed == 0
    assert outcomes == ["slow"]


async def test_tls_from_the_first_byte(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    seen: list[str] = []

    async def handler(connection: Connection) -> None:
        assert connection.tls is not None
        seen.append(connection.tls.version)
        await echo(connection)

    async with house(handler, tls=server_tls) as (door, room, _):
        peer = Connection(await dial(door))
        await peer.start_tls(client_tls, hostname="localhost")
        assert await peer.receive(within=5) == b"hello\r\n"
        await peer.aclose()
        plain = await dial(door)
        await plain.send_all(b"EHLO plain\r\n" * 10)
        assert b"220" not in await everything(plain)
        assert room.crashed == 0
    assert seen == ["TLSv1.3"]


async def test_the_last_words_arrive_though_input_is_unread() -> None:
    async def handler(connection: Connection) -> None:
        await connection.receive(1, within=5)
        await connection.send(b"552 too much\r\n")

    async with house(handler) as (door, _, _):
        stream = await dial(door)
        await stream.send_all(b"x" * 100_000)
        assert await stream.receive_some() == b"552 too much\r\n"
        await stream.aclose()


async def test_a_client_without_stop_may_wait_idle() -> None:
    near, far = trio.testing.memory_stream_pair()
    await far.send_all(b"x")
    assert await Connection(near).receive(within=1, idle=True) == b"x"


async def test_stopping_is_raised_at_once_when_the_end_was_requested_before() -> None:
    near, _far = trio.testing.memory_stream_pair()
    stop = Stop()
    stop.request()
    with pytest.raises(Stopping):
        await Connection(near, stop=stop).receive(within=1, idle=True)


async def test_sending_to_a_gone_peer_says_so() -> None:
    near, far = trio.testing.memory_stream_pair()
    await far.aclose()
    with pytest.raises(Disconnected):
        await Connection(near).send(b"x")


def test_networks_are_counted_as_customers_get_them() -> None:
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2::5") == network_of("2001:db8:1:2:ffff::1") != network_of("2001:db8:1:3::5")
    assert network_of("fe80::1%eth0") == "fe80::"


@given(st.text())
def test_any_peer_name_has_a_network(name: str) -> None:
    assert isinstance(network_of(name), str)
