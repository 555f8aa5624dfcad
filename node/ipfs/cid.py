"""Content identifiers: the one kind this node writes and reads, CIDv1 over SHA-256.

Multiformats CID specification: `<version 1><codec><multihash>`, as text in base32 behind the prefix "b" (RFC 4648 §6,
lower case, no padding). Every other version, hash or base is refused by name: a CID that has two spellings is two keys.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from enum import IntEnum

from node.base.errors import Permanent

SIZE = 36  # octets of a binary CID: version, codec, hash function, digest length, digest
_TEXT_SIZE = 1 + 58
_SHA2_256 = b"\x12\x20"  # multihash: function 0x12, 32 octets


class Codec(IntEnum):
    """How to read the block a CID names (multicodec table)."""

    RAW = 0x55
    DAG_PB = 0x70


class CidError(Permanent):
    """The text or bytes are no CID of the kind this node uses; the message says which part is wrong."""


@dataclass(frozen=True, slots=True)
class Cid:
    """The name of one block.

    Attributes:
        codec: how the block is to be read.
        digest: SHA-256 of the block, 32 octets.
    """

    codec: Codec
    digest: bytes

    @classmethod
    def of(cls, codec: Codec, block: bytes) -> Cid:
        """The CID of a block."""
        return cls(codec, hashlib.sha256(block).digest())

    @classmethod
    def from_bytes(cls, data: bytes) -> Cid:
        """Read a binary CID.

        Raises:
            CidError: it is not CIDv1, not raw or dag-pb, not SHA-256, or not exactly 36 octets.
        """
        if len(data) != SIZE:
            raise CidError(f"a CID here has {SIZE} octets, this has {len(data)}")
        if data[0] != 1:
            raise CidError(f"CID version {data[0]} is not supported, only 1")
        if data[1] not in (Codec.RAW, Codec.DAG_PB):
            raise CidError(f"codec 0x{data[1]:x} is not supported, only raw (0x55) and dag-pb (0x70)")
        if data[2:4] != _SHA2_256:
            raise CidError("only SHA-256 hashes of 32 octets are supported")
        return cls(Codec(data[1]), bytes(data[4:]))

    @classmethod
    def parse(cls, text: str) -> Cid:
        """Read a CID from its text form.

        Raises:
            CidError: another base or length, upper case, bits set beyond the last octet, or `from_bytes` refuses it.
        """
        if len(text) != _TEXT_SIZE or text[:1] != "b":
            raise CidError(f"{text[:70]!r} is no base32 CIDv1: it has {_TEXT_SIZE} characters and starts with b")
        if not text.isascii() or text != text.lower():
            raise CidError(f"{text!r} is no base32 CIDv1: it is written in lower case")
        try:
            cid = cls.from_bytes(base64.b32decode(text[1:].upper() + "======"))
        except ValueError:
            raise CidError(f"{text!r} is not base32") from None
        if str(cid) != text:  # 58 characters carry 290 bits, 288 are used: the other two must be zero
            raise CidError(f"{text!r} sets bits beyond its last octet")
        return cid

    def names(self, block: bytes) -> bool:
        """True when the block is the one this CID names."""
        return hashlib.sha256(block).digest() == self.digest

    def __bytes__(self) -> bytes:
        return bytes((1, self.codec)) + _SHA2_256 + self.digest

    def __str__(self) -> str:
        return "b" + base64.b32encode(bytes(self)).decode("ascii").rstrip("=").lower()
