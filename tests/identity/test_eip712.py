"""Typed data, hashed as eth-account hashes it, and refused where readers could differ."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data
from hypothesis import given
from hypothesis import strategies as st

from identity import eip712, ethereum
from identity.refusal import Reason, Refusal

KEY = b"\x01" * 32
ADDRESS = Account.from_key(KEY).address

# The example of EIP-712.
MAIL: dict[str, Any] = {
    "types": {
        "EIP712Domain": [
            {"name": "name", "type": "string"},
            {"name": "version", "type": "string"},
            {"name": "chainId", "type": "uint256"},
            {"name": "verifyingContract", "type": "address"},
        ],
        "Person": [{"name": "name", "type": "string"}, {"name": "wallet", "type": "address"}],
        "Mail": [
            {"name": "from", "type": "Person"},
            {"name": "to", "type": "Person"},
            {"name": "contents", "type": "string"},
        ],
    },
    "primaryType": "Mail",
    "domain": {
        "name": "Ether Mail",
        "version": "1",
        "chainId": 1,
        "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
    },
    "message": {
        "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
        "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
        "contents": "Hello, Bob!",
    },
}


def digest(data: dict[str, Any]) -> bytes | Refusal:
    read = eip712.parse(data)
    return read if isinstance(read, Refusal) else eip712.digest(read)


def theirs(data: dict[str, Any]) -> bytes:
    signable = encode_typed_data(full_message=data)
    return ethereum.keccak(b"\x19" + signable.version + signable.header + signable.body)


def test_the_example_of_the_standard() -> None:
    assert digest(MAIL) == bytes.fromhex("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2")
    read = eip712.parse(MAIL)
    assert isinstance(read, eip712.TypedData)
    expected = "Mail(Person from,Person to,string contents)Person(string name,address wallet)"
    assert eip712.encode_type(read.types, "Mail") == expected


def test_the_signer_is_recovered() -> None:
    signed = Account.sign_typed_data(KEY, full_message=MAIL)
    made = digest(MAIL)
    assert isinstance(made, bytes)
    signer = ethereum.recover_digest(made, bytes(signed.signature))
    assert isinstance(signer, bytes)
    assert ethereum.to_checksum(signer) == ADDRESS


def test_a_signature_over_text_is_none_over_typed_data() -> None:
    signed = Account.sign_typed_data(KEY, full_message=MAIL)
    made = digest(MAIL)
    assert isinstance(made, bytes)
    signer = ethereum.recover(made, bytes(signed.signature))
    assert isinstance(signer, Refusal) or ethereum.to_checksum(signer) != ADDRESS


BITS = st.integers(1, 32).map(lambda n: 8 * n)
ELEMENTARY = st.one_of(
    st.just(("bool", st.booleans())),
    st.just(("address", st.binary(min_size=20, max_size=20).map(lambda b: "0x" + b.hex()))),
    st.just(("string", st.text(max_size=20))),
    st.just(("bytes", st.binary(max_size=20).map(lambda b: "0x" + b.hex()))),
    BITS.map(lambda bits: (f"uint{bits}", st.integers(0, 2**bits - 1))),
    BITS.map(lambda bits: (f"int{bits}", st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1))),
    st.integers(1, 32).map(lambda n: (f"bytes{n}", st.binary(min_size=n, max_size=n).map(lambda b: "0x" + b.hex()))),
)


@st.composite
def typed(draw: st.DrawFn) -> dict[str, Any]:
    """Some structures, each referring only to earlier ones, and a value of the last."""
    types: dict[str, list[dict[str, str]]] = {}
    values: dict[str, st.SearchStrategy[Any]] = {}
    for name in ("Alpha", "Beta", "Gamma")[: draw(st.integers(1, 3))]:
        members, parts = [], {}
        for index in range(draw(st.integers(1, 4))):
            kind, value = draw(ELEMENTARY | st.sampled_from([*values.items()]) if values else ELEMENTARY)
            for _ in range(draw(st.integers(0, 2))):
                fixed = draw(st.none() | st.integers(1, 3))
                kind += f"[{fixed or ''}]"
                value = st.lists(value, min_size=fixed or 0, max_size=fixed or 3)
            members.append({"name": f"m{index}", "type": kind})
            parts[f"m{index}"] = value
        types[name] = members
        values[name] = st.fixed_dictionaries(parts)
    used = {name}
    for each in reversed(types):  # eth-account takes for the primary type whatever no other refers to
        if each in used:
            used |= {member["type"].partition("[")[0] for member in types[each]}
    types = {each: members for each, members in types.items() if each in used}
    return {
        "types": {"EIP712Domain": [{"name": "name", "type": "string"}, {"name": "salt", "type": "bytes32"}], **types},
        "primaryType": name,
        "domain": {"name": draw(st.text(max_size=10)), "salt": "0x" + draw(st.binary(min_size=32, max_size=32)).hex()},
        "message": draw(values[name]),
    }


@given(typed())
def test_any_structure_is_hashed_as_eth_account_does(data: dict[str, Any]) -> None:
    assert digest(data) == theirs(data)


def changed(**changes: Any) -> dict[str, Any]:
    """The example with some members of its message, or of its types, replaced."""
    data = json.loads(json.dumps(MAIL))
    for path, value in changes.items():
        *folders, last = path.split("__")
        place = data
        for folder in folders:
            place = place[folder]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return data


PERSON = [{"name": "name", "type": "string"}]


@pytest.mark.parametrize(
    "data",
    [
        {},
        {**MAIL, "more": 1},
        changed(domain=None),
        changed(message=[]),
        changed(types=[]),
        changed(primaryType=1),
        changed(primaryType="Nothing"),
        changed(primaryType="EIP712Domain"),
        changed(primaryType="Person[]"),
        changed(primaryType="string"),
        changed(message__contents=None),
        changed(message__contents=1),
        changed(message__contents="\ud800"),
        changed(message__more="x"),
        changed(message__to="0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"),
        changed(message__to__wallet="0x00"),
        changed(message__to__wallet=ADDRESS[2:]),
        changed(domain__chainId=-1),
        changed(domain__chainId=2**256),
        changed(domain__chainId="01"),
        changed(domain__chainId=True),
        changed(domain__chainId=1.0),
        changed(domain__chainId="1e3"),
        changed(domain__salt="0x" + "00" * 32),
        changed(types__EIP712Domain=[]),
        changed(types__EIP712Domain=None),
        changed(types__EIP712Domain=[{"name": "name", "type": "bytes"}], domain={"name": "0x"}),
        changed(types__EIP712Domain=[{"name": "purpose", "type": "string"}], domain={"purpose": "x"}),
        changed(types__Person=[*PERSON, *PERSON]),
        changed(types__Person=[{"name": "name", "type": "string", "more": 1}]),
        changed(types__Person=[{"name": "a b", "type": "string"}]),
        changed(types__Person=[{"name": "name", "type": "uint7"}]),
        changed(types__Person=[{"name": "name", "type": "uint"}]),
        changed(types__Person=[{"name": "name", "type": "bytes33"}]),
        changed(types__Person=[{"name": "name", "type": "Nobody"}]),
        changed(types__Person=[{"name": "name", "type": "string[0]"}]),
        changed(types__Person=[{"name": "name", "type": "string" + "[]" * 20}]),
        changed(types__Person=[{"name": "name", "type": "x" * 1000}]),
        changed(types__Person=[{"name": f"m{i}", "type": "string"} for i in range(100)]),
        changed(types__uint256=PERSON),
        {**MAIL, "types": {**MAIL["types"], **{f"T{i}": PERSON for i in range(100)}}},
        {**MAIL, "types": {**MAIL["types"], "Person)Evil(string x": PERSON}},
    ],
)
def test_what_readers_could_differ_about_is_refused(data: dict[str, Any]) -> None:
    refusal = digest(data)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.MALFORMED


def listed(kind: str, value: Any) -> dict[str, Any]:
    """A structure of one member."""
    types = {"EIP712Domain": [{"name": "name", "type": "string"}], "Node": [{"name": "next", "type": kind}]}
    return {"types": types, "primaryType": "Node", "domain": {"name": ""}, "message": {"next": value}}


def test_a_structure_that_holds_itself_ends_with_an_empty_list() -> None:
    data = listed("Node[]", [{"next": []}, {"next": [{"next": []}]}])
    assert digest(data) == theirs(data)


def test_deep_and_wide_values_are_refused() -> None:
    deep: Any = []
    for _ in range(500):
        deep = [{"next": deep}]
    for data in (
        listed("Node[]", deep),
        listed("uint8[]", [0] * 10_000),
        listed("string[]", ["x" * 10_000] * 10),
        listed("string", "x" * 100_000),
        listed("bytes", "0x" + "00" * 100_000),
        listed("uint8[3]", [0, 0]),
        listed("uint8[]", "00"),
        listed("bytes3", "0x0000"),
        listed("bool", 1),
        listed("int8", 128),
    ):
        assert isinstance(digest(data), Refusal)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries(
        {
            "types": st.dictionaries(st.sampled_from(["EIP712Domain", "A", "B[]", "bool"]), JSON, max_size=3) | JSON,
            "primaryType": st.sampled_from(["A", "B[]", "bool"]) | JSON,
            "domain": JSON,
            "message": JSON,
        }
    )
)
def test_anything_is_hashed_or_refused(data: dict[str, Any]) -> None:
    assert isinstance(digest(data), bytes | Refusal)
