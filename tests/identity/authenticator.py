"""An authenticator in software, written from the standard, with a browser around it: it can err in every way."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

PRESENT, VERIFIED, SYNCED, BACKED_UP, HAS_KEY, HAS_EXTENSIONS = 0x01, 0x04, 0x08, 0x10, 0x40, 0x80
_KEYS: dict[str, Any] = {}


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def new_key(kind: str) -> Any:
    """A private key; those of RSA are slow to find, so there is one of each size."""
    if kind == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if kind.startswith("RS"):
        return _KEYS.setdefault(kind, rsa.generate_private_key(65537, int(kind[2:])))
    curve: Any = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}[kind]
    return ec.generate_private_key(curve())


def cose(key: Any, **changes: Any) -> dict[int, Any]:
    """The public key as a COSE_Key (RFC 9053 §7)."""
    public = key.public_key()
    if isinstance(public, ed25519.Ed25519PublicKey):
        fields = {1: 1, 3: -8, -1: 6, -2: public.public_bytes_raw()}
    elif isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        fields = {1: 3, 3: -257, -1: numbers.n.to_bytes(public.key_size // 8, "big"), -2: numbers.e.to_bytes(3, "big")}
    else:
        numbers, size = public.public_numbers(), (public.key_size + 7) // 8
        curve = {256: 1, 384: 2}[public.key_size]
        fields = {1: 2, 3: -7, -1: curve, -2: numbers.x.to_bytes(size, "big"), -3: numbers.y.to_bytes(size, "big")}
    return {**fields, **{int(name.replace("_", "-")): value for name, value in changes.items()}}


def sign(key: Any, data: bytes) -> bytes:
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(data)
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    return bytes(key.sign(data, ec.ECDSA(hashes.SHA256())))


@dataclass
class Authenticator:
    """One passkey, and a browser that stands at `origin`.

    Attributes:
        count: the signature counter; None for an authenticator that does not count.
        flags: what it says of its owner and its copies, beside what follows from the content.
    """

    kind: str = "P-256"
    origin: str = "https://mail.waxseal.test"
    count: int | None = None
    flags: int = PRESENT | VERIFIED
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: bytes = b""
    key: Any = None

    def __post_init__(self) -> None:
        self.key = self.key or new_key(self.kind)

    def client_data(self, type: str, challenge: str, **changes: Any) -> bytes:
        said = {"type": type, "challenge": challenge, "origin": self.origin, "crossOrigin": False, **changes}
        return json.dumps({name: value for name, value in said.items() if value is not None}).encode()

    def data(self, rp_id: str, extra: bytes = b"", flags: int = 0) -> bytes:
        if self.count is not None:
            self.count += 1
        head = hashlib.sha256(rp_id.encode()).digest() + bytes([self.flags | flags])
        return head + (self.count or 0).to_bytes(4, "big") + extra

    def create(
        self,
        options: Mapping[str, Any],
        *,
        rp_id: str = "",
        public: Mapping[int, Any] | bytes | None = None,
        attestation: Mapping[str, Any] | None = None,
        **said: Any,
    ) -> dict[str, Any]:
        """What `navigator.credentials.create(options)` gives, as `toJSON()` writes it.

        Args:
            rp_id: of another site than the options name.
            public: another public key than the authenticator's own.
            attestation: parts of the attestation object.
            said: changes to the client data; None leaves one out.
        """
        self.handle = decoded(options["user"]["id"])
        named = cose(self.key) if public is None else public
        octets = named if isinstance(named, bytes) else cbor2.dumps(named)
        attested = bytes(16) + len(self.id).to_bytes(2, "big") + self.id + octets
        data = self.data(rp_id or options["rp"]["id"], attested, HAS_KEY)
        client_data = self.client_data(**{"type": "webauthn.create", "challenge": options["challenge"], **said})
        parts: dict[str, Any] = {"fmt": "none", "attStmt": {}, "authData": data, **(attestation or {})}
        if parts["fmt"] == "packed" and "sig" not in parts["attStmt"]:
            signature = sign(self.key, data + hashlib.sha256(client_data).digest())
            parts["attStmt"] = {**parts["attStmt"], "sig": signature}
        return {
            "id": encoded(self.id),
            "rawId": encoded(self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encoded(client_data),
                "attestationObject": encoded(cbor2.dumps(parts)),
                "transports": ["internal", "hybrid"],
            },
        }

    def get(
        self, options: Mapping[str, Any], *, rp_id: str = "", extra: bytes = b"", flags: int = 0, **said: Any
    ) -> dict[str, Any]:
        """What `navigator.credentials.get(options)` gives, as `toJSON()` writes it; see `create`."""
        data = self.data(rp_id or options["rpId"], extra, flags)
        client_data = self.client_data(**{"type": "webauthn.get", "challenge": options["challenge"], **said})
        return {
            "id": encoded(self.id),
            "rawId": encoded(self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": {
                "clientDataJSON": encoded(client_data),
                "authenticatorData": encoded(data),
                "signature": encoded(sign(self.key, data + hashlib.sha256(client_data).digest())),
                "userHandle": encoded(self.handle),
            },
        }
