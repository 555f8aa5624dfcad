"""A client of SpamAssassin's spamd: one connection a question, as spamd has it."""

from __future__ import annotations

from collections.abc import AsyncIterable
from contextlib import suppress
from dataclasses import dataclass

from node.base.config_places import Place
from node.base.errors import RemoteProtocolError, Temporary
from node.net.daemon import WAIT_SECONDS, connect
from node.net.stream import Connection, Disconnected
from node.wire.spamc import Answer, Command, SpamcConnection

_GARBLED = {64, 76}  # EX_USAGE, EX_PROTOCOL of sysexits.h: it did not understand us


@dataclass(frozen=True, slots=True)
class SpamdClient:
    """Asks the spamd at one place. The caller sets the deadline."""

    where: Place

    async def judge(self, pieces: AsyncIterable[bytes], length: int, command: Command, user: str = "") -> Answer:
        """spamd's judgement of a message.

        Args:
            pieces: the message, `length` octets in all.
            command: CHECK for the score, SYMBOLS for the rules that hit, REPORT for a text.
            user: whose preferences hold; "" for spamd's own.

        Raises:
            Temporary: it cannot be reached, or says that it cannot judge now.
            RemoteProtocolError: its answer makes no sense.
        """
        engine = SpamcConnection(command)
        async with connect(self.where) as connection:
            with suppress(Disconnected):  # it may refuse before it has heard everything: its answer says why
                await connection.send(engine.request(length, user), within=WAIT_SECONDS)
                async for piece in pieces:
                    await connection.send(piece, within=WAIT_SECONDS)
            return await _answer(connection, engine)

    async def ping(self) -> None:
        """Return when spamd is there.

        Raises:
            Temporary, RemoteProtocolError: it is not.
        """
        engine = SpamcConnection(Command.PING)
        async with connect(self.where) as connection:
            await connection.send(engine.request(), within=WAIT_SECONDS)
            answer = await _answer(connection, engine)
        if answer.words != "PONG":
            raise RemoteProtocolError(f"spamd answers PING with {answer.words!r}")


async def _answer(connection: Connection, engine: SpamcConnection) -> Answer:
    while (answer := engine.next_answer()) is None:
        engine.receive(await connection.receive(within=WAIT_SECONDS))
    if answer.code in _GARBLED:
        raise RemoteProtocolError(f"spamd says: {answer.words}")
    if answer.code:
        raise Temporary(f"spamd cannot judge now ({answer.code}): {answer.words}")
    return answer
