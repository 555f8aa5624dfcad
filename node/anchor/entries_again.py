"""Entries of the log made again from what they stand for: messages' leaves and events, while their salts are kept."""

from __future__ import annotations

import hashlib

from node.anchor import message_leaves
from node.anchor.leaf import EventLeaf
from node.store import audit_events, leaves
from node.store.transaction import Reading


def entries_again(tx: Reading, start: int, stop: int) -> list[bytes] | None:
    """The entries from `start` up to but not including `stop`; None where the salt of one is gone.

    What comes out is a claim: compare it with the tree.
    """
    found = {row.index: message_leaves.made(row).entry for row in leaves.leaves(tx, start, stop) if row.salt}
    for event in audit_events.following(tx, start, stop - start):
        if event.index < stop:
            found[event.index] = EventLeaf(hashlib.sha256(event.document).digest(), event.time, event.salt).entry
    return [found[index] for index in range(start, stop)] if len(found) == stop - start else None
