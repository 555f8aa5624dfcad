"""Pinning services and gateways, and daemons that hang, lie, talk without end or drop the line."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
import trio

from node.base.errors import RemoteProtocolError, Temporary
from node.ipfs.cid import Cid, Codec
from node.ipfs.daemon_blocks import DaemonBlocks
from node.net.breaker import Patience
from node.net.ipfs.gateway import Gateway
from node.net.ipfs.kubo import Kubo
from node.net.ipfs.line import MAX_BLOCK, Absent, Answered, Lied
from node.net.ipfs.pinning import NoSuchPin, Pin, PinningService, State
from tests.node.ipfs.http_server import Request, SpecService, serving_http

pytestmark = pytest.mark.anyio

Serving = Callable[..., AbstractAsyncContextManager[Any]]
DATA = b"a sealed leaf"
CID = Cid.of(Codec.RAW, DATA)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"


async def nothing() -> AsyncGenerator[bytes, None]:
    yield b""


# --- the pinning service ----------------------------------------------------------------------------------------------


async def test_a_pinning_service_keeps_replaces_and_forgets() -> None:
    served = SpecService("secret-token")
    async with serving_http(served) as url, PinningService.open(url, "pinning:spec", "secret-token") as service:
        status = await service.add(Pin(cid=str(CID), name="leaf", origins=["/ip4/127.0.0.1/tcp/4001"]))
        assert (status.status, status.pin.name) == (State.QUEUED, "leaf")
        assert (await service.get(status.requestid)).status is State.PINNING
        assert (await service.list()).count == 1
        assert (await service.list(states=[State.FAILED])).count == 0
        other = Cid.of(Codec.RAW, b"other")
        assert (await service.list(cids=[str(other)])).results == []
        replaced = await service.replace(status.requestid, Pin(cid=str(other)))
        assert replaced.requestid != status.requestid
        with pytest.raises(NoSuchPin):
            await service.get(status.requestid)
        await service.delete(replaced.requestid)
        await service.delete(replaced.requestid)
        assert served.pins == {}
        assert "0 pins" in await service.hello()


async def test_a_pin_is_confirmed_once_the_service_says_so() -> None:
    served = SpecService("t")
    async with (
        serving_http(served) as url,
        PinningService.open(url, "pinning:spec", "t", origins=["/dns4/mail.test/tcp/4001"]) as service,
    ):
        request = await service.send(str(CID), nothing, 1)
        assert await service.send(str(CID), nothing, 1) == request  # asked before: not asked twice
        assert served.made == 1
        assert served.pins[request]["pin"]["origins"] == ["/dns4/mail.test/tcp/4001"]
        assert [await service.holds(str(CID), request) for _ in range(3)] == [False, True, True]
        with pytest.raises(RemoteProtocolError, match="another tree"):
            await service.holds(str(Cid.of(Codec.RAW, b"other")), request)
        await service.drop(str(CID), request)
        assert await service.holds(str(CID), request) is None


async def test_a_pin_that_failed_is_asked_for_anew() -> None:
    served = SpecService("t", stuck="failed")
    async with serving_http(served) as url, PinningService.open(url, "pinning:spec", "t") as service:
        request = await service.send(str(CID), nothing, 1)
        with pytest.raises(Answered, match="origins"):
            await service.holds(str(CID), request)
        assert await service.holds(str(CID), request) is None
        assert await service.send(str(CID), nothing, 1) != request


async def test_a_refused_token_is_said_so_and_never_shown() -> None:
    async with (
        serving_http(SpecService("right")) as url,
        PinningService.open(url, "pinning:spec", "wrong-secret") as service,
    ):
        with pytest.raises(Answered, match="token file") as caught:
            await service.hello()
        assert "wrong-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b'{"requestid": "", "status": "pinned"}',
        b'{"requestid": "r", "status": "maybe", "created": "x", "pin": {"cid": "c"}}',
        b"[" * 100_000,
    ],
)
async def test_answers_the_specification_does_not_know(answer: bytes) -> None:
    async with (
        serving_http(lambda _request: (200, answer)) as url,
        PinningService.open(url, "pinning:odd", "t") as service,
    ):
        with pytest.raises(RemoteProtocolError, match="specification"):
            await service.get("r")


# --- gateways ---------------------------------------------------------------------------------------------------------


async def test_a_gateway_gives_the_raw_block() -> None:
    seen: list[Request] = []

    def answer(request: Request) -> tuple[int, bytes]:
        seen.append(request)
        return 200, DATA

    async with serving_http(answer) as url, Gateway.open(url + "/", "gateway:1") as gateway:
        assert await gateway.block(str(CID), CID.names) == DATA
    assert seen[0].target == f"/ipfs/{CID}?format=raw"
    assert seen[0].headers["accept"] == "application/vnd.ipld.raw"


@pytest.mark.parametrize(
    ("status", "error"), [(404, Absent), (410, Absent), (301, Temporary), (500, Temporary), (429, Temporary)]
)
async def test_a_gateway_that_says_no(status: int, error: type[Exception]) -> None:
    async with serving_http(lambda _request: (status, b"sorry")) as url, Gateway.open(url, "gateway:1") as gateway:
        with pytest.raises(error):
            await gateway.block(str(CID), CID.names)


async def test_a_gateway_that_keeps_failing_is_left_alone() -> None:
    visits = 0

    def answer(_request: Request) -> tuple[int, bytes]:
        nonlocal visits
        visits += 1
        return 200, b"another block"

    patience = Patience(failures=2, rest=60)
    async with serving_http(answer) as url, Gateway.open(url, "gateway:liar", patience=patience) as gateway:
        for _ in range(2):
            with pytest.raises(Lied):
                await gateway.block(str(CID), CID.names)
        with pytest.raises(Temporary, match="left alone"):
            await gateway.block(str(CID), CID.names)
    assert visits == 2


async def test_a_gateway_without_the_block_is_asked_for_others_all_the_same() -> None:
    async with (
        serving_http(lambda _request: (404, b"")) as url,
        Gateway.open(url, "gateway:1", patience=Patience(failures=1)) as gateway,
    ):
        for _ in range(3):
            with pytest.raises(Absent):
                await gateway.block(str(CID), CID.names)


# --- bad habits: of daemons and gateways alike ------------------------------------------------------------------------


async def hang(stream: trio.SocketStream) -> None:
    await stream.receive_some(65536)
    await trio.sleep_forever()


async def lie(stream: trio.SocketStream) -> None:
    await stream.receive_some(65536)
    await stream.send_all(HEAD + b"Content-Length: 5\r\n\r\nwrong")


async def flood(stream: trio.SocketStream) -> None:
    """Ten gigabytes, if anybody took them."""
    await stream.receive_some(65536)
    await stream.send_all(HEAD + b"Content-Length: 10737418240\r\n\r\n")
    for _ in range(10 << 10):
        await stream.send_all(bytes(1 << 20))


async def drop(stream: trio.SocketStream) -> None:
    await stream.receive_some(65536)
    await stream.send_all(HEAD + b"Content-Length: 13\r\n\r\n" + DATA[:6])


async def no_http(stream: trio.SocketStream) -> None:
    await stream.receive_some(65536)
    await stream.send_all(b"220 mail.test ESMTP\r\n")


async def zipped(stream: trio.SocketStream) -> None:
    await stream.receive_some(65536)
    await stream.send_all(HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08")


HABITS = {"hang": hang, "lie": lie, "flood": flood, "drop": drop, "no_http": no_http, "zipped": zipped}


async def open_and_read(kind: str, place: str, seconds: float) -> bytes:
    if kind == "gateway":
        async with Gateway.open(f"http://{place}", "gateway:bad", seconds=seconds) as gateway:
            return await gateway.block(str(CID), CID.names)
    async with Kubo.open(f"http://{place}", "kubo:bad", seconds=seconds) as kubo:
        return await kubo.block(str(CID), CID.names)


@pytest.mark.parametrize("habit", sorted(HABITS))
@pytest.mark.parametrize("kind", ["gateway", "kubo"])
async def test_no_bad_habit_gets_wrong_bytes_past_a_client(serving: Serving, kind: str, habit: str) -> None:
    async with serving(HABITS[habit]) as server:
        with pytest.raises((Temporary, RemoteProtocolError)):
            await open_and_read(kind, server.place, 0.2 if habit == "hang" else 30)


async def test_nobody_there(serving: Serving) -> None:
    async with serving(hang) as server:
        place = server.place
    for kind in ("gateway", "kubo"):
        with pytest.raises(Temporary, match="no answer"):
            await open_and_read(kind, place, 5)


@pytest.mark.parametrize("habit", sorted(HABITS))
@pytest.mark.parametrize("what", ["send", "listing", "cat", "pin"])
async def test_whatever_else_is_asked_of_a_bad_daemon_ends_with_an_error(
    serving: Serving, habit: str, what: str
) -> None:
    async def archive() -> AsyncGenerator[bytes, None]:
        yield bytes(1000)

    taken: list[int] = []

    def count(piece: bytes) -> None:
        taken.append(len(piece))

    asks: dict[str, Callable[[Kubo], Awaitable[object]]] = {
        "send": lambda kubo: kubo.send(str(CID), archive, 1000),
        "listing": lambda kubo: kubo.local_names(),
        "cat": lambda kubo: kubo.cat(str(CID), count, 1000),
        "pin": lambda kubo: kubo.is_pinned(str(CID)),
    }
    async with (
        serving(HABITS[habit]) as server,
        Kubo.open(f"http://{server.place}", "kubo:bad", seconds=0.2 if habit == "hang" else 30) as kubo,
    ):
        if (what, habit) == ("cat", "lie"):  # a file's content cannot be checked against its name
            await asks[what](kubo)
        else:
            with pytest.raises((Temporary, RemoteProtocolError)):
                await asks[what](kubo)
    assert sum(taken) <= MAX_BLOCK


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"Message": "block was not found locally (offline): ipld: could not find x", "Type": "error"}', Absent),
        (b'{"Message": "pin: recursive pin exists", "Type": "error"}', Answered),
        (b"404 page not found", Temporary),
        (b"[" * 60_000, Temporary),
        (b'["list"]', Temporary),
    ],
)
async def test_what_kubo_says_when_it_says_no(body: bytes, error: type[Exception]) -> None:
    async with serving_http(lambda _request: (500, body)) as url, Kubo.open(url, "kubo:no") as kubo:
        with pytest.raises(error) as caught:
            await kubo.block(str(CID), CID.names)
        assert len(str(caught.value)) < 1000


async def test_an_error_after_the_first_lines_is_an_error() -> None:
    lines = json.dumps({"Ref": str(CID)}) + "\n" + json.dumps({"Message": "disk on fire", "Type": "error"})
    async with serving_http(lambda _request: (200, lines.encode())) as url, Kubo.open(url, "kubo:late") as kubo:
        with pytest.raises(Temporary, match="disk on fire"):
            await kubo.local_names()


async def test_the_daemons_token_goes_along() -> None:
    seen: list[str] = []

    def answer(request: Request) -> tuple[int, bytes]:
        seen.append(request.headers.get("authorization", ""))
        return 200, b'{"Version": "0.39.0"}'

    async with serving_http(answer) as url, Kubo.open(url, "kubo:mine", token="secret") as kubo:
        assert await kubo.version() == "0.39.0"
    assert seen == ["Bearer secret"]


async def test_a_store_in_a_daemon_sends_nobody_searching() -> None:
    """What the node serves from it to strangers must not make the daemon ask the whole network."""
    seen: list[str] = []

    def answer(request: Request) -> tuple[int, bytes]:
        seen.append(request.target)
        return 200, DATA

    async with serving_http(answer) as url, Kubo.open(url, "kubo:mine") as kubo:
        assert await DaemonBlocks(kubo).get(CID) == DATA
        assert await kubo.block(str(CID), CID.names) == DATA
    assert ["offline=true" in target for target in seen] == [True, False]


async def test_a_tree_that_is_not_pinned_in_the_end_is_no_replica() -> None:
    line = {"Root": {"Cid": {"/": str(CID)}, "PinErrorMsg": "out of space"}}
    async with serving_http(lambda _request: (200, json.dumps(line).encode())) as url, Kubo.open(url, "k") as kubo:
        with pytest.raises(Temporary, match="out of space"):
            await kubo.send(str(CID), nothing, 1)
    async with serving_http(lambda _request: (200, b"")) as url, Kubo.open(url, "k") as kubo:
        with pytest.raises(Temporary, match="does not say"):
            await kubo.send(str(CID), nothing, 1)
