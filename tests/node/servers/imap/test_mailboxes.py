from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def test_select(serving: Any) -> None:
    async with serving() as house:
        await house.fill(3)
        client = await house.ready("")
        lines = await client.ok("SELECT inbox")
        assert b"* 3 EXISTS" in lines
        assert b"* 0 RECENT" in lines
        assert any(line.startswith(b"* OK [UIDNEXT 4]") for line in lines)
        assert any(line.startswith(b"* OK [UIDVALIDITY ") for line in lines)
        assert any(line.startswith(b"* FLAGS (\\Answered") for line in lines)
        assert any(b"[PERMANENTFLAGS (" in line and b"\\*" in line for line in lines)
        assert lines[-1].startswith(b"OK [READ-WRITE]")
        lines = await client.ok("EXAMINE INBOX")
        assert lines[-1].startswith(b"OK [READ-ONLY]")
        assert any(b"[PERMANENTFLAGS ()]" in line for line in lines)
        for command in ("STORE 1 +FLAGS \\Seen", "EXPUNGE", "MOVE 1 Trash"):
            await client.no(command)


async def test_a_failed_select_leaves_nothing_selected(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready()
        assert b"[NONEXISTENT]" in await client.no("SELECT nowhere")
        assert (await client.run("FETCH 1 FLAGS"))[-1].startswith(b"BAD")


async def test_create_delete_rename(serving: Any) -> None:
    async with serving() as house:
        await house.fill(2)
        client = await house.ready("")
        await client.ok("CREATE Work/2026/")
        await client.ok('CREATE "Entw&APw-rfe"')
        assert b"[ALREADYEXISTS]" in await client.no("CREATE Work/2026")
        assert b"[CANNOT]" in await client.no('CREATE "a//b"')
        assert b"[ALREADYEXISTS]" in await client.no("CREATE inbox")
        assert b"[NONEXISTENT]" in await client.no("SELECT Work")  # a level only
        await client.ok("RENAME Work Job")
        await client.ok("SELECT Job/2026")
        assert b"[NONEXISTENT]" in await client.no("RENAME Work Job2")
        assert b"[ALREADYEXISTS]" in await client.no("RENAME Job/2026 Sent")
        assert b"[CANNOT]" in await client.no("RENAME Job/2026 Job/2026/x")
        await client.ok("RENAME INBOX Old")
        assert b"* 2 EXISTS" in await client.ok("SELECT Old")
        assert b"* 0 EXISTS" in await client.ok("SELECT INBOX")
        assert b"[CANNOT]" in await client.no("DELETE INBOX")
        assert b"[NONEXISTENT]" in await client.no("DELETE nowhere")
        await client.ok("DELETE Old")
        assert b"[NONEXISTENT]" in await client.no("SELECT Old")


async def test_the_selected_mailbox_is_deleted_elsewhere(serving: Any) -> None:
    async with serving() as house:
        client, other = await house.ready(""), await house.ready("")
        await client.ok("CREATE x")
        await client.ok("SELECT x")
        await other.ok("DELETE x")
        await client.start("NOOP")
        assert b"* BYE" in await client.closed()


async def test_the_selected_mailbox_is_deleted_by_its_own_session(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready("")
        await client.ok("CREATE x")
        await client.ok("SELECT x")
        assert await client.ok("DELETE x") == [b"OK Deleted"]
        assert await client.ok("NOOP") == [b"OK Done"]
        await client.ok("SELECT INBOX")
        await client.ok("CREATE y")
        await client.ok("DELETE y")
        await client.ok("CHECK")


async def test_the_selected_mailbox_is_renamed_elsewhere(serving: Any) -> None:
    async with serving() as house:
        client, other = await house.ready(""), await house.ready("")
        await client.ok("CREATE x")
        await client.ok("SELECT x")
        await other.ok("RENAME x y")
        assert await client.ok("NOOP") == [b"OK Done"]


async def test_close_and_unselect(serving: Any) -> None:
    async with serving() as house:
        await house.fill(3)
        client, other = await house.ready(), await house.ready()
        await client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await client.ok("UNSELECT")
        assert await other.ok("NOOP") == [b"* 1 FETCH (UID 1 FLAGS (\\Deleted))", b"OK Done"]
        await client.ok("EXAMINE INBOX")
        await client.ok("CLOSE")
        assert await other.ok("NOOP") == [b"OK Done"]
        await client.ok("SELECT INBOX")
        assert await client.ok("CLOSE") == [b"OK Closed"]
        assert await other.ok("NOOP") == [b"* 1 EXPUNGE", b"OK Done"]
        assert (await client.run("CLOSE"))[-1].startswith(b"BAD")


async def test_status(serving: Any) -> None:
    async with serving() as house:
        await house.fill(3)
        client = await house.ready()
        await client.ok("STORE 1 +FLAGS (\\Seen)")
        (line, _) = await client.ok("STATUS inbox (MESSAGES UNSEEN UIDNEXT RECENT SIZE DELETED)")
        assert line.startswith(b"* STATUS INBOX (MESSAGES 3 UNSEEN 2 UIDNEXT 4 RECENT 0 SIZE ")
        await client.no("STATUS nowhere (MESSAGES)")


async def test_nobody_sees_another_accounts_mail(serving: Any) -> None:
    async with serving() as house:
        await house.fill(1)
        client = await house.ready("")
        await client.ok("CREATE secret")
        bob = await house.ready(user="bob")
        assert await bob.ok("FETCH 1:* FLAGS") == [b"OK Fetched"]
        for command in ("SELECT secret", "STATUS secret (MESSAGES)", "DELETE secret", "RENAME secret mine"):
            assert b"[NONEXISTENT]" in await bob.no(command)
        assert not any(b"secret" in line for line in await bob.ok('LIST "" *'))
