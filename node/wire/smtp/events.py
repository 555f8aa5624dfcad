"""What a client can say to an SMTP server, as values: one class a verb.

Every event but `Content` awaits exactly one reply, given with `ServerConnection.send`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from node.base.address import Address
from node.base.reply import Reply


class NeedData(enum.Enum):
    """The one value that means: nothing more to tell before `receive` brings more bytes."""

    NEED_DATA = "NEED_DATA"


NEED_DATA: Final[Literal[NeedData.NEED_DATA]] = NeedData.NEED_DATA


@dataclass(frozen=True, slots=True)
class Hello:
    """EHLO or HELO; `name` is what the client calls itself, unproven."""

    name: str
    extended: bool


@dataclass(frozen=True, slots=True)
class Mail:
    """MAIL FROM; `sender` None is the null reverse-path `<>` (RFC 5321 §4.5.5).

    Attributes:
        size: octets announced (RFC 1870), already within the limit; None when not announced.
        body: "7BIT" or "8BITMIME" (RFC 6152).
    """

    sender: Address | None
    size: int | None = None
    body: str = "7BIT"
    smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class Rcpt:
    """RCPT TO; `<Postmaster>` without a domain arrives with the server's own (RFC 5321 §4.1.1.3)."""

    recipient: Address


@dataclass(frozen=True, slots=True)
class Data:
    """DATA; a 354 lets the content begin."""


@dataclass(frozen=True, slots=True)
class Content:
    """A piece of the message, as it is: dots unstuffed, CRLF kept. Awaits no reply."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class EndOfChunk:
    """A BDAT chunk that was not the last has come in full (RFC 3030 §2).

    Attributes:
        size: its octets.
        fault: the refusal to send when the content broke a rule; nothing of it may be kept then.
    """

    size: int
    fault: Reply | None = None


@dataclass(frozen=True, slots=True)
class EndOfContent:
    """The message has come in full. Whatever the reply, the transaction ends with it.

    Attributes:
        size: octets of content.
        fault: the refusal to send when the content broke a rule; nothing of it may be kept then.
    """

    size: int
    fault: Reply | None = None


@dataclass(frozen=True, slots=True)
class Reset:
    """RSET: forget the transaction."""


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP."""


@dataclass(frozen=True, slots=True)
class Quit:
    """QUIT: answer and close."""


@dataclass(frozen=True, slots=True)
class Help:
    """HELP."""


@dataclass(frozen=True, slots=True)
class Vrfy:
    """VRFY; answering honestly would hand out addresses, 252 does not (RFC 5321 §7.3)."""

    text: str


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS; after a 220 the caller shakes hands and calls `ServerConnection.tls_started`."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """The end of a well-formed AUTH exchange; a 235 lets the client in."""

    mechanism: str
    username: str
    password: str = field(repr=False)
    acting_for: str = ""


@dataclass(frozen=True, slots=True)
class SaslResponse:
    """One response of a mechanism that the session judges itself: a 334 goes on, a 235 lets in, all else ends it."""

    mechanism: str
    data: bytes = field(repr=False)
    first: bool


@dataclass(frozen=True, slots=True)
class Challenge:
    """AUTH goes on: send `reply` (a 334)."""

    reply: Reply


@dataclass(frozen=True, slots=True)
class Refused:
    """A command that the protocol itself forbids here, or that is no command: send `reply` and count it."""

    reply: Reply


Event: TypeAlias = (
    Hello
    | Mail
    | SaslResponse
    | Rcpt
    | Data
    | Content
    | EndOfChunk
    | EndOfContent
    | Reset
    | Noop
    | Quit
    | Help
    | Vrfy
    | StartTls
    | Credentials
    | Challenge
    | Refused
)
