"""The selected mailbox as this client knows it: which UID stands at which sequence number (RFC 3501 §2.3.1.2)."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from node.store.mailboxes import Mailbox
from node.wire.imap.sequence import SequenceSet

BLOCK = 500
"""Messages handled by one trip to the store."""
HELD = 4 << 20
"""Octets of prepared answers held at a time for one client: a sender can have them grow to a MB a message."""


@dataclass(eq=False, slots=True)
class Selected:
    """A mailbox and the client's picture of it. Sequence numbers change only when the client is told.

    Attributes:
        mailbox: as it was when selected; its counters are old.
        readonly: selected by EXAMINE.
        uids: in order; the message with sequence number n is `uids[n - 1]`.
        modseq: changes of the account up to here have been looked at.
        expunged: UIDs that are gone, but that the client could not be told of yet (RFC 3501 §7.4.1).
        own: modseqs of this session's own flag changes, which the client knows already.
    """

    mailbox: Mailbox
    readonly: bool
    uids: array[int]
    modseq: int
    expunged: set[int] = field(default_factory=set)
    own: set[int] = field(default_factory=set)

    def positions(self, messages: SequenceSet, *, by_uid: bool) -> list[range]:
        """The places in `uids` that a set names, ascending; numbers of no message are passed over."""
        if not self.uids:
            return []
        if not by_uid:
            count = len(self.uids)
            return [range(first - 1, min(last, count)) for first, last in messages.resolve(count) if first <= count]
        found = (
            range(bisect_left(self.uids, first), bisect_right(self.uids, last))
            for first, last in messages.resolve(self.uids[-1])
        )
        return [places for places in found if places]

    def blocks(self, messages: SequenceSet, *, by_uid: bool, size: int = BLOCK) -> Iterator[dict[int, int]]:
        """UID to sequence number of the messages named, ascending, at most `size` at a time.

        Stays right when EXPUNGE is announced only after the last block.
        """
        block: dict[int, int] = {}
        for places in self.positions(messages, by_uid=by_uid):
            for start in range(places.start, places.stop, size):
                for index in range(start, min(start + size, places.stop)):
                    block[self.uids[index]] = index + 1
                    if len(block) == size:
                        yield block
                        block = {}
        if block:
            yield block

    def number(self, uid: int) -> int | None:
        """A UID's sequence number, None when the client knows no such message."""
        index = bisect_left(self.uids, uid)
        return index + 1 if index < len(self.uids) and self.uids[index] == uid else None

    def all_uids(self, messages: SequenceSet, *, by_uid: bool) -> list[int]:
        """The UIDs a set names, ascending, those the client need not know are gone left out."""
        found = [
            uid for places in self.positions(messages, by_uid=by_uid) for uid in self.uids[places.start : places.stop]
        ]
        return [uid for uid in found if uid not in self.expunged] if self.expunged else found
