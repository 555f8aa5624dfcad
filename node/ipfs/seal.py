"""Sealing: an attachment is encrypted leaf by leaf under its own key: reads seek, and deleting is forgetting a key.

A sealed file is a stream of leaves, each exactly as long as the UnixFS leaf that carries it (the last may be shorter):
the first is the header and a sealed chunk, the others are a sealed chunk alone. XChaCha20-Poly1305 with the leaf's
number in the nonce; the associated data is the header (cipher, leaf size, file id, total length), the number, and
whether it is the last. So a leaf cannot be changed, moved, repeated, taken from another file, nor the file cut short
or grown.
"""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from nacl import bindings
from nacl.exceptions import CryptoError

from node.base.errors import ConfigError, Permanent

KEY = 32  # octets
FILE_ID = 16
TAG = 16
MAX_SIZE = 1 << 50

_MAGIC = b"WXSL"
_VERSION = 1
_HEADER = struct.Struct(">4sBBBx16sQ")  # magic, version, cipher, log2 of the leaf size, zero, file id, length


class SealError(Permanent):
    """What was to be opened is damaged, forged, or sealed by somebody else; nothing of it is given out."""


class Cipher(IntEnum):
    """The cipher's number in the header; a new one is a new row here and in `_CIPHERS`."""

    XCHACHA20_POLY1305 = 1


_Aead = Callable[[bytes, bytes, bytes, bytes], bytes]
_CIPHERS: dict[Cipher, tuple[_Aead, _Aead]] = {
    Cipher.XCHACHA20_POLY1305: (
        bindings.crypto_aead_xchacha20poly1305_ietf_encrypt,
        bindings.crypto_aead_xchacha20poly1305_ietf_decrypt,
    )
}


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
        if version != _VERSION or cipher not in _CIPHERS:
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

    def _nonce(self, index: int) -> bytes:
        # The key belongs to this file alone, so the counter never repeats under it.
        return self.file_id + struct.pack(">Q", index)

    def seal(self, key: bytes, index: int, content: bytes) -> bytes:
        """Leaf `index` of the sealed file, from exactly the content of its `span`."""
        start, stop = self.span(index)
        if index >= self.leaves or len(content) != stop - start:
            raise ValueError(f"leaf {index} carries {stop - start} octets, not {len(content)}")
        encrypt = _CIPHERS[self.cipher][0]
        sealed = encrypt(content, self._associated(index), self._nonce(index), key)
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
        decrypt = _CIPHERS[self.cipher][1]
        try:
            content = decrypt(leaf, self._associated(index), self._nonce(index), key)
        except (CryptoError, ValueError):
            raise SealError(f"leaf {index} is damaged, forged, or not from this place") from None
        start, stop = self.span(index)
        if len(content) != stop - start:
            raise SealError(f"leaf {index} carries {len(content)} octets instead of {stop - start}")
        return content


def new_header(size: int, chunk: int) -> Header:
    """A header with a fresh file id, for a content of `size` octets."""
    return Header(secrets.token_bytes(FILE_ID), size, chunk)


def new_key() -> bytes:
    """A fresh content key."""
    return secrets.token_bytes(KEY)


_BY_NODE = 1  # first octet of a wrapped key: how it is wrapped. 2 is meant for an X25519 sealed box per account.


class Keys:
    """Wraps content keys for accounts, for now under one secret of the node in a file only its user can read.

    The account and the file are bound in, so a wrapped key moved to another row opens nothing.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def open(cls, directory: Path) -> Keys:
        """Load `attachments.key` from the directory, or make it.

        Raises:
            ConfigError: others can read it, or it is not 32 octets: the text says what to do.
        """
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = directory / "attachments.key"
        if not path.exists():
            _create(path, secrets.token_bytes(KEY))
        if path.stat().st_mode & 0o077:
            raise ConfigError(f"{path} can be read by others: run chmod 600 {path}")
        secret = path.read_bytes()
        if len(secret) != KEY:
            raise ConfigError(f"{path} is damaged: restore it from your backup, offloaded attachments need it")
        return cls(secret)

    def wrap(self, key: bytes, account_id: int, file_id: bytes) -> bytes:
        """The content key, sealed for the account."""
        nonce = secrets.token_bytes(bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
        bound = _bound(account_id, file_id)
        sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(key, bound, nonce, self._secret)
        return bytes((_BY_NODE,)) + nonce + sealed

    def unwrap(self, wrapped: bytes, account_id: int, file_id: bytes) -> bytes:
        """The content key.

        Raises:
            SealError: it was wrapped for another account, file or node, or it is damaged.
        """
        size = bindings.crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
        if wrapped[:1] != bytes((_BY_NODE,)) or len(wrapped) != 1 + size + KEY + TAG:
            raise SealError("a wrapped key is of a kind this release does not know")
        nonce, sealed = wrapped[1 : 1 + size], wrapped[1 + size :]
        try:
            return bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                sealed, _bound(account_id, file_id), nonce, self._secret
            )
        except CryptoError:
            raise SealError("a wrapped key does not open: another account, file or node key") from None


def _bound(account_id: int, file_id: bytes) -> bytes:
    return b"waxseal content key\0" + struct.pack(">Q", account_id) + file_id


def _create(path: Path, secret: bytes) -> None:
    """Write the secret so that a crash leaves it whole or absent: with half a key the next one would replace it."""
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    handle = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, secret)
        os.fsync(handle)
    finally:
        os.close(handle)
    try:
        os.link(unfinished, path)  # unlike rename, never replaces a key that another process made meanwhile
    except FileExistsError:
        pass
    finally:
        unfinished.unlink()
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
