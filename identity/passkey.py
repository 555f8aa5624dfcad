"""Passkeys: what a browser brings back, held against what it was asked (Web Authentication Level 3, §7).

Everything is read twice: strictly here, which closes the lists of algorithms, attestations and shapes and says what is
wrong, and by the library (`identity.passkey_library`), which has the last word on the signature.
"""

from __future__ import annotations

import hashlib
import hmac
import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from identity import authenticator_data, strict_json
from identity.authenticator_data import AuthenticatorData, Flag
from identity.did.multibase import decode_base64url
from identity.refusal import Reason, Refusal

_LIBRARY = "identity.passkey_library"
MAX_CLIENT_DATA = 2048  # octets, as all of these
MAX_ATTESTATION_OBJECT = 4096
MAX_AUTHENTICATOR_DATA = 1024
MAX_SIGNATURE = 512
MAX_USER_HANDLE = 64  # §4
TRANSPORTS = ("usb", "nfc", "ble", "smart-card", "internal", "cable", "hybrid")  # §5.8.4, and one that was renamed


@dataclass(frozen=True, slots=True)
class Site:
    """Who asks.

    Attributes:
        id: the host name that passkeys belong to (the relying party's id).
        origin: scheme and authority as browsers write them, "https://mail.example.org".
    """

    id: str
    origin: str


@dataclass(frozen=True, slots=True)
class Owner:
    """Who is to get a passkey.

    Attributes:
        handle: their random handle.
        address, name: what their authenticator shows them.
        held: the passkeys that they have, which are not made twice: id, and how browsers reach the authenticator.
    """

    handle: bytes
    address: str
    name: str
    held: Sequence[tuple[bytes, Sequence[str]]] = ()


@dataclass(frozen=True, slots=True)
class Registration:
    """A new passkey, as the browser brings it."""

    id: bytes
    client_data: bytes
    attestation_object: bytes


@dataclass(frozen=True, slots=True)
class Assertion:
    """An answer of a passkey, as the browser brings it."""

    id: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes
    user_handle: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """What an authenticator said, and a signature or the person's own session vouches for.

    Attributes:
        public_key: COSE_Key; b"" from an assertion.
        sign_count: 0 where the authenticator does not count. Comparing it with the last one is the caller's part.
        is_synced: the passkey may be on several devices of its owner.
        is_backed_up: it is, now.
    """

    public_key: bytes
    sign_count: int
    is_synced: bool
    is_backed_up: bool


def is_loaded() -> bool:
    """False until the library is imported."""
    return _LIBRARY in sys.modules


def load() -> None:
    """Import the library, which takes 60 ms: in a thread, before the first of the functions below that need it."""
    importlib.import_module(_LIBRARY)


def request(site: Site, challenge: bytes, seconds: int) -> dict[str, Any]:
    """What `navigator.credentials.get()` is to be asked, in its JSON form."""
    from identity import passkey_library as library  # noqa: PLC0415

    return library.request(site, challenge, seconds)


def creation(site: Site, challenge: bytes, seconds: int, owner: Owner) -> dict[str, Any]:
    """What `navigator.credentials.create()` is to be asked, in its JSON form."""
    from identity import passkey_library as library  # noqa: PLC0415

    return library.creation(site, challenge, seconds, owner)


def challenge_of(client_data: bytes) -> bytes | Refusal:
    """Which challenge the answer is for; nothing about it is verified."""
    read = _client_data(client_data)
    return read if isinstance(read, Refusal) else read[1]


def verify_registration(sent: Registration, challenge: bytes, site: Site) -> Verified | Refusal:
    """Hold a new passkey against what was asked (§7.1).

    1. The browser says: made here, for this challenge. 2. The attestation is none, or the passkey's own signature;
    certificates of makers were not asked for and are not read. 3. The authenticator says: for this site, with its
    owner present and verified. 4. The key is of a kind on the list, and sound. 5. The library agrees.
    """
    refusal = _judge_client_data(sent.client_data, "webauthn.create", challenge, site)  # 1
    if refusal is not None:
        return refusal
    from identity import passkey_library as library  # noqa: PLC0415

    try:
        data = _attested(sent.attestation_object, library.decode_cbor)  # 2
    except library.BROKEN as error:
        return _malformed(error)
    if (refusal := _judge_data(data, site)) is not None:  # 3
        return refusal
    if not hmac.compare_digest(data.credential_id, sent.id):
        return Refusal(Reason.MALFORMED, "the passkey has two names")
    if not library.is_sound(data.public_key):  # 4
        return Refusal(
            Reason.UNKNOWN_ALGORITHM, "the passkey's key is of a kind that is not used here; try another device"
        )
    try:
        found = library.registered(sent, challenge, site)  # 5
    except library.BROKEN as error:
        return _malformed(error)
    if found != (data.credential_id, data.public_key):
        return Refusal(Reason.MALFORMED, "the passkey can be read in two ways")
    return _verified(data)


def verify_assertion(sent: Assertion, challenge: bytes, site: Site, public_key: bytes) -> Verified | Refusal:
    """Hold an answer against what was asked (§7.2).

    1. The browser says: asked here, for this challenge. 2. The authenticator says: for this site, with its owner
    present and verified. 3. The signature over both is by `public_key`, whose own kind decides the algorithm.

    Args:
        public_key: COSE_Key, of the passkey that the answer names.
    """
    refusal = _judge_client_data(sent.client_data, "webauthn.get", challenge, site)  # 1
    if refusal is not None:
        return refusal
    try:
        data = _asserted(sent)
    except ValueError as error:
        return _malformed(error)
    if (refusal := _judge_data(data, site)) is not None:  # 2
        return refusal
    from identity import passkey_library as library  # noqa: PLC0415

    try:
        library.answered(sent, challenge, site, public_key)  # 3
    except library.BROKEN:
        return Refusal(Reason.BAD_SIGNATURE, "the passkey's signature does not hold")
    return _verified(data)


def _client_data(octets: bytes) -> tuple[dict[str, Any], bytes] | Refusal:
    try:
        said = strict_json.loads(octets, MAX_CLIENT_DATA, depth=4)
        text = said.get("challenge")
        return said, decode_base64url(text if isinstance(text, str) else "?")
    except ValueError as error:
        return _malformed(error)


def _judge_client_data(octets: bytes, kind: str, challenge: bytes, site: Site) -> Refusal | None:
    read = _client_data(octets)
    if isinstance(read, Refusal):
        return read
    said, answered = read
    if said.get("type") != kind:
        return Refusal(Reason.MALFORMED, "the browser was asked for something else")
    if not hmac.compare_digest(answered, challenge):
        return Refusal(Reason.WRONG_NONCE, "this answers another question")
    if said.get("origin") != site.origin:
        return Refusal(Reason.WRONG_DOMAIN, f"the passkey was used on another site than {site.origin}")
    # Our pages are in nobody's frame: what was asked there was asked by somebody else (§13.4.9).
    if said.get("crossOrigin", False) is not False or "topOrigin" in said:
        return Refusal(Reason.WRONG_DOMAIN, "the passkey was used inside another site's page")
    return None


def _judge_data(data: AuthenticatorData, site: Site) -> Refusal | None:
    if not hmac.compare_digest(data.rp_id_hash, hashlib.sha256(site.id.encode()).digest()):
        return Refusal(Reason.WRONG_DOMAIN, f"the passkey belongs to another site than {site.id}")
    if not data.flags & Flag.PRESENT or not data.flags & Flag.VERIFIED:
        words = "the device did not ask who you are; set up its PIN, fingerprint or face, and try again"
        return Refusal(Reason.NOT_VERIFIED, words)
    if data.flags & Flag.BACKED_UP and not data.flags & Flag.SYNCED:
        return Refusal(Reason.MALFORMED, "the passkey contradicts itself about its copies")
    return None


def _attested(octets: bytes, decode: Callable[[bytes], Any]) -> AuthenticatorData:
    if len(octets) > MAX_ATTESTATION_OBJECT:
        raise ValueError(f"more than {MAX_ATTESTATION_OBJECT} octets")
    if authenticator_data.skip(octets, 0) != len(octets):
        raise ValueError("there is something behind the attestation")
    content = decode(octets)
    if not isinstance(content, dict) or content.keys() != {"fmt", "attStmt", "authData"}:
        raise ValueError("an attestation has three parts")
    form, statement = content["fmt"], content["attStmt"]
    if (form, statement) != ("none", {}) and (form != "packed" or statement.keys() != {"alg", "sig"}):
        raise ValueError("an attestation that was not asked for")
    data = authenticator_data.read(content["authData"])
    if not data.flags & Flag.HAS_KEY:
        raise ValueError("an attestation without a key")
    return data


def _asserted(sent: Assertion) -> AuthenticatorData:
    if len(sent.authenticator_data) > MAX_AUTHENTICATOR_DATA or len(sent.signature) > MAX_SIGNATURE:
        raise ValueError("an answer that is too long")
    return authenticator_data.read(sent.authenticator_data)


def _verified(data: AuthenticatorData) -> Verified:
    synced, backed_up = bool(data.flags & Flag.SYNCED), bool(data.flags & Flag.BACKED_UP)
    return Verified(data.public_key, data.sign_count, synced, backed_up)


def _malformed(error: BaseException) -> Refusal:
    words = f": {error}" if type(error) is ValueError else ""
    return Refusal(Reason.MALFORMED, f"the passkey's answer cannot be read{words}")
