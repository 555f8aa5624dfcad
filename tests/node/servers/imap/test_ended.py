"""Access that is taken away ends open sessions, wherever they are: waiting, idling, half a command in, not reading."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import trio

from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.evaluate import Evaluator
from node.auth.guests import Guests
from node.servers import listen
from node.store import app_passwords
from node.store.app_passwords import AppPassword
from node.store.database import Writing

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def watched(house: Any, **limits: Any) -> AsyncIterator[Guests]:
    """Let somebody look after the house's sessions; its people have real app passwords from now on."""
    guests = Guests(house.database, Doorkeeper(house.database, Evaluator({}), 0), 3)
    limits = replace(house.server.limits, **limits)
    server = replace(house.server, guests=guests, limits=limits)

    def add(tx: Writing) -> list[AppPassword]:
        return [app_passwords.add(tx, one.id, "pw", frozenset({"imap"}), "") for one in (house.ann, house.bob)]

    rows = await house.database.write(add)
    server.gate.app_passwords = {row.account_id: row for row in rows}
    door, stop = await listen.open_listener("127.0.0.1", 0, "imap"), listen.Stop()
    async with trio.open_nursery() as nursery:

        async def serve(task_status: Any) -> None:
            await listen.serve(
                [door],
                server.handle,
                limits=listen.Limits(grace_seconds=2),
                busy=b"",
                farewell=b"",
                stop=stop,
                task_status=task_status,
            )

        room = await nursery.start(serve)
        house.port = door.address[1]
        yield guests
        stop.request()
    assert room.crashed == 0


async def revoke(house: Any, guests: Guests) -> None:
    row = house.server.gate.app_passwords[house.ann.id]
    assert await house.database.write(lambda tx: app_passwords.revoke(tx, house.ann.id, row.id))
    await guests.go_round()


BYE = b"* BYE Access ended: your app password was revoked\r\n"


async def test_waiting_and_idle_sessions_are_told_and_others_stay(serving: Any) -> None:
    async with serving() as house, watched(house) as guests:
        waiting, idle, other = await house.ready(), await house.ready(), await house.ready("", "bob")
        await idle.idle()
        await guests.go_round()
        await waiting.ok("NOOP")
        await revoke(house, guests)
        assert await waiting.closed() == BYE
        assert await idle.closed() == BYE
        await other.ok("NOOP")


async def test_half_a_command_is_no_refuge(serving: Any) -> None:
    async with serving() as house, watched(house) as guests:
        client = await house.ready()
        await client.send(b"a APPEND INBOX {100000}\r\n")
        assert (await client.line()).startswith(b"+")
        await client.send(b"Subject: slow")
        await revoke(house, guests)
        assert await client.closed() == BYE


async def test_select_asks_at_once(serving: Any) -> None:
    async with serving() as house, watched(house):
        client = await house.ready()
        row = house.server.gate.app_passwords[house.ann.id]
        await house.database.write(lambda tx: app_passwords.revoke(tx, house.ann.id, row.id))
        await client.start("SELECT INBOX")
        assert await client.closed() == BYE


async def test_who_does_not_read_is_cut_off(serving: Any) -> None:
    async with serving() as house, watched(house, end_seconds=0.2) as guests:
        await house.deliver(b"Subject: large\r\n\r\n" + b"x" * (40 << 20))
        client = await house.ready()
        await client.start("FETCH 1 BODY[]")
        await client.line_begins()
        await revoke(house, guests)
        assert len(await client.closed()) < 40 << 20


async def test_right_credentials_are_told_of_the_gate(serving: Any) -> None:
    async with serving() as house:
        client = await house.client()
        assert await client.no("LOGIN gated pw") == b"NO [AUTHORIZATIONFAILED] Your wallet no longer holds it"
