"""A message that a mail client puts into a mailbox itself (IMAP APPEND): kept as it stands, not judged, not logged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from node.flow.parcel import Parcel, pack
from node.flow.premises import Premises
from node.store import blobs, changes, messages
from node.store.database import Writing
from node.store.incoming import Incoming
from node.store.mailboxes import Mailbox
from node.store.messages import Flag, Message


@dataclass(frozen=True, slots=True)
class Append:
    """Keeps one message in a mailbox; call it like a function."""

    premises: Premises

    async def __call__(
        self,
        mailbox: Mailbox,
        incoming: Incoming,
        flags: Flag,
        keywords: frozenset[str],
        internaldate: int | None,
    ) -> Message:
        """Keep what came in and return its row; committed to disk when this returns.

        Args:
            internaldate: unix seconds, or None for now (RFC 3501 §6.3.11).

        Raises:
            Temporary: the disk is full or the mailbox is gone; nothing is kept.
        """
        parcel = await pack(self.premises.database, incoming, b"", own=True)
        return await self.premises.database.write(_keep(parcel, mailbox, flags, keywords, internaldate))


def _keep(
    parcel: Parcel, mailbox: Mailbox, flags: Flag, keywords: frozenset[str], internaldate: int | None
) -> Callable[[Writing], Message]:
    def work(tx: Writing) -> Message:
        prepared = parcel.prepared()
        return messages.add(
            tx,
            mailbox.id,
            blobs.add(tx, prepared),
            prepared.size,
            parcel.summary,
            flags=flags,
            keywords=keywords,
            internaldate=parcel.received if internaldate is None else internaldate,
            origin=changes.APPENDED,
        )

    return work
