"""EXPUNGE (RFC 3501 §6.4.3) and UID EXPUNGE (RFC 4315 §2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from node.wire.imap.lexer import Cursor
from node.wire.imap.sequence import SequenceSet, read_set


@dataclass(frozen=True, slots=True)
class Expunge:
    """Removes the messages with \\Deleted; only those among `uids` when given."""

    uids: SequenceSet | None = None


def read_uid_expunge(cursor: Cursor) -> Expunge:
    """` 3000:3002`."""
    cursor.space()
    return Expunge(read_set(cursor))
