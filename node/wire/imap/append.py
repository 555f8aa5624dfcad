"""APPEND (RFC 3501 §6.3.11): the arguments before the message; the message itself passes by in pieces."""

from __future__ import annotations

import re
from dataclasses import dataclass

from node.wire.imap.dates import read_date_time
from node.wire.imap.flags import read_flag_list
from node.wire.imap.lexer import Cursor
from node.wire.imap.mutf7 import mailbox

_MESSAGE = re.compile(rb"\{(\d{1,19})(\+?)\}\r\n\Z")


@dataclass(frozen=True, slots=True)
class AppendStart:
    """APPEND up to its message. The session answers with `accept_literal` or `refuse_literal` of the engine.

    Attributes:
        tag: the command's.
        mailbox: where to.
        flags: system flags and keywords.
        internaldate: unix seconds, or None for now.
        size: octets that the client announces.
        waits: True when the client waits for "+" before it sends them (a synchronising literal).
    """

    tag: bytes
    mailbox: str
    flags: frozenset[str]
    internaldate: int | None
    size: int
    waits: bool


def read_append(tag: bytes, cursor: Cursor) -> AppendStart:
    """` saved-messages (\\Seen) "17-Jul-1996 02:44:25 -0700" {310}` CRLF."""
    cursor.space()
    name = mailbox(cursor)
    cursor.space()
    flags: frozenset[str] = frozenset()
    if cursor.peek() == b"(":
        flags = read_flag_list(cursor)
        cursor.space()
    internaldate = None
    if cursor.peek() == b'"':
        internaldate = read_date_time(cursor)
        cursor.space()
    start = cursor.match(_MESSAGE, "the message as a literal")
    return AppendStart(tag, name, flags, internaldate, int(start[1]), waits=not start[2])


def is_message_next(cursor: Cursor) -> bool:
    """True when the literal that ends the text so far is the message, false when it is the mailbox's name.

    Args:
        cursor: behind the word APPEND.
    """
    return not _MESSAGE.match(cursor.data, cursor.position + 1)
