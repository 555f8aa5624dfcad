"""did:ethr without a chain: identifiers, events as a registry writes them, and documents made of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from identity.did import ethr, keys, multibase
from identity.did.document import Document, Purpose
from identity.did.ethr import Change, EthrError, Identity, Record, Subject
from identity.did.keys import Kind
from identity.did.syntax import Did
from identity.ethereum import keccak
from identity.refusal import Reason, Refusal

ANN = bytes.fromhex("b9c5714089478a327f09197987f16f9e5d936e8a")
BOB = bytes(19) + b"\x07"
NOW = 1_800_000_000
SECP = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")  # the curve's generator
SECP_ADDRESS = bytes.fromhex("7e5f4552091a69125d5dfcb7b8c2659029395bdf")  # of the private key 1, well known
ED = multibase.decode_base64url("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")  # RFC 8037, A.2


def did(text: str = f"0x{ANN.hex()}") -> Did:
    return Did("ethr", text)


def event(number: int, **changes: object) -> Change:
    made = Change(Subject.ATTRIBUTE, b"did/pub/Ed25519/sigAuth/base64", ED, NOW + 60, number)
    return replace(made, **changes)  # type: ignore[arg-type]


def made(*changes: Change, owner: bytes = ANN, identity: Identity | None = None) -> Document:
    found = ethr.document(did(), identity or Identity(1, ANN), Record(owner, changes), NOW)
    assert isinstance(found, Document)
    return found


def names(document: Document, purpose: Purpose) -> list[str]:
    return [method.id.partition("#")[2] for method in document.methods_for(purpose)]


@pytest.mark.parametrize(
    ("text", "chain", "address"),
    [
        (f"0x{ANN.hex()}", 1, ANN),
        (f"mainnet:0x{ANN.hex().upper()}", 1, ANN),
        ("0xaa36a7:0xB9C5714089478a327F09197987f16f9E5d936E8a", 11155111, ANN),
        (f"sepolia:0x{ANN.hex()}", 11155111, ANN),
        (f"0x{SECP.hex()}", 1, SECP_ADDRESS),
    ],
)
def test_what_is_named(text: str, chain: int, address: bytes) -> None:
    found = ethr.parse(did(text))
    assert isinstance(found, Identity)
    assert (found.chain, found.address) == (chain, address)
    assert (found.key is None) is (len(text) < 68)


@pytest.mark.parametrize(
    "text",
    [
        "0x1",
        ANN.hex(),
        f"0x{ANN.hex()}0",
        f"0x0:0x{ANN.hex()}",
        f"0x00001:0x{ANN.hex()}",
        f"0x{'f' * 17}:0x{ANN.hex()}",
        f"nowhere:0x{ANN.hex()}",
        f"0x1:0x1:0x{ANN.hex()}",
        f"0x{ANN.hex()}\n",
        "0xb9C5714089478a327F09197987f16f9E5d936E8a",  # a letter of the checksum is wrong
        "0x02" + "00" * 32,  # no point of the curve
        "0x04" + SECP.hex()[2:],
    ],
)
def test_what_names_nobody(text: str) -> None:
    found = ethr.parse(did(text))
    assert isinstance(found, Refusal)
    assert found.reason is Reason.MALFORMED


def test_selectors_are_those_of_erc_1056() -> None:
    assert ethr.ask_owner(BOB, ANN).data == keccak(b"identityOwner(address)")[:4] + bytes(12) + ANN
    assert ethr.ask_changed(BOB, ANN).data == keccak(b"changed(address)")[:4] + bytes(12) + ANN
    assert keccak(b"DIDOwnerChanged(address,address,uint256)") == ethr.OWNER_CHANGED
    assert keccak(b"DIDDelegateChanged(address,bytes32,address,uint256,uint256)") == ethr.DELEGATE_CHANGED
    assert keccak(b"DIDAttributeChanged(address,bytes32,bytes,uint256,uint256)") == ethr.ATTRIBUTE_CHANGED


WRITTEN = [
    (
        ethr.OWNER_CHANGED,
        encode(["address", "uint256"], [BOB, 5]),
        Change(Subject.OWNER, b"", BOB, 0, 5),
    ),
    (
        ethr.DELEGATE_CHANGED,
        encode(["bytes32", "address", "uint256", "uint256"], [b"sigAuth", BOB, 2**256 - 1, 5]),
        Change(Subject.DELEGATE, b"sigAuth", BOB, 2**256 - 1, 5),
    ),
    (
        ethr.ATTRIBUTE_CHANGED,
        encode(["bytes32", "bytes", "uint256", "uint256"], [b"did/pub/Ed25519", ED + b"!", NOW, 5]),
        Change(Subject.ATTRIBUTE, b"did/pub/Ed25519", ED + b"!", NOW, 5),
    ),
]


@pytest.mark.parametrize(("topic", "data", "expected"), WRITTEN)
def test_events_are_read_and_cut_ones_refused(topic: bytes, data: bytes, expected: Change) -> None:
    about = ANN.rjust(32, b"\0")
    assert ethr.read_change((topic, about), data, ANN) == expected
    for topics, octets in (
        ((topic, about), data[:-32]),
        ((topic, about), b""),
        ((topic,), data),
        ((topic, about), b"\xff" * len(data)),
        ((topic, BOB.rjust(32, b"\0")), data),
        ((bytes(32), about), data),
    ):
        with pytest.raises(EthrError):
            ethr.read_change(topics, octets, ANN)


@given(st.sampled_from([topic for topic, _, _ in WRITTEN]), st.binary(max_size=400))
def test_any_octets_are_an_event_or_an_error(topic: bytes, data: bytes) -> None:
    try:
        change = ethr.read_change((topic, ANN.rjust(32, b"\0")), data, ANN)
    except EthrError:
        return
    assert len(change.value) <= len(data)


def test_events_of_a_block_point_to_each_other() -> None:
    assert ethr.before([event(3), event(9), event(9)], 9) == 3
    for wrong in ([], [event(9)], [event(10)], [event(3), event(3)], [event(3), event(8)]):
        with pytest.raises(EthrError):
            ethr.before(wrong, 9)


def test_the_owner_must_be_whom_the_events_name() -> None:
    given_away = Change(Subject.OWNER, b"", BOB, 0, 0)
    ethr.check(ANN, Record(ANN, ()))
    ethr.check(ANN, Record(BOB, (given_away,)))
    for record in (Record(BOB, ()), Record(ANN, (given_away,))):
        with pytest.raises(EthrError):
            ethr.check(ANN, record)


def test_nobody_changed_anything() -> None:
    found = made()
    assert found.write() == {
        "@context": [
            "https://www.w3.org/ns/did/v1",
            "https://w3id.org/security/suites/secp256k1recovery-2020/v2",
        ],
        "id": f"did:ethr:0x{ANN.hex()}",
        "verificationMethod": [
            {
                "id": f"did:ethr:0x{ANN.hex()}#controller",
                "type": "EcdsaSecp256k1RecoveryMethod2020",
                "controller": f"did:ethr:0x{ANN.hex()}",
                "blockchainAccountId": "eip155:1:0xB9C5714089478a327F09197987f16f9E5d936E8a",
            }
        ],
        "authentication": [f"did:ethr:0x{ANN.hex()}#controller"],
        "assertionMethod": [f"did:ethr:0x{ANN.hex()}#controller"],
    }


def test_keys_and_delegates_serve_what_they_were_added_for() -> None:
    found = made(
        event(0),
        event(1, name=b"did/pub/Secp256k1/veriKey/hex", value=SECP),
        event(2, name=b"did/pub/X25519/enc/base64", value=ED),
        Change(Subject.DELEGATE, b"sigAuth", BOB, NOW + 1, 3),
        Change(Subject.DELEGATE, b"veriKey", BOB, NOW, 4),
        Change(Subject.DELEGATE, b"other", BOB, NOW + 1, 5),
        event(6, name=b"did/svc/HubService", value=b"https://hub.example"),
        event(7, name=b"did/pub/RSA/sigAuth/pem"),
        event(8, name=b"did/pub/X25519/sigAuth"),  # it cannot sign
        event(9, value=b"\1" + bytes(31)),  # everybody can sign for this point
        event(10, value=ED + b"\0"),
    )
    assert names(found, Purpose.AUTHENTICATION) == ["controller", "delegate-1", "delegate-4"]
    assert names(found, Purpose.ASSERTION) == ["controller", "delegate-1", "delegate-2", "delegate-4", "delegate-5"]
    assert names(found, Purpose.AGREEMENT) == ["delegate-3"]
    assert len(found.methods) == 6
    by_name = {method.id.partition("#")[2]: method for method in found.methods}
    assert by_name["delegate-1"].key == keys.from_raw(Kind.ED25519, ED)
    assert by_name["delegate-2"].key == keys.from_raw(Kind.SECP256K1, SECP)
    assert (by_name["delegate-4"].key, by_name["delegate-4"].account) == (
        None,
        "eip155:1:0x0000000000000000000000000000000000000007",
    )


def test_what_ended_or_was_revoked_is_gone_and_names_do_not_move() -> None:
    later = event(2, name=b"did/pub/Secp256k1/sigAuth/hex", value=SECP)
    assert names(made(event(0, valid_to=NOW - 1), later), Purpose.AUTHENTICATION) == ["controller", "delegate-2"]
    assert names(made(event(0), event(1, valid_to=0), later), Purpose.AUTHENTICATION) == ["controller", "delegate-3"]
    assert names(made(event(0), event(1, valid_to=0), event(2)), Purpose.AUTHENTICATION) == ["controller", "delegate-3"]


def test_another_owner() -> None:
    identity = ethr.parse(did(f"0x{SECP.hex()}"))
    assert isinstance(identity, Identity)
    own = made(owner=SECP_ADDRESS, identity=identity)
    assert names(own, Purpose.AUTHENTICATION) == ["controller", "controllerKey"]
    given = made(Change(Subject.OWNER, b"", BOB, 0, 0), owner=BOB, identity=identity)
    assert names(given, Purpose.AUTHENTICATION) == ["controller"]
    assert given.methods[0].account == "eip155:1:0x0000000000000000000000000000000000000007"


def test_an_identity_that_was_given_up_stays_so() -> None:
    changes = (Change(Subject.OWNER, b"", bytes(20), 0, 0), Change(Subject.OWNER, b"", BOB, 0, 1), event(2))
    found = ethr.document(did(), Identity(1, ANN), Record(BOB, changes), NOW)
    assert isinstance(found, Refusal)
    assert found.reason is Reason.UNRESOLVABLE
