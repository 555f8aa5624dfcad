"""Gossip: two who follow the same log tell each other which of its checkpoints they have seen.

A log that shows two histories must keep those who see the one from those who see the other. Whoever exchanges
checkpoints with a single one of the others finds it out; and the checkpoints are signed by the log, so nobody needs to
trust a peer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import trio
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.anchor import fork, note
from node.anchor.fork import Fork
from node.base.errors import RemoteProtocolError, Temporary
from node.net.web_service import WebService

PATH = "/log/seen"
MAX_CHECKPOINTS = 32
MAX_FORKS = 16
MAX_ANSWER = 1 << 20  # octets
ANSWER_SECONDS = 20.0
_TEXT = ((b"Content-Type", b"text/plain; charset=utf-8"),)


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    origin: str = Field(max_length=1024)
    checkpoints: list[str] = Field(max_length=MAX_CHECKPOINTS)
    forks: list[dict[str, Any]] = Field(max_length=MAX_FORKS)


@dataclass(frozen=True, slots=True)
class SeenByPeer:
    """What a peer tells of a log: signed checkpoints and evidence of forks, nothing of it verified."""

    checkpoints: tuple[str, ...]
    forks: tuple[Fork, ...]


class Peer:
    """Somebody else who follows logs: a node that witnesses or keeps what it saw.

    Args:
        service: open at its base address.
        url: that address, for the log.
    """

    def __init__(self, service: WebService, url: str) -> None:
        self._service = service
        self.url = url

    async def exchange(self, origin: str, signed: str) -> SeenByPeer:
        """Give the newest checkpoint we have verified of a log ("" for none) and get what the peer has seen of it.

        Raises:
            Temporary: it does not answer in time, or does not follow that log.
            RemoteProtocolError: its answer is none, or too long.
        """
        query, body = ("", signed.encode()) if signed else (f"?origin={quote(origin, safe='')}", None)
        method, headers = ("POST", _TEXT) if body else ("GET", ())
        answer = None
        with trio.move_on_after(ANSWER_SECONDS):
            answer = await self._service.exchange(method, PATH + query, MAX_ANSWER, body, headers)
        if answer is None:
            raise Temporary(f"the peer {self.url} does not answer within {ANSWER_SECONDS:.0f} s")
        if answer.status != 200:
            raise Temporary(f"the peer {self.url} answers with HTTP status {answer.status}")
        return read(answer.body, origin)


def read(body: bytes, origin: str) -> SeenByPeer:
    """Read a peer's answer.

    Raises:
        RemoteProtocolError: it is none, or about another log.
    """
    try:
        document = _Body.model_validate_json(body)
        forks = tuple(fork.parse(json.dumps(one)) for one in document.forks)
    except (ValidationError, note.NoteError, RecursionError) as error:
        raise RemoteProtocolError(f"the peer's answer makes no sense: {type(error).__name__}") from None
    if document.origin != origin:
        raise RemoteProtocolError(f"the peer answers about {document.origin[:80]}, not {origin}")
    return SeenByPeer(tuple(document.checkpoints), forks)
