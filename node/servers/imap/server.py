"""The IMAP server: what every session shares, and the handler the front door calls."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from node.auth.gate import Entry
from node.auth.guests import Guests
from node.auth.oauth.door import TokenLogin
from node.auth.refusal import Refusal
from node.auth.scram_login import ScramLogin
from node.net.stream import Connection
from node.servers.imap.session import Session
from node.store.accounts import Account
from node.store.blobs import Blobs
from node.store.database import Database
from node.store.incoming import Incoming
from node.store.mailboxes import Mailbox
from node.store.messages import Flag, Message
from node.wire.imap.connection import Limits as EngineLimits


class Gate(Protocol):
    """The one door (node.auth.gate)."""

    async def enter(self, username: str, password: str, scope: Literal["imap"], peer: str) -> Entry | Refusal:
        """Check a name and an app password; slow on purpose after failures."""
        ...


class Append(Protocol):
    """Keeps a message that the client brings (node.flow.append)."""

    async def __call__(
        self, mailbox: Mailbox, incoming: Incoming, flags: Flag, keywords: frozenset[str], internaldate: int | None
    ) -> Message:
        """Keep it and return its row; committed when this returns."""
        ...


class Receipt(Protocol):
    """Makes receipts (node.service.receipts)."""

    async def __call__(self, account: Account, sha256: bytes) -> bytes | None:
        """The receipt of a message that the account holds, as JSON; None when there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may make one session do.

    Attributes:
        message: octets of an APPEND; more is refused before it is read.
        login_seconds: to log in, from the first byte on.
        idle_seconds: without a word from a logged-in client; at least 30 minutes (RFC 3501 §5.4).
        end_seconds: for the command at hand, once access has been taken away.
        bad_commands: in a row before the connection is closed.
        failed_logins: before the connection is closed.
        search_seconds: for one SEARCH.
        search_octets: of content read in one SEARCH.
        engine: see node.wire.imap.connection.Limits.
    """

    message: int = 64 << 20
    login_seconds: float = 120
    idle_seconds: float = 1860
    end_seconds: float = 10
    bad_commands: int = 20
    failed_logins: int = 5
    search_seconds: float = 60
    search_octets: int = 4 << 30
    engine: EngineLimits = field(default_factory=EngineLimits)


@dataclass(frozen=True, slots=True)
class ImapServer:
    """Everything the sessions share; give `handle` to `node.servers.listen.serve`.

    Attributes:
        tls: the context for STARTTLS; None offers none.
        hostname: the name in the greeting.
        guests: told of every session that is logged in, and ends those that may stay no longer; None: nobody does.
        scram: for clients that prove an app password without sending it; None: nobody can.
        tokens: for clients with an access token; None: nobody can.
        receipt: for METADATA; None: messages have none.
        login_in_clear: lets people log in without TLS; for tests alone.
    """

    database: Database
    blobs: Blobs
    gate: Gate
    append: Append
    new_incoming: Callable[[], Incoming]
    limits: Limits = field(default_factory=Limits)
    tls: ssl.SSLContext | None = None
    hostname: str = "localhost"
    login_in_clear: bool = False
    guests: Guests | None = None
    scram: ScramLogin | None = None
    tokens: TokenLogin | None = None
    receipt: Receipt | None = None

    async def handle(self, connection: Connection) -> None:
        """Serve one connection until it ends; what it raises is for the front door's guard."""
        await Session(self, connection).run()
