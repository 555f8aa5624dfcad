"""ClamAV's protocol, the client's side (clamd(8): commands with the prefix z end with NUL). Bytes in, a reply out.

    engine = ClamdConnection()
    out = engine.command("INSTREAM") + engine.chunk(piece) + engine.end()
    engine.receive(data)                   # b"" is the end of the stream
    engine.next_reply()                    # "stream: OK", or None while more is needed
    scan_result("stream: Eicar-Test FOUND")    # Found("Eicar-Test")

Whatever clamd sends, the engine gives a reply or raises `RemoteProtocolError`; how the bytes are cut does not matter.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

from node.base.errors import LocalProtocolError, RemoteProtocolError

MAX_REPLY = 4096  # octets
MAX_CHUNK = (1 << 32) - 1

_COMMAND = re.compile(r"[A-Z]{1,20}\Z")
_PRINTABLE = re.compile(r"[ -~]+\Z")


@dataclass(frozen=True, slots=True)
class Clean:
    """Nothing known was found."""


@dataclass(frozen=True, slots=True)
class Found:
    """A signature matched; its name, as clamd has it."""

    name: str


@dataclass(frozen=True, slots=True)
class OverLimit:
    """The stream is longer than clamd takes (StreamMaxLength): not scanned."""


@dataclass(frozen=True, slots=True)
class Failed:
    """clamd could not scan it; what it said."""

    words: str


Scan = Clean | Found | OverLimit | Failed


class ClamdConnection:
    """One command and its reply; clamd closes after it."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._ended = False

    def command(self, name: str) -> bytes:
        """A command such as INSTREAM, PING or VERSION.

        Raises:
            LocalProtocolError: that is no command.
        """
        if not _COMMAND.match(name):
            raise LocalProtocolError(f"{name!r} is no command of clamd")
        return f"z{name}\0".encode()

    def chunk(self, data: bytes) -> bytes:
        """A piece of the stream with its length before it. An empty one would end the stream and so is left out."""
        if len(data) > MAX_CHUNK:
            raise LocalProtocolError("a chunk has at most 4 GiB")
        return struct.pack(">I", len(data)) + data if data else b""

    def end(self) -> bytes:
        """The end of the stream."""
        return struct.pack(">I", 0)

    def receive(self, data: bytes) -> None:
        """Take what clamd sent; b"" says that it has closed."""
        self._buffer += data
        self._ended = self._ended or not data

    def next_reply(self) -> str | None:
        """The reply without its NUL, or None while more is needed.

        Raises:
            RemoteProtocolError: this is no reply, or too long a one, or it is cut off.
        """
        reply, nul, _ = bytes(self._buffer[: MAX_REPLY + 1]).partition(b"\0")
        if len(reply) > MAX_REPLY:
            raise RemoteProtocolError("clamd's reply is too long")
        if not nul:
            if self._ended:
                raise RemoteProtocolError("clamd closed within its reply")
            return None
        text = reply.decode("latin-1").strip()
        if not _PRINTABLE.match(text):
            raise RemoteProtocolError(f"clamd's reply makes no sense: {reply[:80]!r}")
        return text


def scan_result(reply: str) -> Scan:
    """What a reply to INSTREAM says.

    Raises:
        RemoteProtocolError: it says nothing that clamd says.
    """
    if reply == "stream: OK":
        return Clean()
    if reply.startswith("stream: ") and reply.endswith(" FOUND"):
        name = reply.removeprefix("stream: ").removesuffix(" FOUND").strip()
        if name:
            return Found(name)
    if reply.endswith("ERROR"):
        return OverLimit() if "size limit exceeded" in reply else Failed(reply)
    raise RemoteProtocolError(f"clamd's reply makes no sense: {reply[:80]!r}")
