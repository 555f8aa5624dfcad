"""The front door: accepts connections, counts them, guards each one, and closes the house in good order.

Protocol-neutral. A protocol is a coroutine that gets a `Connection` and returns when the talk is over:

    async def greet(connection: Connection) -> None:
        await connection.send(b"* OK hello\\r\\n")
        while data := await connection.receive(within=1800, idle=True):   # Stopping: the node goes down
            await connection.send(data)

    stop = Stop()
    door = await open_listener("127.0.0.1", 2143, "imap")
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(serve, [door], greet, limits=Limits(), busy=b"* BYE Too many connections\\r\\n",
                                    farewell=b"* BYE Server shutting down\\r\\n", stop=stop))

The handler need not close the connection nor catch anything: `Disconnected`, `trio.TooSlowError`, `Stopping` and
crashes end here. `stop.request()`, or cancelling `serve`, ends accepting at once, wakes idle connections and gives
the busy ones `limits.grace_seconds` to finish.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import trio

from node.base import metrics
from node.base.errors import RemoteProtocolError
from node.base.log import bind, get_log
from node.net.stream import HANDSHAKE_SECONDS, Connection, Disconnected, Endpoint, Stop, Stopping, TlsInfo, endpoints

__all__ = [
    "Connection",
    "Disconnected",
    "Door",
    "Endpoint",
    "Handler",
    "Limits",
    "Room",
    "Stop",
    "Stopping",
    "TlsInfo",
    "open_listener",
    "serve",
]

log = get_log(__name__)

Handler = Callable[[Connection], Awaitable[None]]

GOODBYE_SECONDS = 5.0
BACKLOG = 511


@dataclass(frozen=True, slots=True)
class Limits:
    """What the outside may take of one `serve`.

    Attributes:
        connections: at a time; more are told `busy` and closed.
        per_address: at a time from one IPv4 address or one IPv6 /64, the smallest block a customer gets.
        handshake_seconds: for the TLS handshake of a door with TLS from the first byte.
        grace_seconds: for connections in the middle of something when the node goes down.
    """

    connections: int = 1000
    per_address: int = 50
    handshake_seconds: float = HANDSHAKE_SECONDS
    grace_seconds: float = 15.0


@dataclass(frozen=True, slots=True)
class Door:
    """One listening socket.

    Attributes:
        name: for the log: "smtp", "imaps".
        address: where it listens; the port is the real one when 0 was asked for.
        tls: the context when TLS starts with the first byte (RFC 8314); None for plain and STARTTLS doors.
    """

    listener: trio.SocketListener
    name: str
    address: Endpoint
    tls: ssl.SSLContext | None = None


@dataclass(eq=False, slots=True)
class Room:
    """Who is inside, and what has happened at the door since the start."""

    limits: Limits
    inside: int = 0
    by_network: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    refused: int = 0
    crashed: int = 0
    scopes: set[trio.CancelScope] = field(default_factory=set)
    empty: trio.Event = field(default_factory=trio.Event)

    def is_full_for(self, network: str) -> bool:
        """True when one more connection from there would be too many."""
        return self.inside >= self.limits.connections or self.by_network[network] >= self.limits.per_address

    def enter(self, network: str, scope: trio.CancelScope) -> None:
        """Count a connection in."""
        self.accepted += 1
        self.inside += 1
        self.by_network[network] += 1
        self.scopes.add(scope)

    def leave(self, network: str, scope: trio.CancelScope) -> None:
        """Count a connection out."""
        self.inside -= 1
        self.scopes.discard(scope)
        self.by_network[network] -= 1
        if not self.by_network[network]:
            del self.by_network[network]
        if not self.inside:
            self.empty.set()


async def open_listener(host: str, port: int, name: str, tls: ssl.SSLContext | None = None) -> Door:
    """Bind and listen; `port` 0 takes any free one (see `Door.address`). `host` is an address, not a name.

    Raises:
        OSError: the address is in use, or the port needs privileges.
    """
    family = trio.socket.AF_INET6 if ":" in host else trio.socket.AF_INET
    sock = trio.socket.socket(family, trio.socket.SOCK_STREAM)
    try:
        sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_REUSEADDR, 1)
        if family == trio.socket.AF_INET6:
            sock.setsockopt(trio.socket.IPPROTO_IPV6, trio.socket.IPV6_V6ONLY, 1)
        await sock.bind((host, port))
        sock.listen(BACKLOG)
        bound = sock.getsockname()
    except BaseException:
        sock.close()
        raise
    return Door(trio.SocketListener(sock), name, (str(bound[0]), int(bound[1])), tls)


async def serve(
    doors: Sequence[Door],
    handler: Handler,
    *,
    limits: Limits,
    busy: bytes,
    farewell: bytes,
    stop: Stop,
    room: Room | None = None,
    task_status: trio.TaskStatus[Room] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until `stop` is requested or the caller cancels; then let those inside finish and return.

    Takes the doors over and closes them. Counts all doors together in `room` (a new one by default); pass the
    same `room` to several calls to let them share their limits.

    Args:
        busy: sent to a connection that is one too many; not over TLS, where a handshake would cost more than it says.
        farewell: sent to an idle connection when the node goes down.
    """
    room = room or Room(limits)
    guest = partial(_guest, handler=handler, room=room, busy=busy, farewell=farewell, stop=stop)
    async with trio.open_nursery() as guests, trio.open_nursery() as accepting:
        for door in doors:
            accepting.start_soon(
                partial(trio.serve_listeners, partial(guest, door), [door.listener], handler_nursery=guests)
            )
        task_status.started(room)
        try:
            await stop.wait()
        finally:
            stop.request()
            accepting.cancel_scope.cancel()
            guests.start_soon(_see_off, room)


async def _see_off(room: Room) -> None:
    """Wait for those inside, but not for ever. Shielded: this is what runs when the caller cancels."""
    with trio.CancelScope(shield=True):
        if room.inside:
            if room.empty.is_set():  # else somebody else who shares the room waits for it already
                room.empty = trio.Event()
            with trio.move_on_after(room.limits.grace_seconds):
                await room.empty.wait()
        for scope in room.scopes:
            scope.cancel()


async def _guest(
    door: Door, stream: trio.SocketStream, *, handler: Handler, room: Room, busy: bytes, farewell: bytes, stop: Stop
) -> None:
    """One accepted connection from its first to its last moment."""
    peer, local = endpoints(stream)
    connection = Connection(stream, peer, local, stop=stop)
    network = network_of(peer[0])
    if room.is_full_for(network):
        room.refused += 1
        metrics.connections_refused.labels(door.name).inc()
        log.info("connection refused, too many", door=door.name, peer=peer[0], inside=room.inside)
        with trio.move_on_after(GOODBYE_SECONDS, shield=True):
            await _say(connection, b"" if door.tls else busy)
            await trio.aclose_forcefully(stream)
        return
    with trio.CancelScope(shield=True) as scope, bind(connection=connection.id, door=door.name, peer=peer[0]):
        room.enter(network, scope)
        metrics.connections.labels(door.name).inc()
        try:
            with metrics.connections_open.labels(door.name).track_inprogress():
                await _guard(connection, door, handler, room, farewell)
        finally:
            room.leave(network, scope)


async def _guard(connection: Connection, door: Door, handler: Handler, room: Room, farewell: bytes) -> None:
    """The crash guard: whatever happens to one connection stays with that connection."""
    try:
        if door.tls is not None:
            await connection.start_tls(door.tls, within=room.limits.handshake_seconds)
        await handler(connection)
    except Stopping:
        await _say(connection, farewell)
    except trio.TooSlowError:
        log.info("connection closed, peer too slow")
    except Disconnected as error:
        log.info("connection lost", reason=str(error))
    except RemoteProtocolError as error:
        log.info("connection closed, protocol error", reason=str(error))
        await _say(connection, error.reply)
    except Exception:  # the guard: logged, counted, closed; it never kills the node
        room.crashed += 1
        metrics.connection_crashes.labels(door.name).inc()
        log.exception("connection crashed")
    finally:
        await connection.aclose()


async def _say(connection: Connection, words: bytes) -> None:
    """Last words; nobody minds when they do not arrive."""
    if words:
        try:
            await connection.send(words, within=GOODBYE_SECONDS)
        except (Disconnected, trio.TooSlowError):
            log.debug("last words not heard")


def network_of(address: str) -> str:
    """The unit that limits count: an IPv4 address, an IPv6 /64; anything else as it stands."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if ip.version == 4:
        return str(ip)
    return str(ipaddress.IPv6Address(int(ip) >> 64 << 64))
