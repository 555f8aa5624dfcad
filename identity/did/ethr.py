"""did:ethr: an account of an EVM chain, its owner, keys and delegates from an ERC-1056 registry (ethr DID method).

Pure: which chain answers, and at which block, the caller knows. A registry is asked for an identity's owner and last
change; each change is an event that names the block of the one before it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from identity import ethereum
from identity.did import keys
from identity.did.document import Document, Method, Purpose
from identity.did.keys import Kind, PublicKey
from identity.did.syntax import Did
from identity.gates.tokens import WORD, Call
from identity.refusal import Reason, Refusal

MAX_CHANGES = 64  # events of one identity; who has more is not resolved: the keys left out could be the revoked ones

# The first four octets of Keccak-256 of the signatures, and the whole of it for events.
OWNER = bytes.fromhex("8733d4e8")  # identityOwner(address)
CHANGED = bytes.fromhex("f96d0f9f")  # changed(address)
OWNER_CHANGED = bytes.fromhex("38a5a6e68f30ed1ab45860a4afb34bcb2fc00f22ca462d249b8a8d40cda6f7a3")
DELEGATE_CHANGED = bytes.fromhex("5a5084339536bcab65f20799fcc58724588145ca054bd2be626174b27ba156f7")
ATTRIBUTE_CHANGED = bytes.fromhex("18ab6b2ae3d64306c00ce663125f2bd680e441a098de1635bd7ad8b0d44965e4")

_NETWORKS = {"mainnet": 1, "sepolia": 11155111}
_CHAIN = r"0x[1-9A-Fa-f][0-9A-Fa-f]{0,15}|[a-z]{1,16}"
_ID = re.compile(rf"(?:({_CHAIN}):)?(0x(?:[0-9A-Fa-f]{{40}}|0[23][0-9A-Fa-f]{{64}}))\Z", re.ASCII)
_KEY_NAME = re.compile(r"did/pub/(\w{1,16})(?:/(\w{1,8}))?(?:/\w{1,8})?\Z", re.ASCII)
_KINDS = {"Secp256k1": Kind.SECP256K1, "Ed25519": Kind.ED25519, "X25519": Kind.X25519}


class EthrError(ValueError):
    """What a chain answers is no history of an identity; the message says why."""


class Subject(Enum):
    """What a change is about."""

    OWNER = "owner"
    DELEGATE = "delegate"
    ATTRIBUTE = "attribute"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a did:ethr names.

    Attributes:
        chain: EIP-155 number.
        address: 20 octets.
        key: the public key that the DID is written with, if it is.
    """

    chain: int
    address: bytes
    key: PublicKey | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One event of the registry.

    Attributes:
        name: a delegate's type, an attribute's name, without zeros at the end; b"" for owners.
        value: an address of 20 octets, or an attribute's value.
        valid_to: unix seconds; 0 for owners.
        previous: number of the block of the change before this one; 0 for none.
    """

    subject: Subject
    name: bytes
    value: bytes
    valid_to: int
    previous: int


@dataclass(frozen=True, slots=True)
class Record:
    """All that a registry knows about an identity at one block; the changes from the oldest on."""

    owner: bytes
    changes: tuple[Change, ...]


def parse(did: Did) -> Identity | Refusal:
    """Read a did:ethr: an address or a compressed public key, behind a chain's number in hex, or its name.

    Without a chain, Ethereum's main one is meant.
    """
    match = _ID.match(did.id)
    chain = None if match is None else _chain(match[1])
    if match is None or chain is None:
        words = "a did:ethr is did:ethr:0x..., or did:ethr:0xaa36a7:0x... with the chain's number in hex"
        return Refusal(Reason.MALFORMED, words)
    raw = bytes.fromhex(match[2][2:])
    try:
        if len(raw) == 20:
            ethereum.checksum_address(match[2])  # mixed case with a wrong checksum: somebody mistyped it
            return Identity(chain, raw)
        key = keys.from_raw(Kind.SECP256K1, raw)
    except ValueError as error:
        return Refusal(Reason.MALFORMED, f"this did:ethr names nobody: {error}")
    return Identity(chain, _address(key), key)


def _chain(text: str | None) -> int | None:
    if text is None:
        return 1
    return int(text, 16) if text.startswith("0x") else _NETWORKS.get(text)


def _address(key: PublicKey) -> bytes:
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256K1(), key.raw)
    return ethereum.keccak(point.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)[1:])[12:]


def ask_owner(registry: bytes, identity: bytes) -> Call:
    """Who controls it?"""
    return Call(registry, OWNER + identity.rjust(WORD, b"\0"))


def ask_changed(registry: bytes, identity: bytes) -> Call:
    """In which block was it changed last?"""
    return Call(registry, CHANGED + identity.rjust(WORD, b"\0"))


def read_owner(answer: bytes) -> bytes:
    """20 octets.

    Raises:
        EthrError: it is no address, as where there is no registry.
    """
    if len(answer) != WORD or any(answer[:12]):
        raise EthrError("the registry gives no owner")
    return answer[12:]


def read_number(answer: bytes) -> int:
    """A block's number; 0 for none.

    Raises:
        EthrError: it is none.
    """
    if len(answer) != WORD or any(answer[:24]):
        raise EthrError("the registry gives no block")
    return int.from_bytes(answer, "big")


def read_change(topics: Sequence[bytes], data: bytes, identity: bytes) -> Change:
    """Read one event.

    Raises:
        EthrError: it is none of the three, another identity's, or cut off.
    """
    if len(topics) != 2 or topics[1] != identity.rjust(WORD, b"\0"):
        raise EthrError("an event is about another identity")
    words = [data[start : start + WORD] for start in range(0, len(data), WORD)]
    if topics[0] == OWNER_CHANGED and len(data) == 2 * WORD:
        return Change(Subject.OWNER, b"", read_owner(words[0]), 0, read_number(words[1]))
    if topics[0] == DELEGATE_CHANGED and len(data) == 4 * WORD:
        name, ends = words[0].rstrip(b"\0"), int.from_bytes(words[2], "big")
        return Change(Subject.DELEGATE, name, read_owner(words[1]), ends, read_number(words[3]))
    if topics[0] == ATTRIBUTE_CHANGED and len(data) >= 5 * WORD and read_number(words[1]) == 4 * WORD:
        name, ends, size = words[0].rstrip(b"\0"), int.from_bytes(words[2], "big"), int.from_bytes(words[4], "big")
        value = data[5 * WORD : 5 * WORD + size] if size <= len(data) else b""
        if len(value) == size:
            return Change(Subject.ATTRIBUTE, name, value, ends, read_number(words[3]))
    raise EthrError("an event of the registry cannot be read")


def before(changes: Sequence[Change], block: int) -> int:
    """The block of the change before these, which are all of one block, in order; 0 for none.

    Raises:
        EthrError: there are none, or they do not point to each other: some are kept from us.
    """
    if not changes or changes[0].previous >= block or any(change.previous != block for change in changes[1:]):
        raise EthrError(f"the events of block {block} are not all there")
    return changes[0].previous


def check(identity: bytes, record: Record) -> None:
    """Hold the owner against the events.

    Raises:
        EthrError: they do not fit.
    """
    owners = [change.value for change in record.changes if change.subject is Subject.OWNER]
    last = owners[-1] if owners and any(owners[-1]) else identity
    if record.owner != last:
        raise EthrError("the owner is not whom the events name")


def document(did: Did, identity: Identity, record: Record, now: float) -> Document | Refusal:
    """The document of a DID.

    1. An identity that was given to nobody is gone for good. 2. The owner is `#controller`, an account; the key in the
    DID itself is `#controllerKey` as long as it owns the identity. 3. Keys and delegates are numbered over all events,
    so that a name never moves on to another key. 4. Delegates are accounts, too: their keys nobody knows.

    Services are left out: nobody here asks for them.

    Args:
        now: unix seconds; what is valid no longer is left out.
    """
    if any(change.subject is Subject.OWNER and not any(change.value) for change in record.changes):  # 1
        return Refusal(Reason.UNRESOLVABLE, "this did:ethr was given up by its owner")
    found = {b"controller": _Entry(_account(did, "controller", identity.chain, record.owner))}  # 2
    if identity.key is not None and record.owner == identity.address:
        found[b"controllerKey"] = _Entry(Method(f"{did}#controllerKey", str(did), identity.key))
    number = 0
    for change in record.changes:  # 3
        if change.subject is Subject.OWNER or (change.subject is Subject.ATTRIBUTE and not _is_key(change)):
            continue
        number += 1
        place = change.subject.value.encode() + b" " + change.name + b" " + change.value
        found.pop(place, None)
        entry = _entry(did, f"delegate-{number}", identity.chain, change) if change.valid_to >= now else None
        if entry is not None:
            found[place] = entry
    entries = tuple(found.values())
    uses = {purpose: tuple(entry.method.id for entry in entries if purpose in entry.purposes) for purpose in Purpose}
    return Document(str(did), tuple(entry.method for entry in entries), uses)


_SIGNS = frozenset({Purpose.AUTHENTICATION, Purpose.ASSERTION})
_PURPOSES = {"veriKey": frozenset({Purpose.ASSERTION}), "sigAuth": _SIGNS, "enc": frozenset({Purpose.AGREEMENT})}


@dataclass(frozen=True, slots=True)
class _Entry:
    method: Method
    purposes: frozenset[Purpose] = _SIGNS


def _is_key(change: Change) -> bool:
    return change.name.startswith(b"did/pub/")


def _entry(did: Did, fragment: str, chain: int, change: Change) -> _Entry | None:
    if change.subject is Subject.DELEGATE:  # 4
        if change.name not in (b"veriKey", b"sigAuth"):
            return None
        return _Entry(_account(did, fragment, chain, change.value), _PURPOSES[change.name.decode()])
    match = _KEY_NAME.match(change.name.decode("ascii", "replace"))
    if match is None or match[1] not in _KINDS:
        return None
    kind = _KINDS[match[1]]
    purposes = _PURPOSES.get(match[2] or "", _PURPOSES["veriKey"])
    if (kind is Kind.X25519) != (Purpose.AGREEMENT in purposes):
        return None
    try:
        return _Entry(Method(f"{did}#{fragment}", str(did), keys.from_raw(kind, change.value)), purposes)
    except ValueError:
        return None  # one odd key does not take the others away


def _account(did: Did, fragment: str, chain: int, address: bytes) -> Method:
    return Method(f"{did}#{fragment}", str(did), None, f"eip155:{chain}:{ethereum.to_checksum(address)}")
