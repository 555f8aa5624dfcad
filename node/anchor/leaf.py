"""What one leaf of the log says, and how it says it without telling anybody.

The encoding of a message leaf, version 1: 74 bytes, nothing optional.

====== ====== ======================================================================
offset length field
====== ====== ======================================================================
0      1      version and kind: 0x01 (a message; other kinds get other numbers)
1      32     salt: random, one for each leaf
33     32     SHA-256 of the message, every byte as the node keeps it
65     1      direction: 0x01 received from outside, 0x02 submitted by a person of ours
66     8      time of acceptance, seconds since 1970-01-01T00:00:00Z, unsigned, big-endian
====== ====== ======================================================================

The log's *entry* is the SHA-256 of these 74 bytes, and the Merkle leaf hash is taken over the entry (RFC 9162
§2.1.1). So the entries can be published whole: without the salt nobody can tell which message an entry stands
for, not even somebody who has the message; with the salt anybody can. Delete the salt, and the entry means
nothing to anybody any more.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import Enum

from node.anchor import merkle

VERSION = 1
SALT_SIZE = 32
SIZE = 74

_FORM = struct.Struct(">B32s32sBQ")


class Direction(Enum):
    """Which way a message came into the node; the value is the word receipts use."""

    RECEIVED = "received"
    SUBMITTED = "submitted"

    @property
    def code(self) -> int:
        """The byte at offset 65."""
        return 1 if self is Direction.RECEIVED else 2


@dataclass(frozen=True, slots=True)
class Leaf:
    """One accepted message, as the log knows it.

    Attributes:
        message_sha256: 32 bytes.
        direction: which way it came.
        time: seconds since 1970, UTC.
        salt: 32 random bytes, never used for another leaf.
    """

    message_sha256: bytes
    direction: Direction
    time: int
    salt: bytes

    def __post_init__(self) -> None:
        # struct would pad a short field with zeros and cut a long one: two leaves with one encoding.
        if len(self.message_sha256) != 32 or len(self.salt) != SALT_SIZE:
            raise ValueError("a leaf needs 32 bytes of message hash and 32 bytes of salt")
        if not 0 <= self.time < 1 << 63:
            raise ValueError(f"{self.time} is no time in seconds since 1970")

    def encode(self) -> bytes:
        """The 74 bytes of the table above; secret as long as the salt is."""
        return _FORM.pack(VERSION, self.salt, self.message_sha256, self.direction.code, self.time)

    @property
    def entry(self) -> bytes:
        """The 32 bytes that stand in the log."""
        return hashlib.sha256(self.encode()).digest()

    @property
    def hash(self) -> bytes:
        """The Merkle leaf hash of the entry."""
        return merkle.leaf_hash(self.entry)
