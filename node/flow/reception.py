"""What an SMTP session asks of the house: four moments, one decision each.

`servers/smtp` drives a `Reception` and sends what it answers; `flow/accept` (port 25) and `flow/submit` (587, 465)
implement it. A reception never sends and never closes; a session never decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from node.auth.gate import Entry
from node.auth.scram_login import Passed, ScramExchange
from node.base.address import Address
from node.base.reply import Reply
from node.net.stream import TlsInfo
from node.store.accounts import Account
from node.store.incoming import Incoming
from node.wire.smtp import SaslResponse

__all__ = ["Limits", "Reception", "Session", "TlsInfo", "Transaction"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session may cost.

    Attributes:
        message_size: octets of content, announced with SIZE (RFC 1870 §3).
        recipients: a transaction, at least 100 (RFC 5321 §4.5.3.1.8); more get 452 and may come in a next transaction.
        errors: bad commands before the session is closed with 421.
        transactions: messages a connection may carry before it is asked to come back.
        command_seconds: wait for a command (RFC 5321 §4.5.3.2.7).
        content_seconds: wait for each block of content (RFC 5321 §4.5.3.2.5).
    """

    message_size: int = 64 << 20
    recipients: int = 1000
    errors: int = 20
    transactions: int = 1000
    command_seconds: float = 300
    content_seconds: float = 180


@dataclass(slots=True)
class Session:
    """One SMTP connection as the house sees it. The session fills it in as the peer speaks.

    Attributes:
        entry: what let `account` in.
        app_password: the name of the one that `account` logged in with.
        bindings: what a client can bind a login to on this connection (`Connection.channel_bindings`).
        exchange: a login under way that takes several steps.
    """

    id: str
    peer: tuple[str, int]
    port: int
    helo: str = ""
    extended: bool = False
    tls: TlsInfo | None = None
    account: Account | None = None
    entry: Entry | None = None
    app_password: str = ""
    bindings: Mapping[str, bytes] = field(default_factory=dict)
    exchange: ScramExchange | Passed | None = None


@dataclass(slots=True)
class Transaction:
    """One envelope under way.

    Attributes:
        sender: None for the null reverse-path `<>` (RFC 5321 §4.5.5).
        recipients: those accepted so far, in order, as written by the peer.
        refused: how many were nobody's address.
        smtputf8: the peer asked for SMTPUTF8 (RFC 6531 §3.4).
        body: "7BIT", "8BITMIME" or "BINARYMIME".
        declared_size: octets the peer announced, or None.
    """

    sender: Address | None = None
    recipients: list[Address] = field(default_factory=list)
    refused: int = 0
    smtputf8: bool = False
    body: str = "7BIT"
    declared_size: int | None = None


class Reception(Protocol):
    """The decisions of one kind of SMTP port.

    Every method may raise `Temporary`; the session then answers 451 and the peer keeps the mail.
    """

    @property
    def limits(self) -> Limits: ...

    @property
    def offers_auth(self) -> bool:
        """True where AUTH is announced (over TLS only) and required before MAIL."""
        ...

    async def connect(self, session: Session) -> Reply | None:
        """None to greet; a 4xx or 5xx to send instead of the greeting before closing."""
        ...

    async def authenticate(self, session: Session, username: str, password: str) -> Account | Reply:
        """The account, or the refusal to send."""
        ...

    def mechanisms(self, session: Session) -> tuple[str, ...]:
        """What AUTH offers beside PLAIN and LOGIN; `converse` judges it."""
        ...

    async def converse(self, session: Session, response: SaslResponse) -> Account | Reply:
        """The account, a 334 that goes on, or the refusal to send."""
        ...

    async def sender(self, session: Session, transaction: Transaction) -> Reply:
        """Judge the reverse-path in `transaction.sender`."""
        ...

    async def recipient(self, session: Session, transaction: Transaction, address: Address) -> Reply:
        """Judge one forward-path; after a positive reply the session appends it to the transaction."""
        ...

    def incoming(self) -> Incoming:
        """Where the content is written as it comes."""
        ...

    async def finish(self, session: Session, transaction: Transaction, incoming: Incoming) -> Reply:
        """Decide the whole message. A 2xx is a promise: everything is on disk. The session closes `incoming`."""
        ...
