"""One TCP connection, plain or TLS, with a deadline on every wait: what servers and clients alike read and write."""

from __future__ import annotations

import contextlib
import secrets
import socket
import ssl
import sys
from dataclasses import dataclass, field

import trio

from node.base.errors import Temporary

Endpoint = tuple[str, int]

HANDSHAKE_SECONDS = 60.0
SEND_SECONDS = 300.0
CLOSE_SECONDS = 2.0
DRAIN_BYTES = 256 * 1024
READ_BYTES = 64 * 1024


class Disconnected(Temporary):
    """The peer is gone, or its TLS is broken; nothing more can be said on this connection."""


class Stopping(Exception):
    """The node is going down while this connection waits for its peer: say goodbye and return."""


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """What was agreed in the handshake, for trace fields and the log: TLSv1.3, TLS_AES_128_GCM_SHA256."""

    version: str
    cipher: str


@dataclass(eq=False, slots=True)
class Stop:
    """Tells waiting connections that the node goes down; one object may serve several listeners.

    A connection that waits for its peer with `idle=True` is woken by `Stopping`; one in the middle of a
    transaction is not, and has the grace given to `serve` to finish.
    """

    requested: bool = False
    _event: trio.Event = field(default_factory=trio.Event)
    _idle: set[trio.CancelScope] = field(default_factory=set)

    def request(self) -> None:
        """Begin the end: no new connections, idle ones are woken. May be called more than once."""
        self.requested = True
        self._event.set()
        for scope in self._idle:
            scope.cancel()

    async def wait(self) -> None:
        """Return once the end has been requested."""
        await self._event.wait()


@dataclass(eq=False, slots=True)
class Connection:
    """A byte stream to one peer. Not for use by two readers or two writers at once.

    Attributes:
        peer, local: (address, port) as text and number; ("", 0) when the transport has none.
        tls: None while the connection is plain.
        id: random, names the connection in the log.
        stop: the node's wish to go down, None for clients.
    """

    transport: trio.abc.Stream
    peer: Endpoint = ("", 0)
    local: Endpoint = ("", 0)
    tls: TlsInfo | None = None
    stop: Stop | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(6))

    async def receive(self, maximum: int = READ_BYTES, *, within: float, idle: bool = False) -> bytes:
        """The next bytes of the peer, at most `maximum`; b"" when it has closed or vanished.

        Args:
            within: seconds to wait.
            idle: nothing is under way, so the node's end interrupts the wait.

        Raises:
            trio.TooSlowError: nothing came in time.
            Stopping: only with `idle`.
        """
        stop = self.stop if idle else None
        if stop is not None and stop.requested:
            raise Stopping
        with trio.CancelScope(deadline=trio.current_time() + within) as scope:
            if stop is not None:
                stop._idle.add(scope)
            try:
                return bytes(await self.transport.receive_some(maximum))
            except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
                return b""
            finally:
                if stop is not None:
                    stop._idle.discard(scope)
        if stop is not None and stop.requested:
            raise Stopping
        raise trio.TooSlowError

    def acknowledge(self) -> None:
        """Have TCP acknowledge at once what has come, where the system can.

        A client that sends the end of a command in a segment of its own holds it back until the segment before is
        acknowledged (Nagle), and we would delay that by 40 ms in the hope of an answer to send along (RFC 1122
        §4.2.3.2). For use in the middle of a command, before the next wait; it has no lasting effect.
        """
        stream = self.transport
        if isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        if isinstance(stream, _Lingering):
            stream = stream.stream
        if sys.platform == "linux" and isinstance(stream, trio.SocketStream):
            with contextlib.suppress(OSError):
                stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def channel_bindings(self) -> dict[str, bytes]:
        """What a client may bind a login to on this connection, by name; empty where there is nothing.

        TLS 1.2 has tls-unique (RFC 5929 §3), but not in a session that was resumed: there, somebody in the middle may
        have made two connections end in the same octets (RFC 7627 §1). TLS 1.3 would need tls-exporter (RFC 9266),
        which Python's ssl module does not give.
        """
        stream = self.transport
        if not isinstance(stream, trio.SSLStream) or stream.version() != "TLSv1.2" or stream.session_reused:
            return {}
        data = stream.get_channel_binding("tls-unique")
        return {"tls-unique": data} if data else {}

    async def send(self, data: bytes, *, within: float = SEND_SECONDS) -> None:
        """Send everything.

        Raises:
            Disconnected: the peer is gone.
            trio.TooSlowError: the peer does not read.
        """
        with trio.CancelScope(deadline=trio.current_time() + within):
            try:
                await self.transport.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError) as error:
                raise Disconnected(f"peer {self.peer[0]} is gone: {error}") from error
            return
        raise trio.TooSlowError

    async def start_tls(
        self, context: ssl.SSLContext, *, hostname: str | None = None, within: float = HANDSHAKE_SECONDS
    ) -> TlsInfo:
        """Shake hands; as the client when `hostname` is given, as the server otherwise.

        The caller makes sure that no plaintext bytes of the peer are left over: they must be refused, not carried
        into the encrypted session (CVE-2011-0411).

        Raises:
            Disconnected: the handshake failed; the text says why.
            trio.TooSlowError: it took too long.
        """
        lower = _Lingering(self.transport) if isinstance(self.transport, trio.SocketStream) else self.transport
        stream = trio.SSLStream(lower, context, server_hostname=hostname, server_side=hostname is None)
        with trio.fail_after(within):
            try:
                await stream.do_handshake()
            except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError, OSError) as error:
                raise Disconnected(f"TLS handshake with {self.peer[0]} failed: {_cause(error)}") from error
        self.transport = stream
        cipher = stream.cipher()
        self.tls = TlsInfo(stream.version() or "", cipher[0] if cipher else "")
        return self.tls

    async def aclose(self) -> None:
        """Close so that the last words arrive; bounded in time, never fails. When cancelled, closes at once."""
        with trio.move_on_after(CLOSE_SECONDS):
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError):
                if isinstance(self.transport, trio.SocketStream):
                    await _close_gently(self.transport)
                else:
                    await self.transport.aclose()
            return
        await trio.aclose_forcefully(self.transport)


async def _close_gently(stream: trio.SocketStream) -> None:
    """End our direction, swallow what is still coming (bounded), then close.

    Closing with unread input would make TCP reset the connection and destroy a reply on its way.
    """
    try:
        await stream.send_eof()
        left = DRAIN_BYTES
        while left > 0 and (data := await stream.receive_some(READ_BYTES)):
            left -= len(data)
    finally:
        await trio.aclose_forcefully(stream)


@dataclass(eq=False, slots=True)
class _Lingering(trio.abc.Stream):
    """A socket below TLS that closes gently, after TLS has said its own goodbye (close_notify)."""

    stream: trio.SocketStream

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await _close_gently(self.stream)


def _cause(error: BaseException) -> str:
    """The reason a person can act on: the SSL error below Trio's wrapping, where there is one."""
    cause = error.__cause__
    return str(cause if isinstance(cause, ssl.SSLError | OSError) else error) or type(error).__name__


def endpoints(stream: trio.SocketStream) -> tuple[Endpoint, Endpoint]:
    """(peer, local) of a socket; ("", 0) for a side that is already gone or has no port."""
    return _endpoint(stream.socket.getpeername), _endpoint(stream.socket.getsockname)


def _endpoint(ask: object) -> Endpoint:
    try:
        name = ask()  # type: ignore[operator]
    except OSError:
        return ("", 0)
    if isinstance(name, tuple) and len(name) >= 2:
        # An IPv4 peer on a dual-stack socket is written as IPv4, so that limits and checks see one address.
        return (str(name[0]).removeprefix("::ffff:"), int(name[1]))
    return ("", 0)
