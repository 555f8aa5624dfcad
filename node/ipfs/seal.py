"""Sealing: an attachment is encrypted leaf by leaf under its own key: reads seek, and deleting is forgetting a key.

A sealed file is a stream of leaves, each exactly as long as the UnixFS leaf that carries it (the last may be shorter):
the first is the header and a sealed chunk, the others are a sealed chunk alone. XChaCha20-Poly1305 or AES-256-GCM with
the leaf's number in the nonce (`node.ipfs.cipher`); the associated data is the header (cipher, leaf size, file id and
total length), the number, and whether it is the last. So a leaf cannot be changed, moved, repeated, taken from another
file, nor the file cut short or grown.
"""

from __future__ import annotations

import secrets
import struct
from dataclasses import dataclass

from node.ipfs import cipher as ciphers
from node.ipfs.cipher import FILE_ID, KEY, TAG, Cipher, SealError
from node.ipfs.keys import Keys

__all__ = ["FILE_ID", "KEY", "TAG", "Cipher", "Header", "Keys", "SealError", "new_header", "new_key"]

MAX_SIZE = 1 << 50

_MAGIC = b"WXSL"
_VERSION = 1
_HEADER = struct.Struct(">4sBBBx16sQ")  # magic, version, cipher, log2 of the leaf size, zero, file id, length


@dataclass(frozen=True, slots=True)
class Header:
    """How one file is sealed; the same octets stand at its beginning and in every leaf's associated data.

    Attributes:
        file_id: 16 random octets.
        size: octets of the content before sealing.
        chunk: octets of a sealed leaf, a power of two.
    """

    file_id: bytes
    size: int
    chunk: int
    cipher: Cipher = Cipher.XCHACHA20_POLY1305

    SIZE = _HEADER.size

    @classmethod
    def decode(cls, data: bytes) -> Header:
        """Read a header.

        Raises:
            SealError: it is none, of a later version, or impossible.
        """
        if len(data) != _HEADER.size:
            raise SealError("a sealed file's header is cut off")
        magic, version, cipher, bits, file_id, size = _HEADER.unpack(data)
        if magic != _MAGIC:
            raise SealError("this is no sealed file")
        if version != _VERSION or cipher not in set(Cipher):
            raise SealError(f"sealed in version {version}, cipher {cipher}: a later release of this node reads it")
        header = cls(file_id, size, 1 << bits if bits < 32 else 0, Cipher(cipher))
        if not 1 << 10 <= header.chunk <= 1 << 21 or size > MAX_SIZE or header.encode() != data:
            raise SealError("a sealed file's header has impossible sizes")
        return header

    def encode(self) -> bytes:
        """The header's octets."""
        return _HEADER.pack(_MAGIC, _VERSION, self.cipher, self.chunk.bit_length() - 1, self.file_id, self.size)

    @property
    def leaves(self) -> int:
        """How many leaves the file has; an empty file has one."""
        behind = self.size - self.room(0)
        return 1 if behind <= 0 else 1 + -(-behind // self.room(1))

    @property
    def sealed_size(self) -> int:
        """Octets of the sealed file."""
        return _HEADER.size + self.size + self.leaves * TAG

    def room(self, index: int) -> int:
        """How many octets of content a full leaf of that number carries."""
        return self.chunk - TAG - (0 if index else _HEADER.size)

    def span(self, index: int) -> tuple[int, int]:
        """The content's octets (start, stop) in leaf `index`."""
        start = self.room(0) + (index - 1) * self.room(1) if index else 0
        return start, min(self.size, start + self.room(index))

    def leaf_at(self, offset: int) -> int:
        """The number of the leaf that carries the content's octet `offset`."""
        return 0 if offset < self.room(0) else 1 + (offset - self.room(0)) // self.room(1)

    def _associated(self, index: int) -> bytes:
        return self.encode() + struct.pack(">QB", index, index == self.leaves - 1)

    def seal(self, key: bytes, index: int, content: bytes) -> bytes:
        """Leaf `index` of the sealed file, from exactly the content of its `span`."""
        start, stop = self.span(index)
        if index >= self.leaves or len(content) != stop - start:
            raise ValueError(f"leaf {index} carries {stop - start} octets, not {len(content)}")
        sealed = ciphers.seal(
            content, self.cipher, key, file_id=self.file_id, index=index, associated=self._associated(index)
        )
        return sealed if index else self.encode() + sealed

    def open(self, key: bytes, index: int, leaf: bytes) -> bytes:
        """The content of leaf `index`.

        Raises:
            SealError: the leaf is not the one that was sealed at this place in this file.
        """
        if index >= self.leaves:
            raise SealError(f"there is no leaf {index} in a file of {self.leaves}")
        if index == 0:
            if leaf[: _HEADER.size] != self.encode():
                raise SealError("the sealed file begins with another header")
            leaf = leaf[_HEADER.size :]
        content = ciphers.open_sealed(
            leaf, self.cipher, key, file_id=self.file_id, index=index, associated=self._associated(index)
        )
        start, stop = self.span(index)
        if len(content) != stop - start:
            raise SealError(f"leaf {index} carries {len(content)} octets instead of {stop - start}")
        return content


def new_header(size: int, chunk: int, cipher: Cipher | None = None) -> Header:
    """A header with a fresh file id, for a content of `size` octets.

    Args:
        cipher: by default the fastest here, which is measured at the first call: some milliseconds.
    """
    return Header(secrets.token_bytes(FILE_ID), size, chunk, cipher or ciphers.fastest())


def new_key() -> bytes:
    """A fresh content key."""
    return secrets.token_bytes(KEY)
