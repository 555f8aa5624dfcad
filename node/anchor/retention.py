"""Deletion under a retention rule: done, and written down as an event."""

from __future__ import annotations

from node.anchor import audit
from node.store import changes, leaves
from node.store.database import Writing

AT_ONCE = 5_000  # leaves looked at in one transaction
_CURSOR = "sent-salts"


def note(tx: Writing, rule: str, number: int, before: int = 0) -> None:
    """Write down that a rule deleted something; nothing is written where there was nothing to delete.

    Args:
        rule: as the policy's `retention_days` names it.
        number: rows, messages or salts that went.
        before: unix seconds, where the rule has a moment.
    """
    if number:
        details: dict[str, audit.Detail] = {"rule": rule, "deleted": number, **({"before": before} if before else {})}
        audit.record(tx, audit.Kind.RETENTION, audit.NODE, "", details)


def forget_sent(tx: Writing, before: int) -> bool:
    """Delete the salts of messages that were submitted before `before` (unix seconds) and are on this node no longer.

    Of a message that somebody received, the salt goes with the last copy (`node.store.blobs`). What was sent leaves the
    node once it is delivered, and its sender may want a receipt of it for a while yet.

    Returns:
        True when there may be more: call again.
    """
    first = changes.cursor(tx, _CURSOR)
    after, number = leaves.forget_sent(tx, first, before, AT_ONCE)
    if after == first:
        return False
    changes.advance(tx, _CURSOR, after)
    note(tx, "salts_of_sent_mail", number, before)
    return True
