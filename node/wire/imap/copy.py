"""COPY (RFC 3501 §6.4.7) and MOVE (RFC 6851 §3)."""

from __future__ import annotations

from dataclasses import dataclass

from node.wire.imap.lexer import Cursor
from node.wire.imap.mutf7 import mailbox
from node.wire.imap.sequence import SequenceSet, read_set


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY or UID COPY."""

    messages: SequenceSet
    by_uid: bool
    target: str


@dataclass(frozen=True, slots=True)
class Move:
    """MOVE or UID MOVE."""

    messages: SequenceSet
    by_uid: bool
    target: str


def read_copy(cursor: Cursor, *, by_uid: bool) -> Copy:
    """` 2:4 MEETING`."""
    return Copy(*_read(cursor, by_uid))


def read_move(cursor: Cursor, *, by_uid: bool) -> Move:
    """` 2:4 MEETING`."""
    return Move(*_read(cursor, by_uid))


def _read(cursor: Cursor, by_uid: bool) -> tuple[SequenceSet, bool, str]:
    cursor.space()
    messages = read_set(cursor)
    cursor.space()
    return messages, by_uid, mailbox(cursor)
