"""Public keys in the DNS: reading the record, and verifying with the key (RFC 6376 §3.6.1, RFC 8301, RFC 8463)."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from node.mailauth.dkim_tags import TagError, base64_value, parse_tags, without_space
from node.mailauth.resolver import DnsTemporary, NoSuchName, Resolver
from node.mailauth.result import Result

MIN_RSA_BITS = 1024  # RFC 8301 §3.2
MAX_RSA_BITS = 8192  # more is an attack on our processor
MAX_RECORDS = 8

_KEY_TAG = re.compile(rb"(?:^|;)[ \t]*p[ \t]*=")


class KeyProblem(Exception):
    """There is no key to verify with; `result` is what that makes of the signature."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result = result


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key record.

    Attributes:
        kind: "rsa" or "ed25519".
        public: the key.
        hashes: hash algorithms it may be used with; empty: all.
        for_email: the record is for mail, or for any service.
        testing: the domain is trying DKIM out (`t=y`).
        strict: `i=` may not name a subdomain (`t=s`).
    """

    kind: str
    public: RSAPublicKey | Ed25519PublicKey = field(repr=False)
    hashes: frozenset[str] = frozenset()
    for_email: bool = True
    testing: bool = False
    strict: bool = False

    @property
    def bits(self) -> int:
        """The key's length."""
        return self.public.key_size if isinstance(self.public, RSAPublicKey) else 256

    def verify(self, signature: bytes, data: bytes) -> bool:
        """True when the key's owner signed these canonical header fields."""
        try:
            if isinstance(self.public, RSAPublicKey):
                self.public.verify(signature, data, padding.PKCS1v15(), SHA256())
            else:
                self.public.verify(signature, hashlib.sha256(data).digest())  # RFC 8463 §3
        except InvalidSignature:
            return False
        return True


def parse_key(text: bytes) -> KeyRecord:
    """Read a record; its TXT strings are joined already (§3.6.2.2).

    Raises:
        KeyProblem: the key is revoked, broken or too weak.
    """
    try:
        tags = parse_tags(text)
    except TagError as error:
        raise KeyProblem(Result.PERMERROR, f"the key record is broken: {error}") from None
    values = {name: tag.value for name, tag in tags.items()}
    if values.get("v", b"DKIM1") != b"DKIM1" or ("v" in values and next(iter(values)) != "v"):
        raise KeyProblem(Result.PERMERROR, "the key record is of an unknown version")
    if "p" not in values:
        raise KeyProblem(Result.PERMERROR, "the key record has no key")
    if not values["p"]:
        raise KeyProblem(Result.PERMERROR, "the key is revoked")
    flags, services = _words(values, "t"), _words(values, "s")
    kind = values.get("k", b"rsa").decode("ascii", "replace")
    return KeyRecord(
        kind=kind,
        public=_public(kind, values["p"]),
        hashes=frozenset(_words(values, "h")),
        for_email=not services or "*" in services or "email" in services,
        testing="y" in flags,
        strict="s" in flags,
    )


def _words(values: dict[str, bytes], name: str) -> list[str]:
    text = without_space(values.get(name, b"")).decode("ascii", "replace")
    return text.split(":") if text else []


def _public(kind: str, value: bytes) -> RSAPublicKey | Ed25519PublicKey:
    try:
        octets = base64_value("p", value)
        if kind == "ed25519":
            return Ed25519PublicKey.from_public_bytes(octets)
        if kind == "rsa":
            return _rsa(octets)
    except (TagError, ValueError, UnsupportedAlgorithm):
        raise KeyProblem(Result.PERMERROR, "the key record holds no usable key") from None
    raise KeyProblem(Result.PERMERROR, "the key is of an unknown kind")


def _rsa(octets: bytes) -> RSAPublicKey:
    """An RSA key of a fit size, as SubjectPublicKeyInfo (what everybody publishes) or RSAPublicKey (erratum 3017)."""
    if len(octets) > MAX_RSA_BITS // 8 + 128:
        raise KeyProblem(Result.POLICY, f"the RSA key is longer than {MAX_RSA_BITS} bits")
    key = load_der_public_key(octets)
    if not isinstance(key, RSAPublicKey):
        raise TagError("no RSA key")
    if key.key_size < MIN_RSA_BITS:
        raise KeyProblem(Result.POLICY, f"the RSA key has {key.key_size} bits, fewer than {MIN_RSA_BITS}")
    if key.key_size > MAX_RSA_BITS:
        raise KeyProblem(Result.POLICY, f"the RSA key is longer than {MAX_RSA_BITS} bits")
    return key


async def find_key(resolver: Resolver, domain: str, selector: str) -> KeyRecord:
    """The key record at `selector._domainkey.domain` (§3.6.2.1); other TXT records there are passed over.

    Raises:
        KeyProblem: there is none, several, or one of no use; `temperror` when the DNS did not answer.
    """
    try:
        records = await resolver.txt(f"{selector}._domainkey.{domain}")
    except NoSuchName:
        records = ()
    except DnsTemporary as error:
        raise KeyProblem(Result.TEMPERROR, f"the key could not be looked up: {error}") from None
    records = tuple(record for record in records[:MAX_RECORDS] if _is_key(record))
    if not records:
        raise KeyProblem(Result.PERMERROR, "no key for the signature")
    if len(set(records)) > 1:
        raise KeyProblem(Result.PERMERROR, "several key records for one selector")  # undefined, §3.6.2.2
    return parse_key(records[0])


def _is_key(record: bytes) -> bool:
    """Whether a TXT record means to be a key: a wildcard's SPF record does not."""
    return record.startswith(b"v=DKIM1") or _KEY_TAG.search(record) is not None
