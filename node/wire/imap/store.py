"""STORE (RFC 3501 §6.4.6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from node.wire.imap.flags import read_flag_list, read_flags
from node.wire.imap.lexer import Cursor
from node.wire.imap.sequence import SequenceSet, read_set

_WORD = re.compile(rb"([+-]?)FLAGS(\.SILENT)? ", re.IGNORECASE)


class Change(StrEnum):
    """What happens to the flags named."""

    SET = "set"
    ADD = "add"
    REMOVE = "remove"


_CHANGES = {b"": Change.SET, b"+": Change.ADD, b"-": Change.REMOVE}


@dataclass(frozen=True, slots=True)
class Store:
    """STORE or UID STORE; `silent` leaves the untagged FETCH responses out."""

    messages: SequenceSet
    by_uid: bool
    change: Change
    flags: frozenset[str]
    silent: bool


def read_store(cursor: Cursor, *, by_uid: bool) -> Store:
    """` 2:4 +FLAGS.SILENT (\\Deleted)`."""
    cursor.space()
    messages = read_set(cursor)
    cursor.space()
    word = cursor.match(_WORD, "FLAGS, +FLAGS or -FLAGS")
    flags = read_flag_list(cursor) if cursor.peek() == b"(" else read_flags(cursor)
    return Store(messages, by_uid, _CHANGES[word[1]], flags, silent=bool(word[2]))
