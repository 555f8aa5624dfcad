"""Addresses and signatures, held against eth-account and the vectors of EIP-55."""

from __future__ import annotations

import subprocess
import sys

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils import to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from identity import ethereum
from identity.refusal import Reason, Refusal

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEYS = st.integers(1, ORDER - 1).map(lambda number: number.to_bytes(32, "big"))

# The test vectors of EIP-55.
VECTORS = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0x8617E340B3D01FA5F11F306F4090FD50E238070D",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x27b1fdb04752bbc536007a920d24acb045561c26",
]


@pytest.mark.parametrize("text", VECTORS)
def test_the_vectors_of_eip55_are_read_and_written(text: str) -> None:
    address = ethereum.from_checksum(text)
    assert address == bytes.fromhex(text[2:])
    assert ethereum.to_checksum(address) == text


@pytest.mark.parametrize("text", [VECTORS[0].lower(), VECTORS[0].swapcase(), VECTORS[0][:-1], VECTORS[0] + "\n", ""])
def test_an_address_without_its_checksum_is_not_read(text: str) -> None:
    assert ethereum.from_checksum(text) is None


@pytest.mark.parametrize("text", VECTORS)
def test_an_address_typed_by_a_person_gets_its_checksum(text: str) -> None:
    assert ethereum.checksum_address(text) == text
    assert ethereum.checksum_address(text.lower()) == text
    assert ethereum.checksum_address("0x" + text[2:].upper()) == text


@pytest.mark.parametrize(
    "text", ["", "0x", VECTORS[0][2:], VECTORS[0] + "0", "0x" + VECTORS[0][2:].swapcase(), "alice.eth"]
)
def test_a_mistyped_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"0x|checksum"):
        ethereum.checksum_address(text)


@given(st.binary(min_size=20, max_size=20))
def test_checksums_agree_with_eth_utils(address: bytes) -> None:
    assert ethereum.to_checksum(address) == to_checksum_address(address)


@given(KEYS, st.binary(max_size=300))
def test_the_signer_is_recovered_as_eth_account_does(key: bytes, message: bytes) -> None:
    signed = Account.sign_message(encode_defunct(message), key)
    signer = ethereum.recover(message, bytes(signed.signature))
    assert isinstance(signer, bytes)
    assert ethereum.to_checksum(signer) == Account.from_key(key).address
    zero_based = bytes(signed.signature[:64]) + bytes([signed.v - 27])
    assert ethereum.recover(message, zero_based) == signer


@given(KEYS, st.binary(max_size=50))
def test_the_twin_with_high_s_is_refused_though_eth_account_takes_it(key: bytes, message: bytes) -> None:
    signed = Account.sign_message(encode_defunct(message), key)
    twin = bytes(signed.signature[:32]) + (ORDER - signed.s).to_bytes(32, "big") + bytes([55 - signed.v])
    assert Account.recover_message(encode_defunct(message), signature=twin) == Account.from_key(key).address
    refusal = ethereum.recover(message, twin)
    assert isinstance(refusal, Refusal)
    assert refusal.reason is Reason.HIGH_S


@given(st.binary(min_size=0, max_size=140))
def test_any_bytes_give_an_address_or_a_refusal(signature: bytes) -> None:
    assert isinstance(ethereum.recover(b"hello", signature), bytes | Refusal)


@pytest.mark.parametrize("r", [0, ORDER, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, ORDER, 2**256 - 1])
def test_numbers_outside_the_curve_are_refused(r: int, s: int) -> None:
    for v in (0, 1, 2, 3, 26, 27, 28, 29, 255):
        signature = r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([v])
        assert isinstance(ethereum.recover(b"hello", signature), Refusal)


@given(st.text(max_size=140) | st.text("0x1fA", max_size=140))
def test_a_signature_is_read_from_whole_octets_in_hex(text: str) -> None:
    read = ethereum.parse_signature(text)
    assert isinstance(read, Refusal) or "0x" + read.hex() == text.lower()


@pytest.mark.parametrize("text", ["", "0x", "0x0", "00", "0x" + "00" * (ethereum.MAX_SIGNATURE + 1), "0x00\n", "0x٠٠"])
def test_what_is_no_signature(text: str) -> None:
    assert isinstance(ethereum.parse_signature(text), Refusal)


def test_a_contract_wallets_signature_may_be_long() -> None:
    assert ethereum.parse_signature("0x" + "ab" * ethereum.MAX_SIGNATURE) == b"\xab" * ethereum.MAX_SIGNATURE


def test_a_subject_names_no_chain() -> None:
    assert ethereum.subject(bytes.fromhex(VECTORS[0][2:])) == f"eip155:{VECTORS[0].lower()}"


def test_importing_it_brings_no_heavy_library() -> None:
    heavy = "{'eth_account', 'eth_utils', 'web3', 'pydantic', 'asyncio'}"
    code = f"import sys, identity.eip4361; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
