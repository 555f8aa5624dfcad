from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def test_copy(serving: Any) -> None:
    async with serving() as house:
        await house.fill(4)
        client = await house.ready()
        await client.ok("STORE 2 +FLAGS.SILENT (\\Seen Kept)")
        (line,) = await client.ok("COPY 2:3 Archive")
        assert re.match(rb"OK \[COPYUID \d+ 2:3 1:2\]", line)
        (line,) = await client.ok("UID COPY 4,1 Archive")
        assert re.match(rb"OK \[COPYUID \d+ 1,4 3:4\]", line)
        assert b"[TRYCREATE]" in await client.no("COPY 1 nowhere")
        assert await client.ok("UID COPY 99 Archive") == [b"OK Copied"]
        await client.ok("SELECT Archive")
        assert (await client.ok("FETCH 1 (FLAGS BODY.PEEK[TEXT])"))[0].startswith(
            b"* 1 FETCH (FLAGS (\\Seen Kept) BODY"
        )


async def test_copy_into_the_mailbox_itself(serving: Any) -> None:
    async with serving() as house:
        await house.fill(1)
        client = await house.ready()
        lines = await client.ok("COPY 1 INBOX")
        assert lines[0] == b"* 2 EXISTS"


async def test_move(serving: Any) -> None:
    async with serving() as house:
        await house.fill(4)
        client, other = await house.ready(), await house.ready()
        lines = await client.ok("MOVE 2:3 Trash")
        assert re.match(rb"\* OK \[COPYUID \d+ 2:3 1:2\]", lines[0])
        assert lines[1:] == [b"* 3 EXPUNGE", b"* 2 EXPUNGE", b"OK Done"]
        assert await other.ok("NOOP") == [b"* 3 EXPUNGE", b"* 2 EXPUNGE", b"OK Done"]
        assert (await client.ok("UID MOVE 4 Trash"))[1:-1] == [b"* 2 EXPUNGE"]
        assert b"[TRYCREATE]" in await client.no("MOVE 1 nowhere")
        assert b"* 3 EXISTS" in await client.ok("SELECT Trash")


async def test_expunge(serving: Any) -> None:
    async with serving() as house:
        await house.fill(5)
        client = await house.ready()
        await client.ok("STORE 1,3,5 +FLAGS.SILENT (\\Deleted)")
        assert await client.ok("UID EXPUNGE 2:3") == [b"* 3 EXPUNGE", b"OK Expunged"]
        assert await client.ok("EXPUNGE") == [b"* 4 EXPUNGE", b"* 1 EXPUNGE", b"OK Expunged"]
        assert await client.ok("EXPUNGE") == [b"OK Expunged"]
        assert (await client.ok("UID SEARCH ALL"))[0] == b"* SEARCH 2 4"
