from __future__ import annotations

from typing import Any

import pytest
import trio

pytestmark = pytest.mark.anyio


async def test_idle_tells_at_once(serving: Any) -> None:
    async with serving() as house:
        await house.fill(2)
        client, other = await house.ready(), await house.ready()
        tag = await client.idle()
        began = trio.current_time()
        message = await house.deliver(b"Subject: new\r\n\r\n")
        assert await client.line() == b"* 3 EXISTS"
        assert trio.current_time() - began < 1
        assert message.uid == 3
        assert await client.line() == b"* 0 RECENT"
        await other.ok("STORE 1 +FLAGS (\\Deleted)")
        assert await client.line() == b"* 1 FETCH (UID 1 FLAGS (\\Deleted))"
        await other.ok("EXPUNGE")
        assert await client.line() == b"* 1 EXPUNGE"
        await client.send(b"DONE\r\n")
        assert await client.finish(tag) == [b"OK Idled"]
        assert await client.ok("NOOP") == [b"OK Done"]


async def test_what_happened_before_idle_is_told_too(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready()
        await house.fill(1)
        tag = await client.start("IDLE")
        assert {await client.line() for _ in range(3)} == {b"+ idling", b"* 1 EXISTS", b"* 0 RECENT"}
        await client.send(b"DONE\r\n")
        await client.finish(tag)


async def test_idle_with_nothing_selected_and_wrong_ends(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready("")
        tag = await client.idle()
        await client.send(b"a NOOP\r\n")
        assert (await client.finish(tag))[-1].startswith(b"BAD")
        await client.idle()
        await client.stream.aclose()


async def test_idle_ends_when_the_mailbox_goes(serving: Any) -> None:
    async with serving() as house:
        client, other = await house.ready(""), await house.ready("")
        await client.ok("CREATE x")
        await client.ok("SELECT x")
        await client.idle()
        await other.ok("DELETE x")
        assert b"* BYE" in await client.closed()


async def test_idle_ends_with_the_node(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready()
        await client.idle()
        stream = client.stream
        house.stack.pop_all()
    with trio.fail_after(5):
        assert await stream.receive_some() == b"* BYE down\r\n"
    await stream.aclose()
