from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def test_list(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready("")
        assert await client.ok('LIST "" ""') == [b'* LIST (\\Noselect) "/" ""', b"OK Listed"]
        await client.ok("CREATE a/b")
        assert (await client.ok('LIST "" "*"'))[:-1] == [
            b'* LIST (\\HasNoChildren) "/" INBOX',
            b'* LIST (\\HasNoChildren \\Archive) "/" Archive',
            b'* LIST (\\HasNoChildren \\Drafts) "/" Drafts',
            b'* LIST (\\HasNoChildren \\Junk) "/" Junk',
            b'* LIST (\\HasNoChildren \\Sent) "/" Sent',
            b'* LIST (\\HasNoChildren \\Trash) "/" Trash',
            b'* LIST (\\Noselect \\HasChildren) "/" a',
            b'* LIST (\\HasNoChildren) "/" a/b',
        ]
        assert (await client.ok("LIST a/ %"))[:-1] == [b'* LIST (\\HasNoChildren) "/" a/b']
        assert len(await client.ok('LIST "" %')) == 8
        assert (await client.ok('LIST "" inbox'))[:-1] == [b'* LIST (\\HasNoChildren) "/" INBOX']
        await client.ok('CREATE "&AOQ- b"')
        assert (await client.ok('LIST "" "&AOQ-*"'))[0] == b'* LIST (\\HasNoChildren) "/" "&AOQ- b"'


async def test_list_extended(serving: Any) -> None:
    async with serving() as house:
        await house.fill(2)
        client = await house.ready("")
        assert len(await client.ok('LIST (SPECIAL-USE) "" "*"')) == 6
        await client.ok("UNSUBSCRIBE Junk")
        await client.ok("SUBSCRIBE gone/deeper")
        lines = await client.ok('LIST (SUBSCRIBED) "" "*" RETURN (SPECIAL-USE)')
        assert b'* LIST (\\HasNoChildren \\Sent \\Subscribed) "/" Sent' in lines
        assert b'* LIST (\\NonExistent \\HasNoChildren \\Subscribed) "/" gone/deeper' in lines
        assert not any(b"Junk" in line for line in lines)
        lines = await client.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" "%"')
        assert b'* LIST (\\NonExistent \\HasNoChildren) "/" gone ("CHILDINFO" ("SUBSCRIBED"))' in lines
        lines = await client.ok('LIST "" (INBOX Sent) RETURN (STATUS (MESSAGES UNSEEN))')
        assert lines[:-1] == [
            b'* LIST (\\HasNoChildren) "/" INBOX',
            b"* STATUS INBOX (MESSAGES 2 UNSEEN 2)",
            b'* LIST (\\HasNoChildren \\Sent) "/" Sent',
            b"* STATUS Sent (MESSAGES 0 UNSEEN 0)",
        ]


async def test_lsub(serving: Any) -> None:
    async with serving() as house:
        client = await house.ready("")
        await client.ok("UNSUBSCRIBE Junk")
        await client.ok("SUBSCRIBE news/today")
        lines = await client.ok('LSUB "" "*"')
        assert b'* LSUB () "/" news/today' in lines
        assert len(lines) == 7
        assert b'* LSUB (\\Noselect) "/" news' in await client.ok('LSUB "" "%"')
        await client.ok("UNSUBSCRIBE news/today")
        assert len(await client.ok('LSUB "" "*"')) == 6


async def test_small_commands(serving: Any) -> None:
    async with serving() as house:
        client = await house.client()
        assert await client.ok('ID ("name" "mutt")') == [b'* ID ("name" "Waxseal")', b"OK Pleased to meet you"]
        await client.ok("LOGIN ann pw")
        assert (await client.ok("NAMESPACE"))[0] == b'* NAMESPACE (("" "/")) NIL NIL'
        assert (await client.ok("ENABLE CONDSTORE UTF8=ACCEPT"))[0] == b"* ENABLED"
        assert await client.ok("LOGOUT") == [b"* BYE Goodbye", b"OK Logged out"]
        assert await client.closed() == b""
