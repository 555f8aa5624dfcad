"""Pinning services: somebody who keeps trees for us, by the IPFS Pinning Service API specification 1.0.0.

Only names travel here: the service fetches the blocks over IPFS, from the addresses given as `origins`, so one of our
Kubo daemons must hold them and be reachable. What the service says of a pin is its word.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Annotated, TypeVar
from urllib.parse import quote, urlencode

import trio
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from node.base.errors import RemoteProtocolError, Temporary
from node.net.breaker import Patience
from node.net.ipfs.line import Answered, Line
from node.net.web_service import WebService

MAX_ANSWER = 1 << 20  # octets
MAX_RESULTS = 1000  # of one listing, as the specification has it
_JSON = (b"Content-Type", b"application/json")

Short = Annotated[str, Field(max_length=255)]
Address = Annotated[str, Field(max_length=1024)]


class State(StrEnum):
    """How far the service is with a pin."""

    QUEUED = "queued"
    PINNING = "pinning"
    PINNED = "pinned"
    FAILED = "failed"


class _Model(BaseModel):
    """What comes from outside: unknown fields are ignored, known ones checked."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Pin(_Model):
    """What is to be kept: schema `Pin`.

    Attributes:
        cid: of the tree's root.
        origins: multiaddresses where the blocks can be fetched.
    """

    cid: Short
    name: Short = ""
    origins: Annotated[list[Address], Field(max_length=20)] = []
    meta: dict[str, str] | None = None

    def document(self) -> bytes:
        """As JSON."""
        return self.model_dump_json(exclude_defaults=True).encode()


class PinStatus(_Model):
    """What became of it: schema `PinStatus`."""

    requestid: Annotated[str, Field(min_length=1, max_length=512)]
    status: State
    created: Short
    pin: Pin
    delegates: Annotated[list[Address], Field(max_length=20)] = []
    info: dict[str, str] | None = None


class Pins(_Model):
    """A listing: schema `PinResults`; `count` counts what there is, not what is in `results`."""

    count: Annotated[int, Field(ge=0)]
    results: Annotated[list[PinStatus], Field(max_length=MAX_RESULTS)]


class _Error(_Model):
    reason: Short
    details: Annotated[str, Field(max_length=2000)] = ""


class _Failure(_Model):
    error: _Error


M = TypeVar("M", bound=_Model)


class NoSuchPin(Answered):
    """The service does not know the request (any more)."""


class PinningService:
    """One service. Make it with `PinningService.open`.

    Its verbs `send`, `holds` and `drop` are those of a place that replicas go to (node.ipfs.replication).
    """

    is_source = False  # blocks come back over gateways and daemons

    def __init__(self, line: Line, service: WebService, origins: Sequence[str] = ()) -> None:
        self._line = line
        self._service = service
        self._origins = list(origins)

    @classmethod
    @asynccontextmanager
    async def open(
        cls,
        url: str,
        name: str,
        token: str,
        *,
        origins: Sequence[str] = (),
        seconds: float = 10.0,
        patience: Patience | None = None,
    ) -> AsyncIterator[PinningService]:
        """A service by the address before `/pins`.

        Args:
            token: sent as `Authorization: Bearer`; never logged.
            origins: multiaddresses of daemons that hold our blocks.
        """
        async with WebService.open(url, name, [(b"Authorization", b"Bearer " + token.encode())]) as service:
            yield cls(Line(name, seconds, patience), service, origins)

    @property
    def name(self) -> str:
        """What it is called in log and metrics."""
        return self._line.name

    async def list(
        self, *, cids: Sequence[str] = (), states: Sequence[State] = tuple(State), limit: int = MAX_RESULTS
    ) -> Pins:
        """The newest pins: GET /pins.

        Args:
            cids: only of these roots, ten at most (the specification's bound).
        """
        query = {"status": ",".join(states), "limit": str(limit)} | ({"cid": ",".join(cids)} if cids else {})
        return await self._ask("GET", f"/pins?{urlencode(query, safe=',')}", Pins)

    async def add(self, pin: Pin) -> PinStatus:
        """Ask for a pin: POST /pins."""
        return await self._ask("POST", "/pins", PinStatus, pin.document())

    async def get(self, request: str) -> PinStatus:
        """How far it is: GET /pins/{requestid}.

        Raises:
            NoSuchPin: it is not known.
        """
        return await self._ask("GET", _of(request), PinStatus)

    async def replace(self, request: str, pin: Pin) -> PinStatus:
        """Pin this instead: POST /pins/{requestid}; the answer has a request id of its own."""
        return await self._ask("POST", _of(request), PinStatus, pin.document())

    async def delete(self, request: str) -> None:
        """Keep it no longer: DELETE /pins/{requestid}. A pin that is not there is no error."""
        try:
            await self._exchange("DELETE", _of(request))
        except NoSuchPin:
            return

    # --- as a place for replicas ------------------------------------------------------------------------------------

    async def send(self, root: str, _car: object, _size: int) -> str:
        """Ask it to keep a tree; return the request's id. What it was asked before is found again."""
        known = await self.list(cids=[root], limit=10)
        for one in known.results:
            if one.status is not State.FAILED and one.pin.cid == root:
                return one.requestid
        return (await self.add(Pin(cid=root, origins=self._origins))).requestid

    async def holds(self, root: str, request: str) -> bool | None:
        """True once it says that it has the whole tree, False while it fetches it, None when it knows of no pin.

        Raises:
            Answered: it could not fetch the tree. The failed pin is taken back, so that it can be asked anew.
        """
        try:
            status = await self.get(request)
        except NoSuchPin:
            return None
        if status.pin.cid != root:
            raise RemoteProtocolError(f"{self.name} shows another tree under the request for {root}")
        if status.status is not State.FAILED:
            return status.status is State.PINNED
        await self.delete(request)
        raise Answered(f"{self.name} could not fetch {root}: is one of our daemons reachable at its `origins`?")

    async def drop(self, _root: str, request: str) -> None:
        """Keep a tree no longer."""
        if request:
            await self.delete(request)

    async def hello(self) -> str:
        """A word about how it is, for people."""
        pins = await self.list(limit=1)
        return f"answers; it keeps {pins.count} pins of this account"

    async def _ask(self, method: str, path: str, model: type[M], body: bytes | None = None) -> M:
        answer = await self._exchange(method, path, body)
        try:
            return model.model_validate_json(answer)
        except ValidationError as error:
            where = ".".join(str(part) for part in error.errors()[0]["loc"])
            raise RemoteProtocolError(
                f"{self.name} answers what the specification does not know, at {where!r}"
            ) from None

    async def _exchange(self, method: str, path: str, body: bytes | None = None) -> bytes:
        async def question(_scope: trio.CancelScope) -> bytes:
            answer = await self._service.exchange(method, path, MAX_ANSWER, body, [_JSON] if body is not None else [])
            if answer.status in {200, 202}:
                return answer.body
            raise self._refusal(answer.status, answer.body)

        return await self._line.ask(question)

    def _refusal(self, status: int, body: bytes) -> Temporary:
        try:
            error = _Failure.model_validate_json(body).error
            words = f"{error.reason} {error.details}".strip()
        except ValidationError:
            words = f"HTTP status {status}"
        if status == 404:
            return NoSuchPin(f"{self.name} does not know this pin: {words}")
        if status in {401, 403}:
            return Answered(f"{self.name} refuses our token: {words}; put a fresh one into its token file")
        return Answered(f"{self.name} refuses: {words}") if status < 500 else Temporary(f"{self.name} fails: {words}")


def _of(request: str) -> str:
    return f"/pins/{quote(request, safe='')}"
