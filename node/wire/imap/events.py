"""What a peer of the IMAP engine can do, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from node.wire.imap.append import AppendStart
from node.wire.imap.commands import Command


@dataclass(frozen=True, slots=True)
class Request:
    """A whole command."""

    tag: bytes
    command: Command


@dataclass(frozen=True, slots=True)
class Malformed:
    """A command that is refused; answer `kind` and go on. `tag` is None when not even that could be read."""

    tag: bytes | None
    reason: str
    code: bytes = b""
    kind: bytes = b"BAD"


@dataclass(frozen=True, slots=True)
class LiteralWanted:
    """The client waits for "+" before it sends so many octets of a literal; send it."""

    size: int


@dataclass(frozen=True, slots=True)
class LiteralBytes:
    """A piece of APPEND's message, never empty."""

    data: bytes


@dataclass(frozen=True, slots=True)
class AppendEnd:
    """The message and the command are whole."""

    tag: bytes


@dataclass(frozen=True, slots=True)
class Done:
    """DONE: the end of IDLE."""


@dataclass(frozen=True, slots=True)
class AuthResponse:
    """The client's line in AUTHENTICATE, decoded; None when it gave up with "*"."""

    data: bytes | None = field(repr=False)


class NeedData:
    """The type of NEED_DATA."""

    def __repr__(self) -> str:
        return "NEED_DATA"


NEED_DATA: Final = NeedData()

Event = Request | Malformed | LiteralWanted | AppendStart | LiteralBytes | AppendEnd | Done | AuthResponse
