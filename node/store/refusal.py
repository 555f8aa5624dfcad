"""Why the store will not do what was asked of a mailbox; servers turn the reason into their protocol's words."""

from __future__ import annotations

from enum import Enum

from node.base.errors import Permanent


class Reason(Enum):
    """A closed list, after the response codes of RFC 5530 §3."""

    MISSING = "missing"  # NONEXISTENT
    EXISTS = "exists"  # ALREADYEXISTS
    CANNOT = "cannot"  # CANNOT: the name or the operation is never allowed
    HAS_CHILDREN = "has-children"  # HASCHILDREN (RFC 9051 §7.1)
    LIMIT = "limit"  # LIMIT


class MailboxError(Permanent):
    """A refusal with its reason; the text is for people."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason
