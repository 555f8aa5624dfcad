"""What opens a link: a secret that only the link's text carries, and what is derived from it.

The secret stands behind the # of the address, which browsers do not send. From it come (HKDF-SHA-256, RFC 5869, with
the link's id as salt) the content key, and a proof: who shows the proof knows the secret, and the proof opens nothing.
So the node starts downloads for nobody who only guessed or saw an address, and a wrong key uses none up.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ID = 16  # octets
SECRET = 32
_TICKET = struct.Struct(">Q32s")


def content_key(secret: bytes, id: bytes) -> bytes:
    """The key that the file is sealed with, 32 octets."""
    return _derived(secret, id, b"waxseal link content")


def proof(secret: bytes, id: bytes) -> bytes:
    """What a browser shows to begin a download, 32 octets; the node keeps its SHA-256."""
    return _derived(secret, id, b"waxseal link proof")


def proves(shown: bytes, kept: bytes) -> bool:
    """True when the proof is the one whose SHA-256 was kept; in constant time."""
    return hmac.compare_digest(hashlib.sha256(shown).digest(), kept)


def ticket(key: bytes, id: bytes, until: int) -> bytes:
    """Lets one download read leaves until a time (unix seconds)."""
    return _TICKET.pack(until, _signed(key, id, until))


def admits(shown: bytes, key: bytes, id: bytes, now: float) -> bool:
    """True for a ticket of this link that still holds."""
    if len(shown) != _TICKET.size:
        return False
    until, signature = _TICKET.unpack(shown)
    return hmac.compare_digest(signature, _signed(key, id, until)) and now < until


def text(data: bytes) -> str:
    """Octets as they stand in addresses (RFC 4648 §5, without padding)."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def octets(written: str, size: int) -> bytes | None:
    """Exactly `size` octets from such text; None for everything else, other spellings of them included."""
    if len(written) != -(-size * 4 // 3) or not written.isascii():
        return None
    try:
        data = base64.urlsafe_b64decode(written + "=" * (-len(written) % 4))
    except (binascii.Error, ValueError):
        return None
    return data if len(data) == size and text(data) == written else None


def new_id() -> bytes:
    """A fresh id."""
    return secrets.token_bytes(ID)


def new_secret() -> bytes:
    """A fresh secret."""
    return secrets.token_bytes(SECRET)


TICKET = _TICKET.size  # octets


def _derived(secret: bytes, id: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=id, info=use).derive(secret)


def _signed(key: bytes, id: bytes, until: int) -> bytes:
    return hmac.digest(key, id + struct.pack(">Q", until), "sha256")
