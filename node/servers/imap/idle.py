"""IDLE: the client waits, we tell it of every commit at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from node.servers.imap.answer import Answer
from node.wire.imap.commands import State
from node.wire.imap.events import Done, Event

if TYPE_CHECKING:
    from node.servers.imap.session import Session


async def idle(session: Session) -> Answer | None:
    """IDLE (RFC 2177 §3). Ends with DONE, or as every silence does after `Limits.idle_seconds`."""
    session.engine.await_done()
    session.output.write(b"+ idling\r\n")
    await session.sync()
    await session.output.flush()
    event = await _wait(session)
    if isinstance(event, Done):
        return Answer("Idled")
    if event is None or session.engine.state is State.LOGOUT:
        return None
    return Answer("Expected DONE", kind=b"BAD")


async def _wait(session: Session) -> Event | None:
    """The client's next word, while a second task tells it the news."""
    problem: list[Exception] = []

    async def push(scope: trio.CancelScope) -> None:
        try:
            while session.engine.state is not State.LOGOUT:
                await session.watch.wait()
                # Not to be cut off by DONE: half a response would garble the connection. Sending has its own deadline.
                with trio.CancelScope(shield=True):
                    await session.sync(look=True)
                    await session.output.flush()
        except Exception as error:  # noqa: BLE001 - carried over to the session's own task
            problem.append(error)
        scope.cancel()

    event: Event | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(push, nursery.cancel_scope)
        try:
            event = await session.next_event()
        except Exception as error:  # noqa: BLE001 - no exception group leaves here
            problem.append(error)
        nursery.cancel_scope.cancel()
    if problem:
        raise problem[0]
    return event
