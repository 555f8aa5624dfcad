from __future__ import annotations

from typing import Any

import pytest

from node.servers.imap import fetch, search
from node.store.messages import Flag

pytestmark = pytest.mark.anyio

NESTED = (
    b"From: ann@example.org\r\nSubject: outer\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="b"\r\n\r\npreamble\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nFrom: x@y.z\r\nSubject: inner\r\n\r\ninner body\r\n"
    b"--b\r\nContent-Type: text/html\r\nX-Note: third\r\n\r\n<p>third\r\n--b--\r\n"
)


async def test_rows(serving: Any) -> None:
    async with serving() as house:
        await house.deliver(b"Subject: a\r\n\r\nx\r\n", flags=Flag.SEEN | Flag.FLAGGED, when=837596665)
        await house.deliver(b"Subject: b\r\n\r\nyy\r\n")
        client = await house.ready()
        assert (await client.ok("FETCH 1:* FLAGS"))[:-1] == [
            b"* 1 FETCH (FLAGS (\\Flagged \\Seen))",
            b"* 2 FETCH (FLAGS ())",
        ]
        assert (await client.ok("UID FETCH * (RFC822.SIZE)"))[:-1] == [b"* 2 FETCH (UID 2 RFC822.SIZE 18)"]
        assert (await client.ok("FETCH 1 FAST"))[0] == (
            b'* 1 FETCH (FLAGS (\\Flagged \\Seen) INTERNALDATE "17-Jul-1996 09:44:25 +0000" RFC822.SIZE 17)'
        )
        assert (await client.ok("UID FETCH 1:9 (UID)"))[:-1] == [b"* 1 FETCH (UID 1)", b"* 2 FETCH (UID 2)"]
        (line, _) = await client.ok("FETCH 1 (ENVELOPE BODY BODYSTRUCTURE MODSEQ)")
        assert b'ENVELOPE (NIL "a" NIL' in line
        assert b"BODYSTRUCTURE (" in line
        assert b"MODSEQ (" in line
        assert await client.ok("FETCH 7 FLAGS") == [b"OK Fetched"]
        assert await client.ok("UID FETCH 70:80 FLAGS") == [b"OK Fetched"]


async def test_sections(serving: Any) -> None:
    async with serving() as house:
        await house.deliver(NESTED)
        client = await house.ready()

        async def section(item: str) -> bytes:
            line = (await client.ok(f"FETCH 1 BODY.PEEK[{item}]"))[0]
            body = line.removeprefix(b"* 1 FETCH (BODY[%b] " % item.encode()).removesuffix(b")")
            return body.partition(b"\r\n")[2] if body.startswith(b"{") else body

        assert await section("") == NESTED
        assert await section("1") == b"first"
        assert await section("1.MIME") == b"Content-Type: text/plain\r\n\r\n"
        assert await section("2.HEADER") == b"From: x@y.z\r\nSubject: inner\r\n\r\n"
        assert await section("2.TEXT") == b"inner body"
        assert await section("2.1") == b"inner body"
        assert await section("HEADER") == NESTED.partition(b"preamble")[0]
        assert await section("TEXT") == NESTED.partition(b"\r\n\r\n")[2]
        assert await section("HEADER.FIELDS (SUBJECT X-NONE)") == b"Subject: outer\r\n\r\n"
        assert await section("2.HEADER.FIELDS.NOT (SUBJECT)") == b"From: x@y.z\r\n\r\n"
        assert await section("3.MIME") == b"Content-Type: text/html\r\nX-Note: third\r\n\r\n"
        assert await section("4") == b"NIL"
        assert await section("1.HEADER") == b"NIL"
        assert await section("1.1.1.1") == b"NIL"


async def test_partials(serving: Any) -> None:
    async with serving() as house:
        await house.deliver(b"Subject: a\r\n\r\n0123456789")
        client = await house.ready()
        assert (await client.ok("FETCH 1 BODY.PEEK[TEXT]<2.3>"))[0] == b"* 1 FETCH (BODY[TEXT]<2> {3}\r\n234)"
        assert (await client.ok("FETCH 1 BODY.PEEK[TEXT]<8.99>"))[0] == b"* 1 FETCH (BODY[TEXT]<8> {2}\r\n89)"
        assert (await client.ok("FETCH 1 BODY.PEEK[]<99.1>"))[0] == b"* 1 FETCH (BODY[]<99> {0}\r\n)"
        fields = await client.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject)]<0.7>")
        assert fields[0] == b"* 1 FETCH (BODY[HEADER.FIELDS (Subject)]<0> {7}\r\nSubject)"


async def test_reading_marks_as_seen(serving: Any) -> None:
    async with serving() as house:
        await house.fill(3)
        client = await house.ready()
        peeked = await client.ok("FETCH 1 (BODY.PEEK[] RFC822.HEADER)")
        assert b"FLAGS" not in peeked[0]
        read = await client.ok("FETCH 1:2 BODY[TEXT]")
        assert read[:-1] == [
            b"* 1 FETCH (FLAGS (\\Seen) BODY[TEXT] {11}\r\nBody of 1\r\n)",
            b"* 2 FETCH (FLAGS (\\Seen) BODY[TEXT] {11}\r\nBody of 2\r\n)",
        ]
        assert b"FLAGS" not in (await client.ok("FETCH 1 RFC822.TEXT"))[0]
        assert (await client.ok("NOOP")) == [b"OK Done"]  # nothing is told twice
        await client.ok("EXAMINE INBOX")
        assert b"FLAGS" not in (await client.ok("FETCH 3 RFC822"))[0]
        assert (await client.ok("FETCH 3 FLAGS"))[0] == b"* 3 FETCH (FLAGS ())"


async def test_a_large_message_streams(serving: Any) -> None:
    content = b"Subject: big\r\n\r\n" + bytes(range(32, 127)) * 40_000
    async with serving() as house:
        await house.deliver(content)
        client = await house.ready()
        line = (await client.ok("FETCH 1 BODY.PEEK[]"))[0]
        assert line == b"* 1 FETCH (BODY[] {%d}\r\n%b)" % (len(content), content)
        piece = (await client.ok("FETCH 1 BODY.PEEK[]<1000000.500000>"))[0]
        assert piece.endswith(b"{500000}\r\n" + content[1000000:1500000] + b")")


async def test_a_reader_that_stalls_does_not_fill_memory(serving: Any) -> None:
    async with serving() as house:
        await house.deliver(b"Subject: big\r\n\r\n" + b"x" * 3_000_000)
        client = await house.ready()
        for _ in range(20):
            await client.start("FETCH 1 BODY.PEEK[]")
        other = await house.ready()
        assert (await other.ok("NOOP")) == [b"OK Done"]
        for _ in range(20):
            assert len(await client.line()) > 3_000_000
            await client.line()


async def test_summaries_that_a_sender_has_grown_are_held_few_at_a_time(serving: Any, monkeypatch: Any) -> None:
    for module in (fetch, search):
        monkeypatch.setattr(module, "HELD", 1)  # each is too large for two
    async with serving() as house:
        await house.fill(5)
        client = await house.ready()
        await client.ok("STORE 5 +FLAGS.SILENT (\\Deleted \\Seen)")
        await client.ok("EXPUNGE")
        lines = await client.ok("FETCH 1:* (UID ENVELOPE)")
        assert [line[:27] for line in lines[:-1]] == [b"* %d FETCH (UID %d ENVELOPE (" % (n, n) for n in (1, 2, 3, 4)]
        assert len(await client.ok("FETCH 2:3 (BODYSTRUCTURE BODY.PEEK[1])")) == 3
        lines = await client.ok("FETCH 1:* BODY[TEXT]")
        assert [b"FLAGS (\\Seen)" in line for line in lines[:-1]] == [True] * 4
        assert (await client.ok("SEARCH OR SUBJECT 3 UID 1,4"))[0] == b"* SEARCH 1 3 4"
        assert (await client.ok("SEARCH OR SEEN TEXT nowhere"))[0] == b"* SEARCH 1 2 3 4"
        assert (await client.ok('SEARCH FROM ann BODY "of 2"'))[0] == b"* SEARCH 2"


async def test_expunged_elsewhere_is_passed_over(serving: Any) -> None:
    async with serving() as house:
        await house.fill(3)
        client, other = await house.ready(), await house.ready()
        await other.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
        await other.ok("EXPUNGE")
        lines = await client.ok("FETCH 1:3 UID")
        assert lines == [b"* 1 FETCH (UID 1)", b"* 3 FETCH (UID 3)", b"OK Fetched"]  # no EXPUNGE now
        assert await client.ok("NOOP") == [b"* 2 EXPUNGE", b"OK Done"]
        assert (await client.ok("FETCH 2 UID"))[0] == b"* 2 FETCH (UID 3)"
