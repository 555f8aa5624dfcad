"""Commands that name mailboxes: SELECT, EXAMINE, CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, and leaving one."""

from __future__ import annotations

from dataclasses import dataclass

from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.mutf7 import mailbox


@dataclass(frozen=True, slots=True)
class Select:
    """SELECT, or EXAMINE when `readonly` (RFC 3501 §6.3.1, §6.3.2)."""

    mailbox: str
    readonly: bool


@dataclass(frozen=True, slots=True)
class Create:
    """CREATE (RFC 3501 §6.3.3); a trailing separator only announces children and is dropped."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Delete:
    """DELETE (RFC 3501 §6.3.4)."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class Rename:
    """RENAME (RFC 3501 §6.3.5)."""

    mailbox: str
    target: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """SUBSCRIBE, or UNSUBSCRIBE when not `on` (RFC 3501 §6.3.6, §6.3.7)."""

    mailbox: str
    on: bool


@dataclass(frozen=True, slots=True)
class Check:
    """CHECK (RFC 3501 §6.4.1)."""


@dataclass(frozen=True, slots=True)
class Close:
    """CLOSE (RFC 3501 §6.4.2): expunges without telling, then leaves the mailbox."""


@dataclass(frozen=True, slots=True)
class Unselect:
    """UNSELECT (RFC 3691 §2): leaves the mailbox and expunges nothing."""


def read_select(cursor: Cursor) -> Select:
    """` INBOX`, with RFC 4466 select parameters refused."""
    return Select(_name(cursor), readonly=False)


def read_examine(cursor: Cursor) -> Select:
    """As SELECT."""
    return Select(_name(cursor), readonly=True)


def read_create(cursor: Cursor) -> Create:
    """` Archive/2026`."""
    name = _name(cursor)
    return Create(name.removesuffix("/"))


def read_delete(cursor: Cursor) -> Delete:
    """` Old`."""
    return Delete(_name(cursor))


def read_rename(cursor: Cursor) -> Rename:
    """` Old New`."""
    return Rename(_name(cursor), _name(cursor))


def read_subscribe(cursor: Cursor) -> Subscribe:
    """` News`."""
    return Subscribe(_name(cursor), on=True)


def read_unsubscribe(cursor: Cursor) -> Subscribe:
    """` News`."""
    return Subscribe(_name(cursor), on=False)


def _name(cursor: Cursor) -> str:
    cursor.space()
    name = mailbox(cursor)
    if not name:
        raise ParseError("mailbox name is empty")
    return name
