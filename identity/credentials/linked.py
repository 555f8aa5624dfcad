"""Credentials and presentations with an embedded (linked-data) proof: W3C VCDM 1.1 as JSON-LD, read and judged.

What such a proof signs is a graph in which every name is an address: whoever holds a signed credential may rename its
members, give it a further type that no context explains, or move the meaning of one name to another, and the signature
still holds. So nothing is read here by a name that the bearer could have chosen: the document's own members are a
closed list that only the first context explains, and types and claims are called by the addresses they stand for.

    {"@context": ["https://www.w3.org/2018/credentials/v1", {"member": "https://example.org/terms#member"}], ...}

gives the claim "https://example.org/terms#member". The signature itself is checked elsewhere (`Proofs`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from identity import strict_json
from identity.credentials import credential as credentials
from identity.credentials.credential import V1, Credential
from identity.did import self_contained
from identity.did.document import Method, Purpose
from identity.did.keys import Kind
from identity.did.syntax import Did, DidUrl, parse_url
from identity.jose import SKEW
from identity.refusal import Reason, Refusal

MAX_SIZE = 48 * 1024  # octets of a document
MAX_DEPTH = 16
MAX_VALUES = 512  # objects, lists and plain values of a document together: about as many triples
MAX_BLANK = 8  # nodes without a name: giving them names that every reader finds alike takes time beyond all bounds
MAX_BLANK_SHOWN = 24  # of a presentation, with all that it shows
MAX_CREDENTIALS = 8
MAX_TERMS = 64  # that a credential explains itself
MAX_TEXT = 2048  # characters of one claim

_RECOVERY = "EcdsaSecp256k1RecoverySignature2020"
# Suites, and the kind of key that each is by; an account of Ethereum (did:pkh) is a key of secp256k1.
SUITES: Mapping[str, Kind] = {
    "Ed25519Signature2018": Kind.ED25519,
    "Ed25519Signature2020": Kind.ED25519,
    _RECOVERY: Kind.SECP256K1,
    "Eip712Signature2021": Kind.SECP256K1,
    "EthereumPersonalSignature2021": Kind.SECP256K1,
}
# Contexts that didkit has with it; nothing is ever fetched.
_RECOVERY_TERMS = "https://w3id.org/security/suites/secp256k1recovery-2020/v2"
_ED25519_TERMS = "https://w3id.org/security/suites/ed25519-2020/v1"
_STATUS_TERMS = "https://w3id.org/vc/status-list/2021/v1"
CONTEXTS = frozenset(
    {
        _RECOVERY_TERMS,
        _ED25519_TERMS,
        _STATUS_TERMS,
        "https://w3id.org/security/suites/eip712sig-2021/v1",
        "https://w3id.org/security/suites/jws-2020/v1",
    }
)
# A proof explains itself in the words that didkit writes, or not at all: with others, "challenge" could be any name.
# SHA-256 of the context as JSON, names in order, no spaces.
_PROOF_CONTEXTS = frozenset(
    {
        "",
        _RECOVERY_TERMS,
        _ED25519_TERMS,
        "15fe06740828510d796f749219213430bec6784addd96eff1da1ba6df51a37c4",  # Eip712Signature2021
        "47a767fee44c5e4656fab7281bafb9a780890556014b29e55325278a508755cc",  # EthereumPersonalSignature2021
    }
)
_PROOF_MEMBERS = {"@context", "type", "proofPurpose", "verificationMethod", "created", "challenge", "domain", "jws",
                  "proofValue"}  # fmt: skip
_MEMBERS = {"@context", "id", "type", "issuer", "issuanceDate", "expirationDate", "credentialSubject",
            "credentialStatus", "proof"}  # fmt: skip
_SHOWN_MEMBERS = {"@context", "id", "type", "holder", "verifiableCredential", "proof"}
_STATUS_MEMBERS = {"id", "type", "statusPurpose", "statusListIndex", "statusListCredential"}
# Names that mean something before anybody explains them, here or in addresses ("did:..." would be taken for a name).
_RESERVED = _MEMBERS | _SHOWN_MEMBERS | _STATUS_MEMBERS | _PROOF_MEMBERS | SUITES.keys() | {
    "VerifiableCredential", "VerifiablePresentation", "StatusList2021Entry", "StatusList2021Credential",
    "StatusList2021", "encodedList", "evidence", "termsOfUse", "refreshService", "credentialSchema", "cred", "sec",
    "xsd", "nonce", "expires", "did", "http", "https", "urn", "data", "mailto",
}  # fmt: skip
_ABSOLUTE = re.compile(r"[a-z][a-z0-9+.-]{1,15}:[!-~]{1,1000}\Z", re.ASCII)
_TERM = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z", re.ASCII)
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(?::[0-9]{1,5})?/[A-Za-z0-9._~!$&'()*+,;=:@%/?#-]{1,160}\Z", re.ASCII)
# The data model's own vocabulary: a bearer could hang a second issuer, or an end of validity, under a name of theirs.
_VOCABULARIES = ("https://www.w3.org/2018/credentials", "https://www.w3.org/ns/credentials", "https://w3id.org/",
                 "http://www.w3.org/1999/02/22-rdf-syntax-ns", "http://www.w3.org/2000/01/rdf-schema",
                 "http://www.w3.org/2001/XMLSchema", "http://purl.org/dc/terms")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Question:
    """One signature to be checked: did the key named in it sign this document, for this purpose?

    Attributes:
        document: JSON.
        shown: it is a presentation; otherwise a credential.
        method: DID URL of the key.
        challenge, domain: of a presentation.
    """

    document: str
    shown: bool
    method: str
    challenge: str = ""
    domain: str = ""


class Proofs(Protocol):
    """Checks signatures over linked data. Answers in bounded time, and fetches nothing."""

    async def check(self, question: Question) -> Refusal | None:
        """None when the signature holds."""
        ...


@dataclass(frozen=True, slots=True)
class LinkedCredential:
    """A credential that was read, and not verified; `question` is what is still to be asked."""

    credential: Credential
    question: Question
    created: datetime | None


@dataclass(frozen=True, slots=True)
class LinkedPresentation:
    """A presentation that was read, and not verified.

    Attributes:
        holder: who shows it; the key in `method` is theirs.
        nonce, domain: `challenge` and `domain` of the proof; both are there.
        credentials: as text, JSON each, of which nothing is known yet.
    """

    holder: Did
    nonce: str
    domain: str
    credentials: tuple[str, ...]
    question: Question
    method: Method
    created: datetime | None


def is_linked(text: str) -> bool:
    """True for JSON, where a signed token could stand as well."""
    return text.lstrip().startswith("{")


def read(text: str) -> LinkedCredential | Refusal:
    """Read a credential with an embedded proof, within bounds, by names that its bearer did not choose.

    1. JSON within bounds of size, depth, number, and nodes without a name. 2. One proof, of a known suite. 3. Contexts:
    the data model's first, then known ones, then plain explanations of further names. 4. Every member and type is on
    the list or explained. 5. The key is one of the issuer's DID, for assertions, and fits the suite.
    """
    try:
        body = _loads(text, MAX_BLANK)  # 1
        proof = _proof(body)  # 2
        if isinstance(proof, Refusal):
            return proof
        terms = _terms(body)  # 3
        _only(body, _MEMBERS, "the credential")  # 4
        named = _renamed(body, terms)
        issuer = credentials.party("issuer", body.get("issuer"))
        found = credentials.read_plain(named)
        method = _method(proof, issuer, Purpose.ASSERTION)  # 5
        if isinstance(method, Refusal):
            return method
        if "challenge" in proof or "domain" in proof:
            raise ValueError("its proof answers a challenge, as a presentation's does")
        return LinkedCredential(found, Question(text, False, method.id), credentials.time_at(proof, "created"))
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the credential cannot be read: {error}")


def read_presentation(text: str) -> LinkedPresentation | Refusal:
    """Read a presentation with an embedded proof; the credentials in it are read one by one, later."""
    try:
        body = _loads(text, MAX_BLANK_SHOWN)
        proof = _proof(body)
        if isinstance(proof, Refusal):
            return proof
        _only(body, _SHOWN_MEMBERS, "the presentation")
        if _terms(body):
            raise ValueError("a presentation explains no names of its own")
        if credentials.types(body, "VerifiablePresentation") != ("VerifiablePresentation",):
            raise ValueError("it has a type beside VerifiablePresentation")
        holder = credentials.party("holder", body.get("holder"))
        method = _method(proof, holder, Purpose.AUTHENTICATION)
        if isinstance(method, Refusal):
            return method
        nonce, domain = proof.get("challenge"), proof.get("domain")
        # didkit takes a presentation without a challenge for one that answers any.
        if not isinstance(nonce, str) or not isinstance(domain, str) or not 8 <= len(nonce) <= 128:
            return Refusal(Reason.WRONG_NONCE, "the proof answers no challenge: it needs `challenge` and `domain`")
        shown = tuple(json.dumps(each, separators=(",", ":"), ensure_ascii=False) for each in _listed(body))
        question = Question(text, True, method.id, nonce, domain)
        return LinkedPresentation(holder, nonce, domain, shown, question, method, credentials.time_at(proof, "created"))
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"the presentation cannot be read: {error}")


def judge_created(created: datetime | None, now: datetime) -> Refusal | None:
    """A proof that is dated in the future is none yet; `now` is aware."""
    if created is not None and created > now + SKEW:
        return Refusal(Reason.ISSUED_IN_FUTURE, "the proof is dated in the future; check the clock that signed it")
    return None


def _loads(text: str, blank: int) -> dict[str, Any]:
    body = strict_json.loads(text.encode(), MAX_SIZE, MAX_DEPTH)
    values = list(_values(body))
    if len(values) > MAX_VALUES:
        raise ValueError(f"it has more than {MAX_VALUES} values")
    if any(isinstance(value, float) or (isinstance(value, int) and abs(value) >= 1 << 53) for value in values):
        raise ValueError("long numbers, and those with a fraction, are signed in more than one spelling")
    nodes = [value for value in values if isinstance(value, dict)]
    # A label ("_:b0") ties nodes into knots that take for ever to sort; what is said of a relative id is not signed.
    if not all(_ABSOLUTE.match(node["id"]) if isinstance(node["id"], str) else False for node in nodes if "id" in node):
        raise ValueError("an id is no absolute address")
    if any(name.startswith("@") for node in nodes for name in node if name != "@context"):
        raise ValueError("keywords of JSON-LD stand beside @context alone")
    if sum("id" not in node for node in nodes) > blank:
        raise ValueError(f"it has more than {blank} nodes without an id")
    return body


def _values(value: Any) -> Iterator[Any]:
    """Everything below, contexts left out: they are judged by themselves."""
    yield value
    if isinstance(value, dict):
        for name, below in value.items():
            if name != "@context":
                yield from _values(below)
    elif isinstance(value, list):
        for below in value:
            yield from _values(below)


def _only(body: Mapping[str, Any], names: set[str], what: str) -> None:
    if odd := body.keys() - names:
        raise ValueError(f"{what} has the member {min(odd)[:40]!r}, which is not accepted")


def _terms(body: Mapping[str, Any]) -> dict[str, str]:
    """The names that the document explains itself, and their addresses, each said once."""
    listed = body.get("@context")
    if not credentials.begins_with(body, V1):
        raise ValueError(f"its first context is not {V1}")
    terms: dict[str, str] = {}
    for context in listed[1:] if isinstance(listed, list) else []:
        if isinstance(context, str):
            if context not in CONTEXTS:  # an unknown one would have to be fetched
                raise ValueError("it has a context that is not known here; contexts are never fetched")
            continue
        if not isinstance(context, dict):
            raise ValueError("a context is neither an address nor an object")  # noqa: TRY004 - what came in is wrong
        for name, address in context.items():
            _explain(terms, name, address)
    if len(terms) > MAX_TERMS or len(set(terms.values())) != len(terms):
        raise ValueError(f"it explains more than {MAX_TERMS} names, or two names alike")
    return terms


def _explain(terms: dict[str, str], name: str, address: object) -> None:
    if not _TERM.match(name) or name in _RESERVED or name in terms:
        raise ValueError(f"its context explains {name[:40]!r}, which is reserved, odd, or explained already")
    if not isinstance(address, str) or not _ADDRESS.match(address) or address.startswith(_VOCABULARIES):
        raise ValueError(f"its context explains {name[:40]!r} by something else than an address of the issuer's own")
    terms[name] = address


def _renamed(body: Mapping[str, Any], terms: Mapping[str, str]) -> dict[str, Any]:
    """The credential with types and claims called by their addresses."""
    subjects = body.get("credentialSubject", [])
    listed = subjects if isinstance(subjects, list) else [subjects]
    found = [type if type == "VerifiableCredential" else _address(type, terms) for type in _types(body)]
    for status in _objects(body.get("credentialStatus", [])):
        _only(status, _STATUS_MEMBERS, "the status")
    return {**body, "type": found, "credentialSubject": [_claims(each, terms) for each in listed]}


def _objects(value: object) -> list[dict[str, Any]]:
    return [each for each in (value if isinstance(value, list) else [value]) if isinstance(each, dict)]


def _types(node: Mapping[str, Any]) -> list[str]:
    value = node.get("type", [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise ValueError("a type is no text")
    return listed


def _address(name: str, terms: Mapping[str, str]) -> str:
    if name not in terms:  # didkit drops a type that nobody explains, and the signature holds with any
        raise ValueError(f"no context explains {name[:40]!r}")
    return terms[name]


def _claims(value: object, terms: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for name, below in value.items():
            if name == "id":
                found[name] = below
            elif name == "type":
                found[name] = [_address(each, terms) for each in _types(value)]
            else:
                found[_address(name, terms)] = _claims(below, terms)
        return found
    if isinstance(value, list):
        return [_claims(each, terms) for each in value]
    if not isinstance(value, str | bool | int) or (isinstance(value, str) and len(value) > MAX_TEXT):
        raise ValueError(f"a claim is null, or longer than {MAX_TEXT} characters")
    return value


def _listed(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    value = body.get("verifiableCredential", [])
    listed = value if isinstance(value, list) else [value]
    if len(listed) > MAX_CREDENTIALS:
        raise ValueError(f"it holds more than {MAX_CREDENTIALS} credentials")
    if not all(isinstance(each, dict) for each in listed):
        raise ValueError("it holds a credential that is no object; signed tokens are shown in a signed token")
    return listed


def _proof(body: Mapping[str, Any]) -> dict[str, Any] | Refusal:
    """The one proof."""
    proof = body.get("proof")
    proof = proof[0] if isinstance(proof, list) and len(proof) == 1 else proof
    if isinstance(proof, list):
        raise ValueError("it has not exactly one proof")  # noqa: TRY004 - what came in is wrong, not our call
    if not isinstance(proof, dict) or not isinstance(proof.get("type"), str) or proof["type"] not in SUITES:
        return Refusal(Reason.UNKNOWN_SUITE, f"an embedded proof is one of {', '.join(SUITES)}")
    _only(proof, _PROOF_MEMBERS, "the proof")
    if _spelt(proof.get("@context", "")) not in _PROOF_CONTEXTS:
        raise ValueError("its proof explains names in words of its own")
    return proof


def _spelt(context: object) -> str:
    """A context as the list of those above has it."""
    context = context[0] if isinstance(context, list) and len(context) == 1 else context
    if isinstance(context, str):
        return context
    return hashlib.sha256(json.dumps(context, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _method(proof: Mapping[str, Any], did: Did, purpose: Purpose) -> Method | Refusal:
    """The key that the proof names: of this very DID, for this purpose, fit for the suite.

    Only DIDs that need no network: nobody but us decides what is fetched, and didkit would fetch whatever it is told.
    """
    if proof.get("proofPurpose") != purpose.value:
        return Refusal(Reason.WRONG_KEY, f"the proof is not for the purpose {purpose.value}")
    if did.method not in {"key", "pkh"}:
        return Refusal(Reason.UNKNOWN_METHOD, "embedded proofs are accepted by did:key and did:pkh alone")
    url = parse_url(proof["verificationMethod"]) if isinstance(proof.get("verificationMethod"), str) else None
    document = self_contained.resolve(did)
    if isinstance(document, Refusal):
        return document
    if not isinstance(url, DidUrl) or url.did != did:
        return Refusal(Reason.WRONG_KEY, "the key that is named belongs to another DID")
    for method in document.methods_for(purpose):
        kind = Kind.SECP256K1 if method.key is None else method.key.kind
        if method.id == str(url) and kind is SUITES[proof["type"]]:
            return method
    return Refusal(Reason.WRONG_KEY, "the DID lists no such key, or none that fits the proof's suite")
