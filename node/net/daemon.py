"""A connection to a daemon beside the node: one question, one answer, over TCP or a Unix socket.

The caller's deadline bounds every wait here. Nothing is said at the end: a daemon that hangs must not keep us.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from node.base.config_places import Place, UnixSocket
from node.base.errors import Temporary
from node.net.stream import Connection

WAIT_SECONDS = 300.0  # for one read or write; callers have shorter deadlines


@asynccontextmanager
async def connect(where: Place) -> AsyncIterator[Connection]:
    """A connection, closed at once at the end.

    Raises:
        Temporary: nobody listens there.
    """
    try:
        stream = await _open(where)
    except OSError as error:
        raise Temporary(f"nobody answers at {where}: {_words(error)}") from None
    try:
        yield Connection(stream)
    finally:
        await trio.aclose_forcefully(stream)


async def _open(where: Place) -> trio.SocketStream:
    if isinstance(where, UnixSocket):
        return await trio.open_unix_socket(where.path)
    return await trio.open_tcp_stream(where.host, where.port)


def _words(error: OSError) -> str:
    causes = error.__cause__.exceptions if isinstance(error.__cause__, ExceptionGroup) else (error.__cause__, error)
    found = next((cause for cause in causes if isinstance(cause, OSError) and cause.errno), None)
    return os.strerror(found.errno) if found and found.errno and found.errno > 0 else str(error)
