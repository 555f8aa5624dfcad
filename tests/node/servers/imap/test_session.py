"""Bad input, pipelining, and what one client must not do to the node."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def test_pipelined_commands_are_answered_in_order(serving: Any) -> None:
    async with serving() as house:
        await house.fill(3)
        client = await house.ready()
        tags = [await client.start(f"FETCH {1 + n % 3} (UID)") for n in range(50)]
        for n, tag in enumerate(tags):
            assert (await client.finish(tag))[0] == b"* %d FETCH (UID %d)" % (1 + n % 3, 1 + n % 3)


async def test_bad_commands(serving: Any) -> None:
    async with serving(bad_commands=5) as house:
        client = await house.ready()
        assert (await client.run("BOGUS"))[-1].startswith(b"BAD")
        assert (await client.run(b"LOGIN \xff\xfe x"))[-1].startswith(b"BAD")
        assert (await client.run(b"SEARCH CHARSET UTF-8 SUBJECT {1+}\r\n\xff"))[-1].startswith(b"BAD")
        assert (await client.run("SEARCH " + "(" * 60_000))[-1].startswith(b"BAD")
        assert await client.ok("NOOP") == [b"OK Done"]  # the count starts again
        await client.send(b"\r\n\r\n\r\n\r\n\r\n")
        assert b"* BYE Too many bad commands" in await client.closed()


async def test_a_sequence_set_of_ten_megabytes(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready()
        assert (await client.run(b"FETCH " + b"1:2," * 2_600_000 + b"3 FLAGS"))[-1].startswith(b"BAD")
        assert (await client.ok("FETCH 1:4294967295 FLAGS"))[-1] == b"OK Fetched"


async def test_a_literal_of_two_to_the_forty(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready()
        assert (await client.run("SELECT {1099511627776}"))[-1].startswith(b"BAD")
        await client.start("SELECT {1099511627776+}")
        assert b"* BYE [TOOBIG]" in await client.closed()


async def test_bare_line_feeds(serving: Any) -> None:
    async with serving() as house:
        client = await house.client()
        await client.send(b"a NOOP\n")
        assert b"* BYE Lines end in CRLF" in await client.closed()


async def test_a_literal_cut_short(serving: Any) -> None:
    async with serving() as house:
        client = await house.client()
        await client.send(b"a LOGIN {10}\r\n")
        assert (await client.line()).startswith(b"+")
        await client.send(b"ab")
        await client.stream.aclose()
        assert (await (await house.client()).run("NOOP"))[-1].startswith(b"OK")
