"""Whether a credential still holds: Bitstring Status List v1.0 (W3C), and its forerunner StatusList2021."""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from identity.credentials.credential import Credential
from identity.did import multibase
from identity.refusal import Reason, Refusal

MAX_TOKEN = 256 * 1024  # octets of a list as it is fetched
MIN_BITS = 131_072  # §2.2: a shorter list would tell which credential is looked at
MAX_OCTETS = 1 << 20  # unpacked: eight million credentials
PURPOSES = frozenset({"revocation", "suspension"})  # those that end or pause a credential; others only inform
_ENTRIES = {"BitstringStatusListEntry": "BitstringStatusList", "StatusList2021Entry": "StatusList2021"}
_INDEX = re.compile(r"(?:0|[1-9][0-9]{0,8})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a credential's bit is.

    Attributes:
        url: https address of the list, itself a credential.
        index: number of the bit.
        purpose: "revocation" or "suspension".
        subject_type: what the list's subject must be.
    """

    url: str
    index: int
    purpose: str
    subject_type: str


def entries(credential: Credential) -> tuple[Entry, ...] | Refusal:
    """Where to look; a status of a kind that is not understood is a refusal: it could say "revoked"."""
    found: list[Entry] = []
    for status in credential.statuses:
        entry = _entry(status)
        if isinstance(entry, Refusal):
            return entry
        if entry.purpose in PURPOSES:
            found.append(entry)
    return tuple(found)


def _entry(status: Mapping[str, Any]) -> Entry | Refusal:
    kind, purpose, url = (status.get(name) for name in ("type", "statusPurpose", "statusListCredential"))
    index = status.get("statusListIndex")
    if not isinstance(kind, str) or kind not in _ENTRIES:
        return Refusal(Reason.UNKNOWN_STATUS, "the credential has a status of a kind that cannot be checked here")
    text = str(index) if isinstance(index, int) and not isinstance(index, bool) else index
    if not isinstance(purpose, str) or not isinstance(url, str) or not isinstance(text, str) or not _INDEX.match(text):
        return Refusal(Reason.MALFORMED, "the credential's status entry cannot be read")
    if status.get("statusSize", 1) != 1:
        return Refusal(Reason.UNKNOWN_STATUS, "the credential's status has more than one bit")
    return Entry(url, int(text), purpose, _ENTRIES[kind])


def judge(listed: Credential, entry: Entry) -> Refusal | None:
    """Look at one bit of a list whose signature and times are verified (§3.2). None: the credential holds."""
    if len(listed.subjects) != 1 or listed.subjects[0].get("type") != entry.subject_type:
        return Refusal(Reason.UNKNOWN_STATUS, "what lies at the status list's address is no status list")
    subject = listed.subjects[0]
    purpose = subject.get("statusPurpose")
    if entry.purpose not in (purpose if isinstance(purpose, list) else [purpose]):
        return Refusal(Reason.UNKNOWN_STATUS, "the status list serves another purpose")
    try:
        bits = unpack(subject.get("encodedList"))
    except ValueError as error:
        return Refusal(Reason.UNKNOWN_STATUS, f"the status list cannot be read: {error}")
    octet, place = divmod(entry.index, 8)
    if octet >= len(bits):
        return Refusal(Reason.UNKNOWN_STATUS, "the credential's place lies behind the end of the status list")
    if bits[octet] >> (7 - place) & 1:  # index 0 is the left-most bit
        words = "has been revoked" if entry.purpose == "revocation" else "is suspended"
        return Refusal(Reason.REVOKED, f"the credential {words} by its issuer")
    return None


def unpack(encoded: object) -> bytes:
    """The bits of an `encodedList`: GZIP (RFC 1952) in base64url.

    Raises:
        ValueError: no such thing, too short, or more than `MAX_OCTETS` (a few kilobytes could unfold to gigabytes).
    """
    if not isinstance(encoded, str):
        raise ValueError("it has no encodedList")  # noqa: TRY004 - what came in is wrong, not our call
    inflate = zlib.decompressobj(wbits=31)
    try:
        packed = multibase.decode(encoded) if encoded.startswith("u") else base64.urlsafe_b64decode(_padded(encoded))
        bits = inflate.decompress(packed, MAX_OCTETS + 1)
    except (zlib.error, binascii.Error):
        raise ValueError("its encodedList is no GZIP in base64url") from None
    if len(bits) > MAX_OCTETS or not inflate.eof or inflate.unused_data:
        raise ValueError(f"its encodedList unpacks to more than {MAX_OCTETS} octets, or has no proper end")
    if len(bits) * 8 < MIN_BITS:
        raise ValueError(f"it has less than {MIN_BITS} entries")
    return bits


def _padded(text: str) -> str:
    return text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)


def pack(bits: bytes) -> str:
    """An `encodedList` of these bits."""
    squeeze = zlib.compressobj(9, wbits=31)
    return "u" + multibase.encode_base64url(squeeze.compress(bits) + squeeze.flush())
