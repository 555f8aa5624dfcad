from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def test_store(serving: Any) -> None:
    async with serving() as house:
        await house.fill(3)
        client = await house.ready()
        assert (await client.ok("STORE 1:2 +FLAGS (\\Seen Work)"))[:-1] == [
            b"* 1 FETCH (FLAGS (\\Seen Work))",
            b"* 2 FETCH (FLAGS (\\Seen Work))",
        ]
        assert await client.ok("UID STORE 2 -FLAGS work \\Seen") == [b"* 2 FETCH (UID 2 FLAGS (Work))", b"OK Stored"]
        assert (await client.ok("STORE 2 FLAGS ()"))[0] == b"* 2 FETCH (FLAGS ())"
        assert await client.ok("STORE 3 FLAGS.SILENT (\\Draft)") == [b"OK Stored"]
        assert await client.ok("NOOP") == [b"OK Done"]
        assert (await client.ok("FETCH 1:3 FLAGS"))[:-1] == [
            b"* 1 FETCH (FLAGS (\\Seen Work))",
            b"* 2 FETCH (FLAGS ())",
            b"* 3 FETCH (FLAGS (\\Draft))",
        ]


async def test_other_sessions_are_told_and_news_are_not_lost(serving: Any) -> None:
    async with serving() as house:
        await house.fill(3)
        client, other = await house.ready(), await house.ready()
        await other.ok("STORE 1:2 +FLAGS (\\Flagged)")
        # Message 1 has the flag already: our silent change touches nothing and must not swallow the other's news.
        assert await client.ok("STORE 1 +FLAGS.SILENT (\\Flagged)") == [
            b"* 1 FETCH (UID 1 FLAGS (\\Flagged))",
            b"* 2 FETCH (UID 2 FLAGS (\\Flagged))",
            b"OK Stored",
        ]


async def test_no_expunge_while_numbers_are_in_use(serving: Any) -> None:
    async with serving() as house:
        await house.fill(3)
        client, other = await house.ready(), await house.ready()
        await other.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await other.ok("EXPUNGE")
        lines = await client.ok("STORE 1:2 +FLAGS (\\Seen)")
        assert lines[0] == b"* 2 FETCH (FLAGS (\\Seen))"
        assert lines[-1].startswith(b"OK [EXPUNGEISSUED]")
        assert (await client.ok("SEARCH ALL"))[:-1] == [b"* SEARCH 2 3"]
        assert (await client.ok("UID STORE 3 +FLAGS.SILENT (\\Seen)"))[:-1] == [b"* 1 EXPUNGE"]
        assert (await client.ok("FETCH 1 UID"))[0] == b"* 1 FETCH (UID 2)"
