"""The ciphers that leaves are sealed with; the number in a file's header says which, and each is read for ever.

A key seals one file and a leaf has one number, so (key, nonce) never comes twice: see docs/ipfs.md, "Nonces".
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nacl import bindings
from nacl.exceptions import CryptoError

from node.base.errors import Permanent

KEY = 32  # octets
TAG = 16
FILE_ID = 16

_SAMPLE = 256 << 10  # octets sealed to measure a cipher
_ROUNDS = 5

_Aead = Callable[[bytes, bytes, bytes, bytes], bytes]


class Cipher(IntEnum):
    """The cipher's number in the header; a new one is a new row here and in `_CIPHERS`."""

    XCHACHA20_POLY1305 = 1
    AES_256_GCM = 2


class SealError(Permanent):
    """What was to be opened is damaged, forged, or sealed by somebody else; nothing of it is given out."""


@dataclass(frozen=True, slots=True)
class _Way:
    """One cipher: seal and open take (content, associated data, nonce, key)."""

    seal: _Aead
    open: _Aead
    nonce: Callable[[bytes, int], bytes]


def _long_nonce(file_id: bytes, index: int) -> bytes:
    return file_id + struct.pack(">Q", index)


def _counter(_file_id: bytes, index: int) -> bytes:
    # 96 bits hold no file id; that the key is the file's alone carries all of it (NIST SP 800-38D §8.2.1).
    return struct.pack(">4xQ", index)


def _gcm_seal(content: bytes, associated: bytes, nonce: bytes, key: bytes) -> bytes:
    return AESGCM(key).encrypt(nonce, content, associated)


def _gcm_open(sealed: bytes, associated: bytes, nonce: bytes, key: bytes) -> bytes:
    return AESGCM(key).decrypt(nonce, sealed, associated)


_CIPHERS: Mapping[Cipher, _Way] = {
    Cipher.XCHACHA20_POLY1305: _Way(
        bindings.crypto_aead_xchacha20poly1305_ietf_encrypt,
        bindings.crypto_aead_xchacha20poly1305_ietf_decrypt,
        _long_nonce,
    ),
    Cipher.AES_256_GCM: _Way(_gcm_seal, _gcm_open, _counter),
}


def seal(content: bytes, cipher: Cipher, key: bytes, *, file_id: bytes, index: int, associated: bytes) -> bytes:
    """Content sealed as leaf `index` of a file: ciphertext, then a tag of 16 octets."""
    way = _CIPHERS[cipher]
    return way.seal(content, associated, way.nonce(file_id, index), key)


def open_sealed(sealed: bytes, cipher: Cipher, key: bytes, *, file_id: bytes, index: int, associated: bytes) -> bytes:
    """The content of leaf `index`.

    Raises:
        SealError: it is not what was sealed there.
    """
    way = _CIPHERS[cipher]
    try:
        return way.open(sealed, associated, way.nonce(file_id, index), key)
    except (CryptoError, InvalidTag, ValueError):
        raise SealError(f"leaf {index} is damaged, forged, or not from this place") from None


@cache
def fastest() -> Cipher:
    """The cipher this machine seals fastest with, measured once (some milliseconds: in a worker thread)."""
    return min(Cipher, key=_seconds)


def _seconds(cipher: Cipher) -> float:
    """The best of a few rounds: what else the machine does only ever adds to one."""
    sample, best = bytes(_SAMPLE), float("inf")
    for number in range(_ROUNDS):
        began = time.perf_counter()
        seal(sample, cipher, bytes(KEY), file_id=bytes(FILE_ID), index=number, associated=b"")
        best = min(best, time.perf_counter() - began)
    return best
