from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import trio

from node.base.errors import Temporary
from node.store.incoming import Incoming

pytestmark = pytest.mark.anyio

MAIL = b"Subject: draft\r\n\r\nhello\r\n"


async def test_append(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready()
        done = await client.append("INBOX", MAIL, '(\\Seen $Note) "17-Jul-1996 02:44:25 -0700" ')
        assert done.startswith(b"OK [APPENDUID ")
        assert b" 1] " in done
        lines = await client.ok("FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[])")
        assert lines[0] == (
            b'* 1 FETCH (FLAGS (\\Seen $Note) INTERNALDATE "17-Jul-1996 09:44:25 +0000" BODY[] {%d}\r\n%b)'
            % (len(MAIL), MAIL)
        )
        tag = await client.start(b"APPEND INBOX {%d}" % len(MAIL))
        assert (await client.line()).startswith(b"+")
        await client.send(MAIL + b"\r\n")
        lines = await client.finish(tag)
        assert lines[0] == b"* 2 EXISTS"
        assert b"[TRYCREATE]" in await client.append("nowhere", MAIL)
        assert await client.ok("NOOP") == [b"OK Done"]
        assert (await client.append("INBOX", b"")).startswith(b"OK")


async def test_other_sessions_are_told(serving: Any) -> None:
    async with serving() as house:
        client, other = await house.ready(), await house.ready("")
        await other.append("INBOX", MAIL)
        assert await client.ok("NOOP") == [b"* 1 EXISTS", b"* 0 RECENT", b"OK Done"]


async def test_too_big_is_refused_before_it_is_read(serving: Any) -> None:
    async with serving(message=1000) as house:
        client = await house.ready()
        assert b"[TOOBIG]" in await client.no("APPEND INBOX {1001}")
        assert b"[TOOBIG]" in await client.no("APPEND INBOX {1099511627776}")
        assert b"[TOOBIG]" in await client.append("INBOX", b"x" * 5000)  # read and thrown away
        assert await client.ok("NOOP") == [b"OK Done"]
        tag = await client.start("APPEND INBOX {1099511627776+}")
        words = await client.closed()
        assert words.startswith(tag + b" NO [TOOBIG]")
        assert b"* BYE" in words


async def test_an_append_cut_short_keeps_nothing(serving: Any) -> None:
    async with serving() as house:
        client, other = await house.ready(), await house.ready()
        await client.send(b"a APPEND INBOX {10000000+}\r\n" + b"x" * 3_000_000)
        await client.stream.aclose()
        assert await other.ok("NOOP") == [b"OK Done"]
        directory = house.server.new_incoming()._directory
        with trio.fail_after(5):
            # The server sees the end of the connection when the network tells it.
            while directory.exists() and any(directory.iterdir()):  # noqa: ASYNC110
                await trio.sleep(0.01)


async def test_more_behind_the_message_is_refused(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready()
        lines = await client.run(b"APPEND INBOX {3+}\r\nabc junk")
        assert lines[-1].startswith(b"BAD")
        assert await client.ok("NOOP") == [b"OK Done"]


class FullDisk(Incoming):
    """The disk fills up after 100 kB: the outer seam that a test cannot fill for real."""

    async def write(self, data: bytes) -> None:
        if self.size > 100_000:
            raise Temporary("disk full")
        await super().write(data)


async def test_a_full_disk(serving: Any) -> None:
    async with serving() as house:
        directory = house.server.new_incoming.args[0]
        object.__setattr__(house.server, "new_incoming", partial(FullDisk, directory))
        client = await house.ready()
        assert b"NO [UNAVAILABLE]" in await client.append("INBOX", b"x" * 1_000_000)
        assert await client.ok("NOOP") == [b"OK Done"]
        assert (await client.append("INBOX", MAIL)).startswith(b"OK")
