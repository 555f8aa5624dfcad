"""A client of ClamAV's clamd: content is streamed to it (INSTREAM), so it needs no access to our files."""

from __future__ import annotations

from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import dataclass

from node.base.config_places import Place
from node.base.errors import RemoteProtocolError
from node.net.daemon import WAIT_SECONDS, connect
from node.net.stream import Connection, Disconnected
from node.wire.clamd import ClamdConnection, Scan, scan_result


@dataclass(frozen=True, slots=True)
class ClamdClient:
    """Asks the clamd at one place. The caller sets the deadline."""

    where: Place

    async def scan(self, pieces: AsyncIterable[bytes]) -> Scan:
        """What clamd finds in a stream.

        Raises:
            Temporary: it cannot be reached or has gone.
            RemoteProtocolError: its reply makes no sense.
        """
        engine = ClamdConnection()
        async with connect(self.where) as connection:
            with suppress(Disconnected):  # it closes in the middle of a stream that is too long; its reply says so
                await connection.send(engine.command("INSTREAM"), within=WAIT_SECONDS)
                async for piece in pieces:
                    await connection.send(engine.chunk(piece), within=WAIT_SECONDS)
                await connection.send(engine.end(), within=WAIT_SECONDS)
            return scan_result(await _reply(connection, engine))

    async def version(self) -> str:
        """Its version and that of its signatures: "ClamAV 1.4.3/27812/Fri Nov 20 09:10:11 2026".

        Raises:
            Temporary, RemoteProtocolError: it is not there, or not clamd.
        """
        engine = ClamdConnection()
        async with connect(self.where) as connection:
            await connection.send(engine.command("VERSION"), within=WAIT_SECONDS)
            reply = await _reply(connection, engine)
        if not reply.startswith("ClamAV "):
            raise RemoteProtocolError(f"clamd answers VERSION with {reply[:80]!r}")
        return reply


async def _reply(connection: Connection, engine: ClamdConnection) -> str:
    while (reply := engine.next_reply()) is None:
        engine.receive(await connection.receive(within=WAIT_SECONDS))
    return reply
