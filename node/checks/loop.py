"""Mail that goes round in circles is stopped by counting trace fields."""

from __future__ import annotations

import re

from node.base.reply import Reply
from node.checks.opinion import Opinion, Reason
from node.checks.panel import Subject

MAX_RECEIVED = 100  # RFC 5321 §6.3: "normally at least 100 Received entries"


_RECEIVED = re.compile(rb"^received[ \t]*:", re.IGNORECASE | re.MULTILINE)


class Loop:
    """Refuse a message that has passed too many servers (RFC 5321 §6.3)."""

    async def content(self, subject: Subject) -> Opinion:
        """Count the Received fields of the header."""
        end = subject.content.find(b"\r\n\r\n")
        header = subject.content[:end] if end >= 0 else subject.content
        if len(_RECEIVED.findall(header)) > MAX_RECEIVED:
            reply = Reply(554, "5.4.6", "Too many hops: this message is going round in circles")
            return Opinion(Reason.LOOP, reply=reply)
        return Opinion(Reason.FINE)
