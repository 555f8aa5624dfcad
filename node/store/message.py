"""One message in one mailbox, as a value, and how its flags are kept."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntFlag
from functools import lru_cache
from typing import Literal

from node.store.refusal import MailboxError, Reason
from node.store.transaction import Row

MAX_KEYWORDS = 64  # on one message
MAX_KEYWORD = 64  # characters


class Flag(IntFlag):
    """System flags (RFC 3501 §2.3.2), as they are stored."""

    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


Action = Literal["set", "add", "remove"]


@dataclass(frozen=True, slots=True)
class Message:
    """One message in one mailbox.

    Attributes:
        size: octets, as RFC822.SIZE.
        keywords: flags that clients invented, "$Junk" and the like.
        internaldate: unix seconds (RFC 3501 §2.3.3).
        modseq: of its last change (RFC 7162 §3.1.1).
        saved: unix seconds when it came into this mailbox (RFC 8514 §3).
    """

    mailbox_id: int
    uid: int
    blob_id: int
    size: int
    flags: Flag
    keywords: frozenset[str]
    internaldate: int
    modseq: int
    saved: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What IMAP asks for again and again, ready to be sent: made once at delivery by `node.mail.summary`."""

    envelope: bytes
    body: bytes
    bodystructure: bytes
    layout: bytes


ALL_FLAGS = tuple(Flag(bits) for bits in range(32))  # making one takes longer than finding it


def pack_keywords(keywords: Collection[str]) -> str:
    """Keywords as they are kept: sorted, joined by a space.

    Raises:
        MailboxError: they are too many, too long, or no words.
    """
    if not keywords:
        return ""
    if len(keywords) > MAX_KEYWORDS or any(len(word) > MAX_KEYWORD for word in keywords):
        raise MailboxError(Reason.LIMIT, f"a message has at most {MAX_KEYWORDS} keywords of {MAX_KEYWORD} characters")
    if any(not word or not word.isascii() or not word.isprintable() or " " in word for word in keywords):
        raise MailboxError(Reason.CANNOT, "a keyword is one word of printable ASCII")
    return " ".join(sorted(keywords))


@lru_cache(maxsize=1024)
def unpack_keywords(packed: str) -> frozenset[str]:
    """Keywords from how they are kept."""
    return frozenset(packed.split())


def made(row: Row) -> Message:
    """A row of the table as a value."""
    mailbox_id, uid, blob_id, size, flags, keywords, internaldate, modseq, saved = row
    return Message(
        mailbox_id, uid, blob_id, size, ALL_FLAGS[flags], unpack_keywords(keywords), internaldate, modseq, saved
    )
