"""The running node: doors, servers, and the listeners behind them; started and stopped in a fixed order."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import trio
from cryptography import x509

from ai.locate import find_model
from node.anchor import audit
from node.anchor.sealer import Sealer
from node.auth.oauth.door import TokenLogin
from node.auth.oauth.provider import Provider
from node.base.config import Settings
from node.base.errors import ConfigError
from node.base.log import get_log
from node.flow.accept import Accept
from node.flow.append import Append
from node.flow.reception import Limits as SmtpLimits
from node.flow.signing import Signing
from node.flow.submit import Submit
from node.flow.writers import Writers
from node.net.stream import Stop
from node.net.tls import Certificate, self_made, server_context
from node.outbound.runner import Runner
from node.servers.http.server import BUSY, FAREWELL, WebServer
from node.servers.imap.server import ImapServer
from node.servers.imap.server import Limits as ImapLimits
from node.servers.listen import Door, Handler, Limits, Room, serve
from node.servers.smtp import SmtpServer, busy, farewell
from node.service import policy, receipts
from node.service.doors import Doors, Ports, open_doors
from node.service.folders import Folders
from node.service.holding import holding
from node.service.housekeeping import keep_house
from node.service.learning import open_learning, teaches
from node.service.linking import open_linker
from node.service.oauth import open_oauth
from node.service.outgoing import open_runner
from node.service.rooms import Rooms, open_rooms
from node.service.sending import open_lookout
from node.service.web import origin, web_app
from node.service.witnessing import open_cosigning

log = get_log(__name__)

RESTART_SECONDS = 30.0  # before a broken listener is started again

Prepare = Callable[[Rooms], Awaitable[None]]
"""What a caller does with the rooms before the first door opens."""


@dataclass(frozen=True, slots=True)
class Running:
    """A node that serves: where it listens and what it is made of."""

    ports: Ports
    certificate: Certificate
    rooms: Rooms


async def run_node(
    settings: Settings,
    stop: Stop,
    *,
    prepare: Prepare | None = None,
    task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run a node until `stop` is requested.

    Start: store, doors, then the listeners of the change feed, then the servers. Stop: the servers finish what they
    have in hand (bounded), then the listeners are cancelled where they stand, then the store commits and closes.

    Raises:
        ConfigError, Temporary: it cannot start; nothing is left open.
    """
    async with open_rooms(settings) as rooms:
        certificate = certificate_of(settings)
        tls = server_context(certificate)
        if prepare:
            await prepare(rooms)
        await rooms.database.write(partial(policy.begin, settings=settings, keys=rooms.keys))
        doors = await open_doors(settings, tls)
        running = Running(doors.ports, certificate, rooms)
        await _serve(running, doors, tls, stop, task_status)
    log.info("node.stopped")


async def _serve(
    running: Running, doors: Doors, tls: ssl.SSLContext, stop: Stop, task_status: trio.TaskStatus[Running]
) -> None:
    rooms = running.rooms
    runner = open_runner(rooms)
    address = origin(rooms, doors.ports)
    oauth = await trio.to_thread.run_sync(open_oauth, rooms.settings, rooms.folders, rooms.database, address)
    if oauth is not None:
        signs = oauth.plan.ring.keys[0].id
        await rooms.database.write(lambda tx: audit.key_in_use(tx, "oauth", signs))
    async with trio.open_nursery() as background:
        if teaches(rooms.settings):
            await rooms.database.read(rooms.learned.catch_up)
        _start_listeners(rooms, runner, background)
        async with trio.open_nursery() as front:
            for one in _fronts(rooms, runner, doors, tls, oauth):
                await front.start(partial(one.serve, stop))
            await rooms.classifier.load(find_model(rooms.settings.classifier.model))  # ready means: it judges, too
            log.info("node.serving", hostname=rooms.settings.hostname)
            task_status.started(running)
        background.cancel_scope.cancel()


def certificate_of(settings: Settings) -> Certificate:
    """The operator's certificate, or the self-made one, which is made or renewed where needed.

    Raises:
        ConfigError: the self-made one is damaged.
    """
    if settings.tls.certificate and settings.tls.key:
        return Certificate(settings.tls.certificate, settings.tls.key)
    folder = Folders(settings.data).tls
    try:
        return self_made(folder, settings.hostname)
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise ConfigError(
            f"the self-made certificate in {folder} cannot be used ({str(error).partition('.')[0]}); "
            "move the folder away, and a new one is made that clients must import anew"
        ) from None


def _start_listeners(rooms: Rooms, runner: Runner, nursery: trio.Nursery) -> None:
    """Start what follows the change feed and the spool. Each may lag or fail; mail does not wait for it."""
    nursery.start_soon(_guarded, "keeper", rooms.keeper.run)
    nursery.start_soon(_guarded, "sealer", Sealer(rooms.database).run)
    if (cosigning := open_cosigning(rooms.settings, rooms.database)) is not None:
        nursery.start_soon(_guarded, "witnesses", cosigning.run)
    nursery.start_soon(_guarded, "outgoing", runner.run)
    if rooms.settings.offload.enabled:
        nursery.start_soon(_guarded, "offload", rooms.offload.run)
    if rooms.stores.places or rooms.stores.gateways:
        nursery.start_soon(_guarded, "replicas", rooms.replication.run)
    if teaches(rooms.settings):
        nursery.start_soon(_guarded, "learning", open_learning(rooms).run)
    nursery.start_soon(_guarded, "guests", rooms.guests.run)
    nursery.start_soon(_guarded, "blocks", rooms.blocks.run)
    nursery.start_soon(_guarded, "house", partial(keep_house, rooms))


async def _guarded(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run a listener; when it breaks, say so and start it again a little later. It never takes mail down with it."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("listener.broken", listener=name)
        await trio.sleep(RESTART_SECONDS)


@dataclass(frozen=True, slots=True)
class _Front:
    """One protocol: its doors, who is inside, and its words for a full house and for the end."""

    handler: Handler
    doors: Sequence[Door]
    room: Room
    busy: bytes
    farewell: bytes

    async def serve(self, stop: Stop, task_status: trio.TaskStatus[Room] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until the end; `task_status` is told once connections are taken."""
        await serve(
            self.doors,
            self.handler,
            limits=self.room.limits,
            busy=self.busy,
            farewell=self.farewell,
            stop=stop,
            room=self.room,
            task_status=task_status,
        )


def _fronts(rooms: Rooms, runner: Runner, doors: Doors, tls: ssl.SSLContext, oauth: Provider | None) -> list[_Front]:
    """All protocols; both kinds of SMTP port share one room, since the settings count them together."""
    settings, host = rooms.settings, rooms.settings.hostname
    smtp = Room(Limits(settings.smtp.max_connections, settings.smtp.max_connections_per_address))
    imap = Room(Limits(settings.imap.max_connections, settings.imap.max_connections_per_address))
    size = settings.smtp.max_message_mib << 20
    limits = SmtpLimits(message_size=size, recipients=settings.smtp.max_recipients)
    learned = rooms.learned if teaches(settings) else None
    writers = Writers(rooms.database, rooms.doorkeeper, rooms.resolver)
    accept = SmtpServer(Accept(rooms.premises, rooms.panel, limits, learned, holding(settings), writers), host, tls)
    lookout = open_lookout(rooms, doors.ports)
    tokens = None if oauth is None else TokenLogin(rooms.gate, oauth.access)
    inside = (rooms.guests, rooms.scram, tokens, rooms.doorkeeper, Signing(rooms.folders.dkim))
    linker = open_linker(rooms, doors.ports)
    submission_desk = Submit(rooms.premises, rooms.gate, runner.wake, limits, lookout, *inside, linker=linker)
    submit = SmtpServer(submission_desk, host, tls)
    reader = ImapServer(
        rooms.database,
        rooms.blobs,
        rooms.gate,
        Append(rooms.premises),
        rooms.premises.incoming,
        ImapLimits(message=size),
        tls,
        host,
        guests=rooms.guests,
        tokens=tokens,
        scram=rooms.scram,
        receipt=receipts.for_reader(rooms),
    )
    web = WebServer(web_app(rooms, doors.ports, oauth))
    submission = (*doors.submission, *doors.submissions)
    full, bye = b"* BYE Too many connections\r\n", b"* BYE Going down\r\n"
    return [
        _Front(accept.handle, doors.smtp, smtp, busy(host), farewell(host)),
        _Front(submit.handle, submission, smtp, busy(host), farewell(host)),
        _Front(reader.handle, (*doors.imap, *doors.imaps), imap, full, bye),
        _Front(web.handle, doors.http, Room(Limits()), BUSY, FAREWELL),
    ]
