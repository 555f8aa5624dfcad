"""Commands about the connection itself: CAPABILITY, NOOP, LOGOUT, STARTTLS, ID, ENABLE, NAMESPACE, IDLE."""

from __future__ import annotations

from dataclasses import dataclass

from node.wire.imap.lexer import Cursor, ParseError

MAX_ID_FIELDS = 30  # RFC 2971 §3.3
MAX_CAPABILITIES = 50


@dataclass(frozen=True, slots=True)
class Capability:
    """CAPABILITY (RFC 3501 §6.1.1)."""


@dataclass(frozen=True, slots=True)
class Noop:
    """NOOP (RFC 3501 §6.1.2)."""


@dataclass(frozen=True, slots=True)
class Logout:
    """LOGOUT (RFC 3501 §6.1.3)."""


@dataclass(frozen=True, slots=True)
class StartTls:
    """STARTTLS (RFC 3501 §6.2.1)."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """NAMESPACE (RFC 2342 §5)."""


@dataclass(frozen=True, slots=True)
class Idle:
    """IDLE (RFC 2177 §3); the session answers "+" and calls `ServerConnection.await_done`."""


@dataclass(frozen=True, slots=True)
class Id:
    """ID (RFC 2971 §3.1): what the client says about itself; empty for NIL."""

    fields: tuple[tuple[bytes, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Enable:
    """ENABLE (RFC 5161 §3.1): capability names in upper case."""

    capabilities: tuple[bytes, ...]


def read_id(cursor: Cursor) -> Id:
    """` NIL` or ` ("name" "x" ...)`."""
    cursor.space()
    if cursor.skip(b"NIL"):
        return Id(())
    cursor.expect(b"(")
    fields: list[tuple[bytes, bytes | None]] = []
    while not cursor.skip(b")"):
        if fields:
            cursor.space()
        if len(fields) >= MAX_ID_FIELDS:
            raise ParseError("too many ID fields")
        name = cursor.string()
        cursor.space()
        fields.append((name, cursor.nstring()))
    return Id(tuple(fields))


def read_enable(cursor: Cursor) -> Enable:
    """` CONDSTORE X-GOOD-IDEA`."""
    names = []
    while cursor.skip(b" "):
        names.append(cursor.atom().upper())
    if not 0 < len(names) <= MAX_CAPABILITIES:
        raise ParseError("ENABLE needs capabilities, a handful at most")
    return Enable(tuple(names))
