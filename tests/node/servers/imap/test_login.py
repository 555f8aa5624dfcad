from __future__ import annotations

import imaplib
import ssl
from typing import Any

import pytest
import trio
import trio.testing

from node.base.errors import RemoteProtocolError
from node.net.stream import Connection

pytestmark = pytest.mark.anyio


async def test_capabilities_change_with_login(serving: Any) -> None:
    async with serving() as house:
        client = await house.client()
        assert client.greeting.startswith(b"* OK [CAPABILITY IMAP4rev1 ")
        assert b"AUTH=PLAIN" in client.greeting
        lines = await client.ok("LOGIN ann pw")
        assert b"[CAPABILITY IMAP4rev1" in lines[-1]
        (listed, _) = await client.ok("CAPABILITY")
        for word in b"IDLE NAMESPACE UIDPLUS UNSELECT MOVE SPECIAL-USE LITERAL+ SASL-IR ID ENABLE CHILDREN".split():
            assert word in listed.split()


async def test_authenticate_plain(serving: Any) -> None:
    async with serving() as house:
        client = await house.client()
        tag = await client.start("AUTHENTICATE PLAIN")
        assert await client.line() == b"+ "
        await client.send(b"AGFubgBwdw==\r\n")
        assert (await client.finish(tag))[-1].startswith(b"OK")
        client = await house.client()
        await client.ok("AUTHENTICATE PLAIN AGFubgBwdw==")
        client = await house.client()
        tag = await client.start("AUTHENTICATE PLAIN")
        await client.line()
        await client.send(b"*\r\n")
        assert (await client.finish(tag))[-1].startswith(b"BAD")
        assert (await client.run("AUTHENTICATE PLAIN !!"))[-1].startswith(b"BAD")
        assert (await client.run("AUTHENTICATE PLAIN AAA="))[-1].startswith(b"BAD")
        assert b"AUTHENTICATIONFAILED" in await client.no("AUTHENTICATE PLAIN Ym9iAGFubgBwdw==")
        await client.no("AUTHENTICATE SCRAM-SHA-1")
        await client.ok("AUTHENTICATE PLAIN YW5uAGFubgBwdw==")


async def test_wrong_passwords(serving: Any) -> None:
    async with serving(failed_logins=3) as house:
        client = await house.client()
        assert b"[UNAVAILABLE]" in await client.no("LOGIN busy pw")
        known, unknown = await client.no("LOGIN ann nope"), await client.no("LOGIN nobody nope")
        assert known == unknown
        assert b"[AUTHENTICATIONFAILED]" in known
        await client.start("LOGIN ann nope")
        assert b"* BYE" in await client.closed()


async def test_no_login_in_clear(serving: Any, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with serving(tls=server_tls) as house:
        client = await house.client()
        assert b"LOGINDISABLED" in client.greeting
        assert b"STARTTLS" in client.greeting
        assert b"AUTH=" not in client.greeting
        assert b"[PRIVACYREQUIRED]" in await client.no("LOGIN ann pw")
        assert b"[PRIVACYREQUIRED]" in await client.no("AUTHENTICATE PLAIN AGFubgBwdw==")
        await client.ok("STARTTLS")
        stream = trio.SSLStream(client.stream, client_tls, server_hostname="localhost")
        client.stream = stream
        listed = (await client.ok("CAPABILITY"))[0]
        assert b"LOGINDISABLED" not in listed
        assert b"STARTTLS" not in listed
        await client.no("STARTTLS")
        await client.ok("LOGIN ann pw")
        await client.ok("LOGOUT")


async def test_bytes_behind_starttls(serving: Any, server_tls: ssl.SSLContext) -> None:
    async with serving(tls=server_tls) as house:
        client = await house.client()
        await client.send(b"a STARTTLS\r\nb NOOP\r\n")
        assert await client.closed() == b"* BYE Nothing may follow STARTTLS\r\n"


async def test_tls_from_the_first_byte(serving: Any, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    async with serving(tls=server_tls) as house:

        def work() -> None:
            with imaplib.IMAP4_SSL("localhost", house.tls_port, ssl_context=client_tls) as client:
                assert client.login("ann", "pw")[0] == "OK"
            with imaplib.IMAP4("127.0.0.1", house.port) as client:
                client.host = "localhost"
                assert client.starttls(client_tls)[0] == "OK"
                assert client.login("ann", "pw")[0] == "OK"

        await trio.to_thread.run_sync(work)


def test_time_to_log_in_is_bounded(serving: Any) -> None:
    async def main() -> None:
        async with serving() as house, trio.open_nursery() as nursery:
            ours, theirs = trio.testing.memory_stream_pair()
            nursery.start_soon(_handle, house, Connection(theirs))
            assert (await ours.receive_some()).startswith(b"* OK")
            began, words = trio.current_time(), b"OK"
            while b"BYE" not in words:  # talking does not buy time
                await trio.sleep(10)
                await ours.send_all(b"a NOOP\r\n")
                words = await ours.receive_some()
            assert 110 < trio.current_time() - began < 140

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def _handle(house: Any, connection: Connection) -> None:
    try:
        await house.server.handle(connection)
    except RemoteProtocolError as error:
        await connection.send(error.reply)
    await connection.aclose()
