"""DID documents: what a DID stands for. Read from strangers' JSON, and written (W3C DID Core 1.0 §5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from identity import strict_json
from identity.did import keys, multibase
from identity.did.keys import Kind, PublicKey
from identity.did.syntax import Did, DidUrl, parse_url
from identity.refusal import Reason, Refusal

MAX_SIZE = 64 * 1024  # octets
MAX_ENTRIES = 64  # keys, services or other names in one document
CONTEXT = "https://www.w3.org/ns/did/v1"
_JWK_CONTEXT = "https://w3id.org/security/suites/jws-2020/v1"
_ACCOUNT_CONTEXT = "https://w3id.org/security/suites/secp256k1recovery-2020/v2"
ACCOUNT_TYPE = "EcdsaSecp256k1RecoveryMethod2020"

# Which kind of key a type may hold, where its name says so; the rest says it inside the key.
_TYPES: dict[str, Kind | None] = {
    "JsonWebKey": None,
    "JsonWebKey2020": None,
    "Multikey": None,
    "Ed25519VerificationKey2018": Kind.ED25519,
    "Ed25519VerificationKey2020": Kind.ED25519,
    "X25519KeyAgreementKey2019": Kind.X25519,
    "X25519KeyAgreementKey2020": Kind.X25519,
    "EcdsaSecp256k1VerificationKey2019": Kind.SECP256K1,
    "EcdsaSecp256r1VerificationKey2019": Kind.P256,
}


class Purpose(Enum):
    """What a key may be used for (§5.3)."""

    AUTHENTICATION = "authentication"
    ASSERTION = "assertionMethod"
    AGREEMENT = "keyAgreement"


@dataclass(frozen=True, slots=True)
class Method:
    """One verification method.

    Attributes:
        id: its DID URL, always absolute.
        controller: a DID.
        key: None where the method is an account on a chain.
        account: CAIP-10, or "".
    """

    id: str
    controller: str
    key: PublicKey | None
    account: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """Where the subject can be reached; `kind` is the entry's type."""

    id: str
    kind: str
    endpoint: str


@dataclass(frozen=True, slots=True)
class Document:
    """What a DID stands for.

    Attributes:
        id: the DID.
        methods: keys that are understood here; others are left out.
        uses: purpose to the ids of the methods that serve it.
        also_known_as: other names, URIs, believed only when the other side says so, too.
        services: those with a single address.
    """

    id: str
    methods: tuple[Method, ...]
    uses: Mapping[Purpose, tuple[str, ...]]
    also_known_as: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()

    def methods_for(self, purpose: Purpose) -> tuple[Method, ...]:
        """The methods that may be used for this; a key that is merely listed may be used for nothing."""
        ids = self.uses.get(purpose, ())
        return tuple(method for method in self.methods if method.id in ids)

    def write(self) -> dict[str, Any]:
        """As JSON to be published."""
        contexts = [CONTEXT]
        contexts += [_JWK_CONTEXT] if any(method.key for method in self.methods) else []
        contexts += [_ACCOUNT_CONTEXT] if any(method.account for method in self.methods) else []
        content: dict[str, Any] = {"@context": contexts, "id": self.id}
        if self.also_known_as:
            content["alsoKnownAs"] = list(self.also_known_as)
        content["verificationMethod"] = [_written(method) for method in self.methods]
        content.update({purpose.value: list(ids) for purpose, ids in self.uses.items() if ids})
        if self.services:
            content["service"] = [
                {"id": each.id, "type": each.kind, "serviceEndpoint": each.endpoint} for each in self.services
            ]
        return content


def _written(method: Method) -> dict[str, Any]:
    content: dict[str, Any] = {"id": method.id, "type": "JsonWebKey2020", "controller": method.controller}
    if method.key is not None:
        return {**content, "publicKeyJwk": method.key.jwk}
    return {**content, "type": ACCOUNT_TYPE, "blockchainAccountId": method.account}


def of_one_key(did: Did, fragment: str, key: PublicKey, account: str = "") -> Document:
    """The document of a DID that is one key: it signs, or (X25519) it is encrypted to."""
    id = f"{did}#{fragment}"
    purposes = (Purpose.AGREEMENT,) if key.kind is Kind.X25519 else (Purpose.AUTHENTICATION, Purpose.ASSERTION)
    return Document(str(did), (Method(id, str(did), key, account),), {purpose: (id,) for purpose in purposes})


def of_account(did: Did, fragment: str, account: str) -> Document:
    """The document of a DID that is an account on a chain, whose key only a signature shows."""
    id = f"{did}#{fragment}"
    uses = {purpose: (id,) for purpose in (Purpose.AUTHENTICATION, Purpose.ASSERTION)}
    return Document(str(did), (Method(id, str(did), None, account),), uses)


def read(data: bytes, did: Did) -> Document | Refusal:
    """Read the document that was found for a DID.

    1. It is JSON within bounds. 2. Its `id` is this very DID: otherwise a host could answer for others.
    3. No two methods share an id. 4. Relationships name methods of this document only; nothing further is fetched.
    """
    try:
        content = strict_json.loads(data, MAX_SIZE)  # 1
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the DID document cannot be read: {error}")
    if content.get("id") != str(did):  # 2
        return Refusal(Reason.UNRESOLVABLE, "the DID document is another DID's")
    try:
        embedded = {purpose: _entries(content, purpose.value) for purpose in Purpose}
        listed = [*_entries(content, "verificationMethod"), *(e for many in embedded.values() for e in many)]
        methods = [method for entry in listed if isinstance(entry, dict) and (method := _method(entry, did))]
        ids = [method.id for method in methods]
        if len(set(ids)) != len(ids):  # 3
            raise ValueError("two methods share an id")
        uses = {purpose: _references(entries, did) for purpose, entries in embedded.items()}  # 4
        names = tuple(name for name in _entries(content, "alsoKnownAs") if isinstance(name, str))
        services = tuple(service for entry in _entries(content, "service") if (service := _service(entry, did)))
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the DID document cannot be read: {error}")
    return Document(str(did), tuple(methods), uses, names, services)


def _entries(content: Mapping[str, Any], name: str) -> list[Any]:
    value = content.get(name, [])
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004 - what came in is wrong, not our call
    if len(value) > MAX_ENTRIES:
        raise ValueError(f"{name} has more than {MAX_ENTRIES} entries")
    return value


def _absolute(value: object, did: Did) -> str | None:
    """The DID URL of something within the document, or None for what is none, or lies elsewhere."""
    if not isinstance(value, str):
        return None
    url = parse_url(f"{did}{value}" if value.startswith("#") else value)
    return str(url) if isinstance(url, DidUrl) and url.did == did and url.fragment else None


def _references(entries: list[Any], did: Did) -> tuple[str, ...]:
    found = (_absolute(entry.get("id") if isinstance(entry, dict) else entry, did) for entry in entries)
    return tuple(id for id in found if id is not None)


def _method(entry: Mapping[str, Any], did: Did) -> Method | None:
    id, kind, controller = _absolute(entry.get("id"), did), entry.get("type"), entry.get("controller")
    if id is None or not isinstance(kind, str) or not isinstance(controller, str):
        return None
    if kind == ACCOUNT_TYPE and isinstance(entry.get("blockchainAccountId"), str):
        return Method(id, controller, None, entry["blockchainAccountId"])
    if kind not in _TYPES:
        return None
    try:
        key = _key(entry, kind)
    except ValueError:
        return None  # one odd key does not take the others away
    if _TYPES[kind] not in (None, key.kind):
        return None
    return Method(id, controller, key)


def _key(entry: Mapping[str, Any], kind: str) -> PublicKey:
    jwk, multikey, plain = (entry.get(name) for name in ("publicKeyJwk", "publicKeyMultibase", "publicKeyBase58"))
    given = [value for value in (jwk, multikey, plain) if value is not None]
    if len(given) != 1:
        raise ValueError("a method has exactly one key")
    if isinstance(jwk, dict) and jwk.get("use", "sig") in ("sig", "enc"):
        return keys.from_jwk(jwk)
    if isinstance(multikey, str):
        return keys.from_multikey(multikey)
    named = _TYPES[kind]
    if isinstance(plain, str) and named is not None:
        return keys.from_raw(named, multibase.decode_base58(plain))
    raise ValueError("the key is of no form that is understood here")


def _service(entry: object, did: Did) -> Service | None:
    if not isinstance(entry, dict):
        return None
    kind, endpoint = entry.get("type"), entry.get("serviceEndpoint")
    id = _absolute(entry.get("id"), did)
    if id is None or not isinstance(kind, str) or not isinstance(endpoint, str):
        return None
    return Service(id, kind, endpoint)
