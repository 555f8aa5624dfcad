"""Telling a sender that a message could not be delivered, without ever telling it to a notification."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from node.base.address import Address, AddressError, parse_address
from node.base.log import get_log
from node.mail.dsn import Failure, Notification, notification
from node.mail.headers import header_end
from node.outbound.outcome import Deferred, Refused
from node.store.spool import Entry
from node.store.transaction import Writing

log = get_log(__name__)

HEADER_LIMIT = 64 << 10  # octets of the original looked at for its header

Work: TypeAlias = Callable[[Writing], object]
Prepare: TypeAlias = Callable[[Address, bytes], Awaitable[Work]]
"""Make a notification ready to be stored for its reader; the work does it inside the caller's transaction.

The notification travels from the null sender <>. May raise Temporary.
"""


class Contents(Protocol):
    """Where a spooled message's octets come from; `node.store.blobs.Blobs` is one."""

    async def read(self, blob_id: int, start: int = 0, length: int | None = None) -> bytes:
        """A window of the content."""
        ...


@dataclass(frozen=True, slots=True)
class Bouncer:
    """Writes notifications.

    Attributes:
        hostname: our own name.
        contents: where the originals are.
        prepare: how a notification gets into the sender's mailbox, or into the spool.
        clock: unix seconds.
    """

    hostname: str
    contents: Contents
    prepare: Prepare
    clock: Callable[[], float]

    async def work(self, entry: Entry, end: Refused | Deferred) -> Work | None:
        """The unit of work that stores the notification about `entry`, or None when nobody is to be told.

        Args:
            entry: the recipient that is given up.
            end: why: a refusal, or the last of the delays.

        Raises:
            Temporary: it cannot be made now; the entry must stay.
        """
        sender = self._reader(entry)
        if sender is None:
            return None
        head = await self.contents.read(entry.blob_id, 0, HEADER_LIMIT)
        message = notification(
            Notification(
                host=self.hostname,
                sender=sender,
                id=f"bounce.{entry.id}.{secrets.token_hex(8)}",
                time=int(self.clock()),
                arrived=entry.created,
                failures=(failure(entry, end, int(self.clock())),),
                original=head[: header_end(head, 0, len(head))],
            )
        )
        return await self.prepare(sender, message)

    def _reader(self, entry: Entry) -> Address | None:
        """Whom to tell. The null sender marks a notification: bouncing it would start a loop (RFC 5321 §6.1)."""
        if not entry.sender:
            log.error("mail.double_bounce", entry=entry.id, recipient=entry.recipient, last_reply=entry.last_reply)
            return None
        try:
            return parse_address(entry.sender)
        except AddressError as error:
            log.warning("mail.unbounceable", entry=entry.id, sender=entry.sender, error=str(error))
            return None


def failure(entry: Entry, end: Refused | Deferred, now: int) -> Failure:
    """The notification's account of one recipient."""
    try:
        recipient = parse_address(entry.recipient)
    except AddressError:
        recipient = Address(entry.recipient[:64], "invalid")
    expired = isinstance(end, Deferred)
    words = f"{end.reply.code} {end.reply.enhanced} {end.reply.text}" if end.host else end.reply.text
    return Failure(
        recipient=recipient,
        action="failed",
        status="4.4.7" if expired else end.reply.enhanced or "5.0.0",  # RFC 3463 §3.5: delivery time expired
        diagnostic=f"given up after {entry.attempts + 1} attempts; the last answer: {words}" if expired else words,
        remote=end.host,
        last_attempt=now,
    )
