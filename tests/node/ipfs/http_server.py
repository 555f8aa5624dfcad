"""A small HTTP server for tests, and on it a pinning service written from the specification (version 1.0.0)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import h11
import trio

Answer = tuple[int, bytes]


@dataclass
class Request:
    """What came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@asynccontextmanager
async def serving_http(answer: Callable[[Request], Answer]) -> AsyncIterator[str]:
    """The address of a server on loopback that answers what the function says."""

    async def handle(stream: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await _converse(stream, answer)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


async def _converse(stream: trio.SocketStream, answer: Callable[[Request], Answer]) -> None:
    connection = h11.Connection(h11.SERVER)
    while True:
        head, body = None, b""
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                connection.receive_data(await stream.receive_some(65536))
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return
        assert head is not None
        headers = {name.decode().lower(): value.decode() for name, value in head.headers}
        status, content = answer(Request(head.method.decode(), head.target.decode(), headers, body))
        fields = [("Content-Length", str(len(content))), ("Content-Type", "application/json")]
        for event in (h11.Response(status_code=status, headers=fields), h11.Data(data=content), h11.EndOfMessage()):
            await stream.send_all(connection.send(event) or b"")
        if connection.our_state is h11.MUST_CLOSE:
            return
        connection.start_next_cycle()


@dataclass
class SpecService:
    """A pinning service: every look at a pin brings it one step further, unless `stuck` names its fate."""

    token: str
    pins: dict[str, dict[str, Any]] = field(default_factory=dict)
    stuck: str = ""
    made: int = 0

    def __call__(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return _error(401, "UNAUTHORIZED", "Access token is missing or invalid")
        url = urlsplit(request.target)
        parts = [unquote(part) for part in url.path.strip("/").split("/")]
        match request.method, parts:
            case "GET", ["pins"]:
                return self._list(parse_qs(url.query))
            case "POST", ["pins"]:
                return self._add(request.body)
            case "GET" | "POST" | "DELETE", ["pins", name]:
                return self._one(request, name)
        return _error(404, "NOT_FOUND", "no such route")

    def _list(self, query: dict[str, list[str]]) -> Answer:
        limit = int(query.get("limit", ["10"])[0])
        if not 1 <= limit <= 1000:
            return _error(400, "BAD_REQUEST", "limit is 1 to 1000")
        states = query.get("status", ["pinned"])[0].split(",")
        cids = query["cid"][0].split(",") if "cid" in query else None
        if cids is not None and not 1 <= len(cids) <= 10:
            return _error(400, "BAD_REQUEST", "cid names 1 to 10")
        found = [
            one
            for one in reversed(self.pins.values())
            if one["status"] in states and (cids is None or one["pin"]["cid"] in cids)
        ]
        return 200, json.dumps({"count": len(found), "results": found[:limit]}).encode()

    def _add(self, body: bytes) -> Answer:
        pin = json.loads(body)
        if not isinstance(pin.get("cid"), str) or set(pin) - {"cid", "name", "origins", "meta"}:
            return _error(400, "BAD_REQUEST", "a Pin has a cid")
        self.made += 1
        made = {
            "requestid": f"request/{self.made}",  # a slash: whoever does not quote it goes astray
            "status": "queued",
            "created": "2026-11-21T12:00:00Z",
            "pin": pin,
            "delegates": [],
        }
        self.pins[made["requestid"]] = made
        return 202, json.dumps(made).encode()

    def _one(self, request: Request, name: str) -> Answer:
        if name not in self.pins:
            return _error(404, "NOT_FOUND", "The specified resource was not found")
        if request.method == "DELETE":
            del self.pins[name]
            return 202, b""
        if request.method == "POST":
            del self.pins[name]
            return self._add(request.body)
        one = self.pins[name]
        steps = {"queued": "pinning", "pinning": "pinned"}
        one["status"] = self.stuck or steps.get(one["status"], one["status"])
        return 200, json.dumps(one).encode()


def _error(status: int, reason: str, details: str) -> Answer:
    return status, json.dumps({"error": {"reason": reason, "details": details}}).encode()
