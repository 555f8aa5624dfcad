"""HTTP/1.1 on a connection of the front door: anycorn's engine speaks, we read, write and watch the clock.

Only the engine is taken from anycorn, so that web connections are counted, limited, guarded and seen off at the
same door as mail. HTTP/2 is left out: a few small pages gain nothing, and "h2c" upgrades slip past reverse proxies.
"""

from __future__ import annotations

from typing import Any, cast

import h11
import trio
from anycorn.config import Config
from anycorn.events import Closed, Event, RawData, Updated
from anycorn.logging import Logger
from anycorn.protocol.h11 import H11Protocol
from anycorn.task_group import TaskGroup
from anycorn.utils import wrap_app
from anycorn.worker_context import WorkerContext
from starlette.types import ASGIApp

from node.base.log import get_log
from node.net.stream import Connection, Disconnected

log = get_log(__name__)

IDLE_SECONDS = 30.0  # from the last answer to the end of the next request's head
BODY_SECONDS = 60.0  # between two pieces of a request; the whole of it has the guard's deadline
SEND_SECONDS = 60.0
FAREWELL_SECONDS = 0.1  # for an application to take note that its request is over
MAX_HEAD = 16 * 1024  # octets of a request's head

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
FAREWELL = b""
"""What the front door says to one connection too many, and to idle ones when the node goes down (nothing)."""


class _Log(Logger):
    """anycorn's complaints in our log. What peers do wrong is no news; a crash is."""

    def __init__(self, config: Config) -> None:
        pass

    async def access(self, *_args: Any) -> None: ...

    async def info(self, message: str, *args: Any, **_kwargs: Any) -> None:
        log.debug("http peer", detail=(message % args)[:200])

    async def exception(self, message: str, *_args: Any, **_kwargs: Any) -> None:
        log.exception("http request crashed", detail=message)


class _Protocol(H11Protocol):
    """HTTP/1.1 and nothing else."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Upgrades to HTTP/2 are ignored, as RFC 9110 §7.8 allows; see the module's text."""

    async def _close_stream(self) -> None:
        """Tell the application that the request is over, but do not wait for it to listen.

        An application that answered in the middle of a body reads no more; with its queue full of that body, the
        engine would wait for it inside its own answer, for ever (seen with anycorn 0.20.1).
        """
        with trio.move_on_after(FAREWELL_SECONDS):
            await super()._close_stream()
        self.stream = None


class WebServer:
    """Serves an ASGI application, one connection at a time, as the handler of `listen.serve`.

    Args:
        app: the application, usually a `WebApp`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = wrap_app(cast("Any", app), 0, "asgi")
        self._config = Config()
        self._config.include_server_header = False
        self._config.h11_max_incomplete_size = MAX_HEAD
        self._config.logger_class = _Log
        self._config.websocket_max_message_size = 1024

    async def handle(self, connection: Connection) -> None:
        """Answer requests until one side closes, falls silent, or the node goes down."""
        await _Talk(self._app, self._config, connection).run()


class _Talk:
    """One connection."""

    def __init__(self, app: Any, config: Config, connection: Connection) -> None:
        self._app = app
        self._config = config
        self._connection = connection
        self._context = WorkerContext(None)
        self._idle_since: float | None = trio.current_time()
        self._over = False
        self._reading = trio.CancelScope()

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            if self._connection.stop is not None:
                nursery.start_soon(self._watch_stop, self._connection.stop.wait)
            async with TaskGroup() as tasks:
                protocol = self._protocol(tasks)
                with self._reading:
                    await self._read(protocol)
                await protocol.handle(Closed())  # requests under way learn that nobody waits for them
            nursery.cancel_scope.cancel()

    def _protocol(self, tasks: TaskGroup) -> _Protocol:
        return _Protocol(
            self._app,
            self._config,
            self._context,
            tasks,
            cast("Any", {}),
            self._connection.peer,
            self._connection.local,
            self._send,
            cast("Any", {} if self._connection.tls else None),  # its presence makes the scheme "https"
        )

    async def _read(self, protocol: _Protocol) -> None:
        while not self._over:
            within = BODY_SECONDS
            if self._idle_since is not None:
                within = max(0.0, self._idle_since + IDLE_SECONDS - trio.current_time())
            try:
                data = await self._connection.receive(within=within)
            except trio.TooSlowError:
                return
            if not data:
                return
            await protocol.handle(RawData(data))

    async def _send(self, event: Event) -> None:
        """What the engine wants done."""
        if isinstance(event, RawData):
            try:
                await self._connection.send(event.data, within=SEND_SECONDS)
            except (Disconnected, trio.TooSlowError):
                self._close()
        elif isinstance(event, Closed):
            self._close()
        elif isinstance(event, Updated):
            self._idle_since = trio.current_time() if event.idle else None

    def _close(self) -> None:
        self._over = True
        self._reading.cancel()

    async def _watch_stop(self, wait: Any) -> None:
        """When the node goes down: idle connections end now, busy ones after their answer."""
        await wait()
        await self._context.terminated.set()
        if self._idle_since is not None:
            self._close()
