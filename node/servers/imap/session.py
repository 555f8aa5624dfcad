"""One client's session: reads events, runs commands, writes responses, keeps time."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import trio

from node.auth.gate import Entry
from node.auth.refusal import Refusal
from node.base.errors import Permanent, RemoteProtocolError, Temporary
from node.base.log import get_log
from node.net.stream import Connection, Disconnected
from node.servers.imap import append, commands, sync
from node.servers.imap.answer import Answer, Refused
from node.servers.imap.basic import capabilities
from node.servers.imap.output import Output
from node.servers.imap.selected import Selected
from node.store.accounts import Account
from node.store.database import Watch
from node.store.refusal import MailboxError, Reason
from node.wire.imap.append import AppendStart
from node.wire.imap.commands import State, Step
from node.wire.imap.connection import ServerConnection
from node.wire.imap.events import Event, LiteralWanted, Malformed, NeedData, Request
from node.wire.imap.render import status

if TYPE_CHECKING:
    from node.servers.imap.server import ImapServer

log = get_log(__name__)

_CODES = {  # RFC 5530 §3, RFC 9051 §7.1
    Reason.MISSING: b"NONEXISTENT",
    Reason.EXISTS: b"ALREADYEXISTS",
    Reason.CANNOT: b"CANNOT",
    Reason.HAS_CHILDREN: b"HASCHILDREN",
    Reason.LIMIT: b"LIMIT",
}


class AccessEnded(Exception):
    """What let this client in is gone: say so and close. Raised where the session waits for its client."""


class Session:
    """The state of one connection.

    Attributes:
        account: who is logged in.
        selected: the mailbox at hand, None outside the selected state.
        failed_logins: on this connection.
    """

    def __init__(self, server: ImapServer, connection: Connection) -> None:
        self.server = server
        self.connection = connection
        self.engine = ServerConnection(server.limits.engine)
        self.output = Output(connection)
        self.selected: Selected | None = None
        self.failed_logins = 0
        self._account: Account | None = None
        self._watch: Watch | None = None
        self._stack = AsyncExitStack()
        self._bad = 0
        self._entry: Entry | None = None
        self._ended: Refusal | None = None
        self._waiting: trio.CancelScope | None = None
        self._whole = trio.CancelScope()
        self._login_by = trio.current_time() + server.limits.login_seconds

    @property
    def may_login(self) -> bool:
        """Passwords travel over TLS only (RFC 3501 §11.1, RFC 8314 §4)."""
        return self.connection.tls is not None or self.server.login_in_clear

    @property
    def account(self) -> Account:
        """Who is logged in; the engine's states see to it that somebody is."""
        assert self._account is not None
        return self._account

    @property
    def person(self) -> Account:
        """Who it is: the account's owner, or somebody whom the account is shared with."""
        return self._entry.person or self.account if self._entry else self.account

    @property
    def mailbox(self) -> Selected:
        """The selected mailbox; the engine's states see to it that there is one."""
        assert self.selected is not None
        return self.selected

    @property
    def watch(self) -> Watch:
        """Tells whether anything was committed to the account; there is one from login on."""
        assert self._watch is not None
        return self._watch

    async def login(self, entry: Entry) -> None:
        """Record who it is."""
        self._entry, self._account = entry, entry.account
        self._watch = await self._stack.enter_async_context(self.server.database.watch(entry.account.id))
        if self.server.guests:
            self._stack.enter_context(self.server.guests.enter(entry, "imap", self.end))
        self.engine.advance(Step.LOGIN)

    async def check(self) -> None:
        """Ask again whether the client may be here; called where that is cheap beside the command.

        Raises:
            AccessEnded: it may not.
        """
        if self.server.guests and self._entry:
            self._ended = self._ended or await self.server.guests.check(self._entry, "imap")
        if self._ended:
            raise AccessEnded

    def end(self, refusal: Refusal) -> None:
        """Take access away: a client that is waited for is told at once, a command at hand may still be answered."""
        self._ended = refusal
        self._whole.deadline = trio.current_time() + self.server.limits.end_seconds
        if self._waiting:
            self._waiting.cancel()

    async def run(self) -> None:
        """Greet, then serve until LOGOUT or the end of the connection."""
        with self._whole:
            async with self._stack:
                try:
                    await self._serve()
                except AccessEnded:
                    await self._farewell()

    async def _farewell(self) -> None:
        words = self._ended.words if self._ended else ""
        log.info("imap.ended", reason=str(self._ended.reason) if self._ended else "")
        self.output.write(status(b"*", b"BYE", f"Access ended: {words}"))
        await self.output.flush()

    async def _serve(self) -> None:
        greeting = f"{self.server.hostname} Waxseal ready"
        self.output.write(status(b"*", b"OK", greeting, b"CAPABILITY " + capabilities(self)))
        while self.engine.state is not State.LOGOUT:
            event = await self.next_event()
            if event is None:
                break
            await self._handle(event)
        await self.output.flush()

    async def next_event(self, *, idle: bool = True) -> Event | None:
        """The next event that concerns a command; None when the client is gone. Sends what is pending before it waits.

        Args:
            idle: nothing is under way, so the node may stop here.
        """
        while True:
            event = self.engine.next_event()
            if isinstance(event, LiteralWanted):
                self.output.write(b"+ Ready for more\r\n")
            elif not isinstance(event, NeedData):
                return event
            else:
                await self.output.flush()
                data = await self._receive(idle)
                if not data:
                    return None
                self.engine.receive(data)

    async def _receive(self, idle: bool) -> bytes:
        within = self.server.limits.idle_seconds
        if self._account is None:
            within = max(self._login_by - trio.current_time(), 0)
        if self.engine.midway:
            self.connection.acknowledge()
        try:
            return await self._unless_ended(within, idle)
        except trio.TooSlowError:
            raise RemoteProtocolError(
                "client was silent too long", b"* BYE Autologout; silent for too long\r\n"
            ) from None

    async def _unless_ended(self, within: float, idle: bool) -> bytes:
        """The client's next bytes. To wake it here is safe: no response is half sent while the client is waited for."""
        if self._ended:
            raise AccessEnded
        with trio.CancelScope() as self._waiting:
            return await self.connection.receive(within=within, idle=idle)
        self._waiting = None
        raise AccessEnded

    async def _handle(self, event: Event) -> None:
        match event:
            case Request(tag, command):
                self._bad = 0
                await self._answer(tag, commands.execute(self, tag, command))
            case AppendStart():
                await self._answer(event.tag, append.append(self, event))
            case Malformed():
                await self._malformed(event)
            case _:
                raise RemoteProtocolError(f"unexpected {type(event).__name__}")

    async def _answer(self, tag: bytes, work: commands.Work) -> None:
        """Run a command and send its tagged response; what went wrong in expected ways becomes a NO."""
        try:
            answer = await work
        except Refused as refusal:
            answer = refusal.answer
        except MailboxError as error:
            answer = Answer(str(error), _CODES.get(error.reason, b""), b"NO")
        except Disconnected:
            raise
        except Temporary as error:
            log.warning("imap command failed", reason=str(error))
            answer = Answer("Not possible at the moment; try again later", b"UNAVAILABLE", b"NO")
        except Permanent as error:
            log.warning("imap command failed", reason=str(error))
            answer = Answer(str(error), b"", b"NO")
        if answer is not None:
            self.output.write(status(tag, answer.kind, answer.text, answer.code))
            await self.output.drain()

    async def _malformed(self, event: Malformed) -> None:
        self.output.write(status(event.tag or b"*", event.kind, event.reason, event.code))
        self._bad += event.kind == b"BAD"
        if self._bad >= self.server.limits.bad_commands:
            self.bye("Too many bad commands")

    def bye(self, text: str) -> None:
        """Say goodbye; the session ends after the command at hand."""
        self.output.write(status(b"*", b"BYE", text))
        self.engine.advance(Step.LOGOUT)

    async def sync(self, *, expunge: bool = True, look: bool = False) -> None:
        """Tell the client what others have done to the selected mailbox; see sync.announce."""
        await sync.announce(self, expunge=expunge, look=look)
