"""Trustless gateways: blocks over plain HTTP from whoever has them, none of them believed (IPFS Trustless Gateway)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from node.base.errors import Temporary
from node.net.breaker import Patience
from node.net.ipfs.line import MAX_BLOCK, Absent, IsRight, Line
from node.net.web_service import WebService

RAW = "application/vnd.ipld.raw"
_ABSENT = frozenset({404, 410, 451})
_HEADERS = ((b"Accept", RAW.encode()),)


class Gateway:
    """One gateway. Make it with `Gateway.open`."""

    def __init__(self, line: Line, service: WebService) -> None:
        self._line = line
        self._service = service

    @classmethod
    @asynccontextmanager
    async def open(
        cls, url: str, name: str, seconds: float = 10.0, patience: Patience | None = None
    ) -> AsyncIterator[Gateway]:
        """A gateway by the address before `/ipfs/`.

        Args:
            seconds: for a block.
        """
        async with WebService.open(url, name) as service:
            yield cls(Line(name, seconds, patience), service)

    @property
    def name(self) -> str:
        """What it is called in log and metrics."""
        return self._line.name

    async def block(self, cid: str, is_right: IsRight) -> bytes:
        """One block, checked.

        Raises:
            Absent: it does not have it.
            Temporary: no answer (in time). A redirect is none: it would lead where nobody configured.
            RemoteProtocolError: what came is too large or another block.
        """

        async def question(_scope: trio.CancelScope) -> bytes:
            answer = await self._service.exchange("GET", f"/ipfs/{cid}?format=raw", MAX_BLOCK, None, _HEADERS)
            if answer.status in _ABSENT:
                raise Absent(f"{self.name} does not have block {cid}")
            if answer.status != 200:
                raise Temporary(f"{self.name} answers with HTTP status {answer.status}")
            return self._line.checked(cid, answer.body, is_right)

        return await self._line.ask(question)
