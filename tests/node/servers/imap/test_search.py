from __future__ import annotations

import base64
from typing import Any

import pytest

from node.store.messages import Flag

pytestmark = pytest.mark.anyio

ENCODED = (
    "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>\r\nTo: Ann <ann@waxseal.test>, bob@waxseal.test\r\n"
    "Cc: carol@example.com\r\n"
    "Subject: =?utf-8?b?" + base64.b64encode("Über Häuser".encode()).decode() + "?=\r\n"
    "Date: Wed, 1 May 2024 10:00:00 +0200\r\nMessage-ID: <one@example.org>\r\nX-Color: Blue\r\n"
    "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + base64.b64encode("Die Häuser von Wien".encode()).decode()
    + "\r\n"
).encode()
PLAIN = (
    b"From: Mallory Invoice <mallory@example.net>\r\nTo: ann@waxseal.test\r\nSubject: Your Invoice\r\n"
    b"Date: Thu, 2 May 2024 10:00:00 +0200\r\n\r\nPlease pay the insurance.\r\n"
)
HTML = b"Subject: page\r\nContent-Type: text/html\r\n\r\n<p>in<b>visible</b> ink</p>\r\n"
DAY = 86400
FIRST_OF_MAY = 1714557600  # 2024-05-01 10:00 UTC


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ("ALL", "1 2 3"),
        ("SEEN", "2"),
        ("UNSEEN", "1 3"),
        ("FLAGGED UNSEEN", "3"),
        ("NOT (OR SEEN FLAGGED)", "1"),
        ("NEW", ""),
        ("OLD", "1 2 3"),
        ("KEYWORD $junk", ""),
        ("UNKEYWORD $Junk", "1 2 3"),
        ("2:*", "2 3"),
        ("UID 1,3:9", "1 3"),
        ("NOT 2", "1 3"),
        ("ON 1-May-2024", "1"),
        ("BEFORE 3-May-2024", "1 2"),
        ("SINCE 2-May-2024", "2 3"),
        ("SENTON 1-May-2024", "1"),
        ("SENTSINCE 2-May-2024", "2"),
        ("SENTBEFORE 1-May-2024", ""),
        ("LARGER 150 SMALLER 5000", "1 2"),
        ("FROM mallory", "2"),
        ('FROM "Mallory Invoice <MALLORY@"', "2"),
        ("FROM invoice SUBJECT invoice", "2"),
        ("TO bob@waxseal.test", "1"),
        ("CC carol", "1"),
        ("BCC x", ""),
        ('CHARSET UTF-8 SUBJECT "über"', "1"),
        ('CHARSET UTF-8 FROM "JÜRGEN"', "1"),
        ('CHARSET UTF-8 BODY "HÄUSER VON"', "1"),
        ('CHARSET UTF-8 TEXT "über häuser"', "1"),
        ('CHARSET UTF-8 BODY "Jürgen"', ""),
        ("BODY insurance", "2"),
        ("BODY invoice", ""),
        ("TEXT invoice", "2"),
        ('BODY "invisible ink"', "3"),
        ("HEADER Message-ID one@", "1"),
        ('HEADER X-Color ""', "1"),
        ("HEADER X-Color blu", "1"),
        ("HEADER X-Color red", ""),
        ('HEADER Date ""', "1 2"),
        ("OR FROM mallory HEADER X-Color blue", "1 2"),
        ("OR TEXT insurance SEEN", "2"),
        ("NOT BODY insurance", "1 3"),
    ],
)
async def test_keys(serving: Any, keys: str, found: str) -> None:
    async with serving() as house:
        await house.deliver(ENCODED, when=FIRST_OF_MAY)
        await house.deliver(PLAIN, flags=Flag.SEEN, when=FIRST_OF_MAY + DAY)
        await house.deliver(HTML, flags=Flag.FLAGGED, when=FIRST_OF_MAY + 9 * DAY)
        client = await house.ready()
        lines = await client.ok(f"SEARCH {keys}")
        assert lines[0] == f"* SEARCH {found}".rstrip().encode()


async def test_answers(serving: Any) -> None:
    async with serving() as house:
        await house.fill(5)
        client = await house.ready()
        await client.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
        await client.ok("EXPUNGE")
        assert (await client.ok("SEARCH ALL"))[0] == b"* SEARCH 1 2 3 4"
        assert (await client.ok("UID SEARCH 2:3"))[0] == b"* SEARCH 3 4"
        assert (await client.ok("SEARCH RETURN () ALL"))[0] == b'* ESEARCH (TAG "t7") ALL 1:4'
        (line, _) = await client.ok("UID SEARCH RETURN (MIN MAX COUNT ALL) 2:4")
        assert line == b'* ESEARCH (TAG "t8") UID MIN 3 MAX 5 COUNT 3 ALL 3:5'
        assert (await client.ok("SEARCH RETURN (MIN COUNT) SEEN"))[0] == b'* ESEARCH (TAG "t9") COUNT 0'
        assert b"[BADCHARSET (US-ASCII UTF-8)]" in await client.no("SEARCH CHARSET KOI8-R SUBJECT x")


async def test_a_search_of_envelopes_is_bounded_in_time(serving: Any) -> None:
    async with serving(search_seconds=-1) as house:
        await house.fill(2)
        client = await house.ready()
        assert b"[LIMIT]" in await client.no("SEARCH SUBJECT nothing")


async def test_a_search_is_bounded(serving: Any) -> None:
    async with serving(search_octets=300) as house:
        await house.fill(5)
        client = await house.ready()
        assert b"[LIMIT]" in await client.no("SEARCH BODY nothing")
        assert (await client.ok("SEARCH SUBJECT nothing"))[0] == b"* SEARCH"
