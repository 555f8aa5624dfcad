"""What one leaf of the log says, and how it says it without telling anybody.

Three kinds of leaf, told apart by their first byte; each has one length, and nothing in it is optional. Numbers are
unsigned and big-endian, times are seconds since 1970-01-01T00:00:00Z.

A message, without its verdict (kind 1, 74 bytes; written before there was kind 2, and still verified):

====== ====== ======================================================================
offset length field
====== ====== ======================================================================
0      1      kind: 0x01
1      32     salt: random, one for each leaf
33     32     SHA-256 of the message, every byte as the node keeps it
65     1      direction: 0x01 received from outside, 0x02 submitted by a person of ours
66     8      time of acceptance
====== ====== ======================================================================

A message with its verdict (kind 2, 107 bytes) begins with 0x02, goes on like kind 1, and ends with

====== ====== ======================================================================
74     1      outcome: what became of the message, see `Outcome`
75     32     policy: SHA-256 of the policy document in force, see `node.anchor.policy`
====== ====== ======================================================================

An event (kind 3, 73 bytes; see `node.anchor.events`):

====== ====== ======================================================================
0      1      kind: 0x03
1      32     salt
33     32     SHA-256 of the event document
65     8      time of the event
====== ====== ======================================================================

The log's *entry* is the SHA-256 of these bytes, and the Merkle leaf hash is taken over the entry (RFC 9162 §2.1.1). So
the entries can be published whole: without the salt nobody can tell what an entry stands for, not even somebody who
has the message; with the salt anybody can. Delete the salt, and the entry means nothing to anybody any more.
"""

from __future__ import annotations

import hashlib
import struct
from abc import ABC, abstractmethod
from dataclasses import dataclass
from enum import Enum

from node.anchor import merkle

MESSAGE = 1
MESSAGE_WITH_VERDICT = 2
EVENT = 3
SALT_SIZE = 32
POLICY_SIZE = 32
SIZES = {MESSAGE: 74, MESSAGE_WITH_VERDICT: 107, EVENT: 73}

_MESSAGE = struct.Struct(">B32s32sBQ")
_VERDICT = struct.Struct(">B32s")
_EVENT = struct.Struct(">B32s32sQ")


class Direction(Enum):
    """Which way a message came into the node; the value is the word receipts use."""

    RECEIVED = "received"
    SUBMITTED = "submitted"

    @property
    def code(self) -> int:
        """The byte at offset 65."""
        return 1 if self is Direction.RECEIVED else 2


class Outcome(Enum):
    """What became of a message when it was accepted; the value is the word receipts use."""

    INBOX = "inbox"  # every reader got it outside Junk
    JUNK = "junk"  # every reader got it in Junk
    HELD = "held"  # accepted, and kept back until an administrator decides
    SENT = "sent"  # at least one recipient is elsewhere: it was queued for them
    DIVIDED = "divided"  # some readers got it in Junk, others outside

    @property
    def code(self) -> int:
        """The byte at offset 74; numbers once given stay."""
        return _CODES[self]

    @classmethod
    def of(cls, code: int) -> Outcome:
        """The outcome of a byte.

        Raises:
            ValueError: there is none.
        """
        if code not in _OUTCOMES:
            raise ValueError(f"{code} is no outcome")
        return _OUTCOMES[code]


_CODES = {Outcome.INBOX: 1, Outcome.JUNK: 2, Outcome.HELD: 3, Outcome.SENT: 4, Outcome.DIVIDED: 5}
_OUTCOMES = {code: outcome for outcome, code in _CODES.items()}
_DIRECTIONS = {direction.code: direction for direction in Direction}


class _Hashed(ABC):
    """What all kinds have in common."""

    __slots__ = ()

    @abstractmethod
    def encode(self) -> bytes:
        """The bytes of the tables above; secret as long as the salt is."""

    @property
    def entry(self) -> bytes:
        """The 32 bytes that stand in the log."""
        return hashlib.sha256(self.encode()).digest()

    @property
    def hash(self) -> bytes:
        """The Merkle leaf hash of the entry."""
        return merkle.leaf_hash(self.entry)


@dataclass(frozen=True, slots=True)
class Leaf(_Hashed):
    """One accepted message, as the log knows it.

    Attributes:
        message_sha256: 32 bytes.
        direction: which way it came.
        time: seconds since 1970, UTC.
        salt: 32 random bytes, never used for another leaf.
        outcome: what became of it; None for a leaf of kind 1.
        policy: SHA-256 of the policy document in force, 32 bytes; b"" for a leaf of kind 1.
    """

    message_sha256: bytes
    direction: Direction
    time: int
    salt: bytes
    outcome: Outcome | None = None
    policy: bytes = b""

    def __post_init__(self) -> None:
        _check(self.message_sha256, self.salt, self.time)
        if len(self.policy) != (0 if self.outcome is None else POLICY_SIZE):
            raise ValueError("a leaf names an outcome and 32 bytes of policy, or neither")

    def encode(self) -> bytes:
        """74 bytes, or 107 with outcome and policy."""
        kind = MESSAGE if self.outcome is None else MESSAGE_WITH_VERDICT
        first = _MESSAGE.pack(kind, self.salt, self.message_sha256, self.direction.code, self.time)
        return first if self.outcome is None else first + _VERDICT.pack(self.outcome.code, self.policy)


@dataclass(frozen=True, slots=True)
class EventLeaf(_Hashed):
    """One administrative or security event, as the log knows it.

    Attributes:
        document_sha256: of the event document (`node.anchor.events`), 32 bytes.
        time: seconds since 1970, UTC; the same as in the document.
        salt: 32 random bytes, never used for another leaf.
    """

    document_sha256: bytes
    time: int
    salt: bytes

    def __post_init__(self) -> None:
        _check(self.document_sha256, self.salt, self.time)

    def encode(self) -> bytes:
        """73 bytes."""
        return _EVENT.pack(EVENT, self.salt, self.document_sha256, self.time)


def decode(encoded: bytes) -> Leaf | EventLeaf:
    """The leaf of an encoding; encoding it again gives the very same bytes.

    Raises:
        ValueError: it is none; the text says why.
    """
    kind = encoded[0] if encoded else 0
    if len(encoded) != SIZES.get(kind):
        raise ValueError("no leaf has this kind and length")
    if kind == EVENT:
        _, salt, document, time = _EVENT.unpack(encoded)
        return EventLeaf(document, time, salt)
    _, salt, message, direction, time = _MESSAGE.unpack(encoded[: _MESSAGE.size])
    if direction not in _DIRECTIONS:
        raise ValueError(f"{direction} is no direction")
    if kind == MESSAGE:
        return Leaf(message, _DIRECTIONS[direction], time, salt)
    outcome, policy = _VERDICT.unpack(encoded[_MESSAGE.size :])
    return Leaf(message, _DIRECTIONS[direction], time, salt, Outcome.of(outcome), policy)


def _check(sha256: bytes, salt: bytes, time: int) -> None:
    # struct would pad a short field with zeros and cut a long one: two leaves with one encoding.
    if len(sha256) != 32 or len(salt) != SALT_SIZE:
        raise ValueError("a leaf needs a SHA-256 of 32 bytes and a salt of 32 bytes")
    if not 0 <= time < 1 << 63:
        raise ValueError(f"{time} is no time in seconds since 1970")
