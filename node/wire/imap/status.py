"""STATUS (RFC 3501 §6.3.10, SIZE and DELETED of RFC 9051 §6.3.11, DELETED-STORAGE of RFC 9208 §4.1.4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from node.wire.imap.lexer import Cursor, ParseError
from node.wire.imap.mutf7 import mailbox


class StatusItem(StrEnum):
    """What STATUS can tell."""

    MESSAGES = "MESSAGES"
    RECENT = "RECENT"
    UIDNEXT = "UIDNEXT"
    UIDVALIDITY = "UIDVALIDITY"
    UNSEEN = "UNSEEN"
    SIZE = "SIZE"
    DELETED = "DELETED"
    DELETED_STORAGE = "DELETED-STORAGE"
    HIGHESTMODSEQ = "HIGHESTMODSEQ"


@dataclass(frozen=True, slots=True)
class Status:
    """STATUS: the items in the order asked, each once."""

    mailbox: str
    items: tuple[StatusItem, ...]


def read_status(cursor: Cursor) -> Status:
    """` blurdybloop (UIDNEXT MESSAGES)`."""
    cursor.space()
    name = mailbox(cursor)
    cursor.space()
    return Status(name, read_items(cursor))


def read_items(cursor: Cursor) -> tuple[StatusItem, ...]:
    """The parenthesised item list, also used by LIST's STATUS return option (RFC 5819 §4)."""
    cursor.expect(b"(")
    items = [_item(cursor)]
    while cursor.skip(b" "):
        items.append(_item(cursor))
    cursor.expect(b")")
    return tuple(dict.fromkeys(items))


def _item(cursor: Cursor) -> StatusItem:
    try:
        return StatusItem(cursor.atom().decode("ascii").upper())
    except ValueError as error:
        raise error if isinstance(error, ParseError) else ParseError("no such STATUS item") from None
