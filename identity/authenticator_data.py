"""What authenticators say, taken apart strictly (Web Authentication Level 3, §6.1), and the CBOR around it.

Authenticators write CTAP2's canonical CBOR: no tags, no lengths left open, little depth. Tags are what makes general
readers of CBOR build dates, regular expressions and enormous numbers from a few octets; here they are refused unread.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

MAX_DEPTH = 4  # CTAP 2.1 §8
MAX_CREDENTIAL_ID = 1023  # octets, §4
_AAGUID_SIZE = 16
_HEAD_SIZE = 37


class Flag(IntFlag):
    """Flags of authenticator data; the other bits are reserved."""

    PRESENT = 0x01
    VERIFIED = 0x04
    SYNCED = 0x08  # "backup eligible"
    BACKED_UP = 0x10
    HAS_KEY = 0x40
    HAS_EXTENSIONS = 0x80


@dataclass(frozen=True, slots=True)
class AuthenticatorData:
    """What was said.

    Attributes:
        rp_id_hash: SHA-256 of the site's name.
        sign_count: 0 where the authenticator does not count.
        credential_id: b"" in an assertion, as is `public_key`.
        public_key: COSE_Key, the octets as they came.
    """

    rp_id_hash: bytes
    flags: Flag
    sign_count: int
    credential_id: bytes = b""
    public_key: bytes = b""


def read(data: bytes) -> AuthenticatorData:
    """Take authenticator data apart.

    Raises:
        ValueError: it is too short, holds what its flags do not announce, or breaks the rules of its CBOR.
    """
    if len(data) < _HEAD_SIZE:
        raise ValueError(f"authenticator data has {_HEAD_SIZE} octets or more")
    flags, count = Flag(data[32]), int.from_bytes(data[33:37], "big")
    place, id, key = _HEAD_SIZE, b"", b""
    if flags & Flag.HAS_KEY:
        start = place + _AAGUID_SIZE + 2
        size = int.from_bytes(data[start - 2 : start], "big")
        id = data[start : start + size]
        if not 0 < len(id) == size <= MAX_CREDENTIAL_ID:
            raise ValueError(f"a credential's id has 1 to {MAX_CREDENTIAL_ID} octets")
        place = skip(data, start + size)
        key = data[start + size : place]
    if flags & Flag.HAS_EXTENSIONS:
        place = skip(data, place)
    if place != len(data):
        raise ValueError("there is something behind the authenticator data")
    return AuthenticatorData(data[:32], flags, count, id, key)


def skip(data: bytes, start: int, depth: int = MAX_DEPTH) -> int:
    """Where the CBOR item that begins at `start` ends (RFC 8949 §3).

    Raises:
        ValueError: it is cut off, too deep, tagged, of open length, or holds what authenticators never write.
    """
    if start >= len(data):
        raise ValueError("CBOR that is cut off")
    major, more = data[start] >> 5, data[start] & 31
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(more, 0)
    if more > 27 or major == 6 or (major == 7 and more not in (20, 21, 22, 23)):
        raise ValueError("CBOR with tags, open lengths or numbers that authenticators do not write")
    place = start + 1 + size
    number = int.from_bytes(data[start + 1 : place], "big") if size else more
    if major in (2, 3):
        place += number
    elif major in (4, 5):
        place = _skip_items(data, place, number * (major - 3), depth - 1)
    if place > len(data):
        raise ValueError("CBOR that is cut off")
    return place


def _skip_items(data: bytes, place: int, number: int, depth: int) -> int:
    if depth < 0 or number > len(data) - place:  # an item has one octet at least
        raise ValueError("CBOR that is cut off, or too deep")
    for _ in range(number):
        place = skip(data, place, depth)
    return place
