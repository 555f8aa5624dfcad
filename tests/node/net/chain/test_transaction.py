"""Addresses, RLP and signed transactions against published vectors and eth-account."""

from __future__ import annotations

import sys

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from node.net.chain.transaction import (
    ORDER,
    NoTransaction,
    Transaction,
    address_of,
    checksummed,
    contract_address,
    parse_rlp,
    parse_signed,
    raw_address,
    rlp,
)

sys.setrecursionlimit(1000)  # eth_account's import of py_ecc raises it to 100,000; other tests need Python's own


@pytest.mark.parametrize(
    "address",
    [  # from EIP-55
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    ],
)
def test_eip_55_vectors(address: str) -> None:
    assert checksummed(raw_address(address)) == address


@pytest.mark.parametrize(
    ("nonce", "address"),
    [  # the deployer of Ethereum's tests: 0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0
        (0, "0xcd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"),
        (1, "0x343c43a37d37dff08ae8c4a11544c718abb4fcf8"),
        (2, "0xf778b86fa74e846c4f0a1fbd1335fe81c00a0c91"),
        (3, "0xfffd933a0bc612844eaf0c6fe3e5b8e9b6c1d19c"),
    ],
)
def test_known_contract_addresses(nonce: int, address: str) -> None:
    assert contract_address("0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0", nonce).lower() == address


@pytest.mark.parametrize("address", ["0x", "0x12", "nothing", "0x" + "12" * 21])
def test_no_address(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|hexadecimal"):
        raw_address(address)


@pytest.mark.parametrize(
    ("item", "encoded"),
    [  # from the yellow paper's appendix and the Ethereum wiki
        (b"dog", "83646f67"),
        ([b"cat", b"dog"], "c88363617483646f67"),
        (b"", "80"),
        ([], "c0"),
        (0, "80"),
        (15, "0f"),
        (1024, "820400"),
        ([[], [[]], [[], [[]]]], "c7c0c1c0c3c0c1c0"),
        (
            b"Lorem ipsum dolor sit amet, consectetur adipisicing elit",
            "b8384c6f72656d20697073756d20646f6c6f722073697420616d65742c20636f6e7365637465747572206164697069736963696e6720656c6974",
        ),
    ],
)
def test_rlp_vectors(item: bytes | int | list[bytes], encoded: str) -> None:
    assert rlp(item).hex() == encoded  # type: ignore[arg-type]


@given(
    st.binary(min_size=32, max_size=32).filter(lambda key: 0 < int.from_bytes(key, "big") < 1 << 255),
    st.integers(0, 1 << 40),
    st.integers(1, 1 << 60),
    st.binary(max_size=100),
    st.booleans(),
)
def test_signed_as_eth_account_does(key: bytes, nonce: int, fee: int, data: bytes, creates: bool) -> None:
    to = None if creates else "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    signed = Account.sign_transaction(
        {
            "type": 2,
            "chainId": 24225,
            "nonce": nonce,
            "maxPriorityFeePerGas": 1,
            "maxFeePerGas": fee,
            "gas": 21000,
            "data": data,
            "value": 0,
            **({"to": to} if to else {}),
        },
        key,
    )
    assert Transaction(24225, nonce, 1, fee, 21000, to, data).sign(key) == bytes(signed.raw_transaction)
    assert address_of(key) == Account.from_key(key).address


KEY = b"\x11" * 32
SIGNED = Transaction(1, 7, 2, 9, 30_000, "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", b"data" * 30).sign(KEY)

lists = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=4), max_leaves=20)


@given(lists)
def test_rlp_reads_what_it_writes(item: bytes | list[bytes]) -> None:
    assert parse_rlp(rlp(item), depth=50) == item  # type: ignore[arg-type]


@given(st.binary(max_size=100))
def test_rlp_has_one_spelling(data: bytes) -> None:
    try:
        item = parse_rlp(data)
    except NoTransaction:
        return
    assert rlp(item) == data


def test_a_signed_transactions_fields_and_sender_come_back() -> None:
    transaction, sender = parse_signed(SIGNED)
    assert transaction.sign(KEY) == SIGNED
    assert sender == address_of(KEY) == Account.recover_transaction(SIGNED)


@given(st.integers(0, len(SIGNED) - 1), st.integers(1, 255))
def test_a_changed_byte_is_another_transaction_another_sender_or_none(at: int, change: int) -> None:
    data = bytearray(SIGNED)
    data[at] ^= change
    try:
        found = parse_signed(bytes(data))
    except NoTransaction:
        return
    assert found != parse_signed(SIGNED)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x02",
        SIGNED[:-1],
        SIGNED + b"\0",
        b"\x01" + SIGNED[1:],
        b"\x02" + rlp([]),
        b"\x02" + rlp([[]] * 12),
        b"\x02" + b"\xff" * 9,
        b"\x02" + b"\xc1" * 2000,
    ],
)
def test_no_signed_transaction(raw: bytes) -> None:
    with pytest.raises(NoTransaction):
        parse_signed(raw)


def test_the_other_signature_of_the_same_transaction_is_refused() -> None:
    *fields, parity, r, s = parse_rlp(SIGNED[1:])  # type: ignore[misc]
    higher = (ORDER - int.from_bytes(s, "big")).to_bytes(32, "big")
    twin = b"\x02" + rlp([*fields, b"" if parity else b"\x01", r, higher])
    with pytest.raises(NoTransaction, match="signature"):
        parse_signed(twin)


@pytest.mark.parametrize(("place", "value"), [(6, b"\x01"), (8, [[b"\x12" * 20, []]])])
def test_value_and_access_lists_are_not_signed_unseen(place: int, value: object) -> None:
    fields = parse_rlp(SIGNED[1:])
    fields[place] = value  # type: ignore[index, assignment, call-overload]
    with pytest.raises(NoTransaction):
        parse_signed(b"\x02" + rlp(fields))
