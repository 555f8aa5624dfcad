"""What goes into Kubo's RPC and comes out of it: a file as a form, answers line by line."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Any

from node.base.errors import RemoteProtocolError
from node.net.ipfs.line import Answered
from node.net.web_service import Content

MAX_LINE = 64 << 10  # octets


class Form:
    """One file as multipart/form-data (RFC 7578), as these RPCs take content."""

    def __init__(self, file: bytes | AsyncIterable[bytes]) -> None:
        boundary = secrets.token_hex(16)
        self.kind = f"multipart/form-data; boundary={boundary}".encode()
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="file"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.content: Content = self._head + file + self._tail if isinstance(file, bytes) else self._pieces(file)

    async def _pieces(self, file: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        yield self._head
        async for piece in file:
            yield piece
        yield self._tail


class Lines:
    """Newline-delimited JSON, however it is cut."""

    def __init__(self, parse: Callable[[bytes], dict[str, Any]], note: Callable[[dict[str, Any]], None]) -> None:
        self._parse = parse
        self._note = note
        self._held = bytearray()

    def take(self, piece: bytes) -> None:
        """The next octets."""
        self._held += piece
        *lines, rest = self._held.split(b"\n")
        self._held = rest
        if len(rest) > MAX_LINE:
            raise RemoteProtocolError(f"a line of an answer is longer than {MAX_LINE} octets")
        for line in lines:
            self._line(bytes(line))

    def finish(self) -> None:
        """What stands behind the last newline is a line, too."""
        self._line(bytes(self._held))

    def _line(self, line: bytes) -> None:
        if not line.strip():
            return
        document = self._parse(line)
        if document.get("Type") == "error":  # an error after the first lines went out with status 200
            raise Answered(f"the daemon stops: {str(document.get('Message'))[:300]}")
        self._note(document)
