"""Who wrote a message, what it is called, and what it answers: the threads by which mail hangs together."""

from __future__ import annotations

import re
from dataclasses import dataclass

from node.base.address import AddressError, parse_address
from node.mail.address_list import Group, Mailbox, addresses
from node.mail.buffer import Buffer
from node.mail.headers import FIELD, header_end, unfolded

MAX_HEADER = 64 << 10  # octets that are looked at
MAX_ANSWERED = 30  # Message-IDs that one message answers
_MAX_FIELD = 8 << 10  # octets of one field
_WANTED = frozenset({b"from", b"message-id", b"in-reply-to", b"references"})
_ID = re.compile(rb"<[^<>\s]{1,250}>")


@dataclass(frozen=True, slots=True)
class Correspondence:
    """What ties a message to others. Whatever the sender wrote: none of it is proven.

    Attributes:
        author: the first address of From as addresses are looked up (`Address.key`), "" when there is none.
        id: the Message-ID with its angle brackets, b"" without one.
        answers: Message-IDs in In-Reply-To, then in References, the newest first (RFC 5322 §3.6.4); each once.
    """

    author: str = ""
    id: bytes = b""
    answers: tuple[bytes, ...] = ()


def correspondence(buffer: Buffer) -> Correspondence:
    """Read it from a message's header, or its beginning. Never fails; of a field that comes twice the first counts."""
    found: dict[bytes, bytes] = {}
    for match in FIELD.finditer(buffer, 0, header_end(buffer, 0, min(len(buffer), MAX_HEADER))):
        name = match[1].lower()
        if name in _WANTED and name not in found:
            found[name] = unfolded(match[2][:_MAX_FIELD])
    ids = _ID.findall(found.get(b"message-id", b""))
    answers = [*_ID.findall(found.get(b"in-reply-to", b"")), *reversed(_ID.findall(found.get(b"references", b"")))]
    return Correspondence(
        _author(found.get(b"from", b"")), ids[0] if ids else b"", tuple(dict.fromkeys(answers))[:MAX_ANSWERED]
    )


def _author(value: bytes) -> str:
    for entry in addresses(value):
        boxes: tuple[Mailbox, ...] = entry.members if isinstance(entry, Group) else (entry,)
        for box in boxes:
            try:
                return parse_address(f"{box.local.decode()}@{box.domain.decode()}").key
            except (AddressError, UnicodeDecodeError):
                return ""
    return ""
