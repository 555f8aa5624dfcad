"""SpamAssassin's opinion."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

from node.base.config_opinions import SpamAssassin as SpamAssassinSettings
from node.base.errors import RemoteProtocolError
from node.checks.guard import NotAsked
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Pieces, Subject
from node.checks.points import Points
from node.mail.compose import Trace, received
from node.net.spamd import SpamdClient
from node.wire.spamc import Command


class SpamAssassin:
    """Asks spamd (see `node.checks.guard.Asks`)."""

    name = "spamassassin"

    def __init__(self, settings: SpamAssassinSettings, client: SpamdClient, host: str) -> None:
        self._settings = settings
        self._client = client
        self._host = host

    async def ask(self, subject: Subject) -> Opinion:
        """Its opinion by our thresholds."""
        if subject.readable > self._settings.max_kib << 10:
            raise NotAsked(Reason.CHECK_TOO_LARGE)
        trace = _trace(subject, self._host)
        traced = Traced(trace, subject.pieces())
        length = len(trace) + subject.readable
        answer = await self._client.judge(traced, length, Command.SYMBOLS, self._settings.user)
        if answer.judgement is None:
            raise RemoteProtocolError("spamd does not judge")
        found = answer.judgement
        points = Points(self.name, found.score, found.required, found.is_spam, answer.symbols)
        return points.opinion(self._settings.junk_at, self._settings.refuse_at)


class Traced:
    """A message with our own trace field before it.

    SpamAssassin learns from the topmost Received field who handed the message over. Without ours it would believe
    the one below, which the sender may have made up.
    """

    def __init__(self, trace: bytes, pieces: Pieces) -> None:
        self._trace = trace
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        trace, self._trace = self._trace, b""
        return trace or await anext(self._pieces)


def _trace(subject: Subject, host: str) -> bytes:
    trace = Trace(
        helo=subject.helo, peer=subject.peer, host=host, protocol="ESMTP", id="waxseal", time=int(time.time())
    )
    return received(trace)
