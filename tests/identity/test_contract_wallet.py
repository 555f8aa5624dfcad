"""EIP-6492's wrapping and the question to the chain, as eth-abi writes them; what the answer means."""

from __future__ import annotations

import pytest
from eth_abi import encode
from hypothesis import given
from hypothesis import strategies as st

from identity import contract_wallet, ethereum
from identity.contract_wallet import Signature, Verdict, question, read_answer, unwrap, wrap
from identity.ethereum import MAX_SIGNATURE
from identity.refusal import Reason, Refusal

MAGIC = bytes.fromhex("6492649264926492649264926492649264926492649264926492649264926492")
ADDRESSES = st.binary(min_size=20, max_size=20)
OCTETS = st.binary(max_size=100).filter(lambda octets: not octets.endswith(MAGIC))


@given(ADDRESSES, OCTETS, OCTETS)
def test_the_wrapping_is_what_the_standard_says(factory: bytes, preparation: bytes, inner: bytes) -> None:
    made = encode(["address", "bytes", "bytes"], ["0x" + factory.hex(), preparation, inner]) + MAGIC
    assert wrap(Signature(inner, factory, preparation)) == made
    assert unwrap(made) == Signature(inner, factory, preparation)


@given(OCTETS)
def test_a_bare_signature_stays_as_it_is(signature: bytes) -> None:
    assert unwrap(signature) == Signature(signature)
    assert wrap(Signature(signature)) == signature


@given(st.binary(max_size=300))
def test_anything_before_the_magic_is_read_in_its_one_spelling_or_refused(body: bytes) -> None:
    read = unwrap(body + MAGIC)
    assert isinstance(read, Refusal) or wrap(read) == body + MAGIC


@given(st.data())
def test_a_changed_wrapping_is_read_in_its_one_spelling_or_refused(data: st.DataObject) -> None:
    made = bytearray(wrap(Signature(b"inner" * 9, bytes(20), b"prepare" * 9)))
    place = data.draw(st.integers(0, len(made) - 33))
    made[place] ^= data.draw(st.integers(1, 255))
    read = unwrap(bytes(made))
    assert isinstance(read, Refusal) or wrap(read) == bytes(made)


def test_bounds() -> None:
    for signature in (
        bytes(MAX_SIGNATURE + 1),
        MAGIC,
        wrap(Signature(wrap(Signature(b"x", bytes(20), b"")), bytes(20), b"")),
    ):
        refusal = unwrap(signature)
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.BAD_SIGNATURE


@given(ADDRESSES, st.binary(min_size=32, max_size=32), OCTETS, st.none() | ADDRESSES, OCTETS)
def test_the_question_is_the_contract_and_its_arguments(
    wallet: bytes, digest: bytes, inner: bytes, factory: bytes | None, preparation: bytes
) -> None:
    asked = question(wallet, digest, Signature(inner, factory, preparation))
    kinds = ["address", "bytes32", "bytes", "address", "bytes"]
    values = ["0x" + wallet.hex(), digest, inner, "0x" + (factory or bytes(20)).hex(), preparation]
    arguments = encode(kinds, values)
    assert asked.endswith(arguments)
    assert len(asked) - len(arguments) < 1500


def test_a_question_about_no_address_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="20 octets"):
        question(b"", bytes(32), Signature(b""))


def test_only_one_answer_is_a_yes() -> None:
    assert read_answer((1).to_bytes(32, "big")) is None
    for verdict in set(Verdict) - {Verdict.VALID}:
        refusal = read_answer(verdict.to_bytes(32, "big"))
        assert isinstance(refusal, Refusal)
        assert "gave no verdict" not in refusal.words
    for answer in (b"", b"\x01", bytes(32), (1).to_bytes(33, "big"), (1).to_bytes(32, "little"), b"\xff" * 32):
        assert isinstance(read_answer(answer), Refusal)


@given(st.binary(max_size=64))
def test_any_answer_is_read(answer: bytes) -> None:
    assert (read_answer(answer) is None) == (answer == bytes(31) + b"\x01")


def test_who_asks_is_nobody() -> None:
    assert ethereum.to_checksum(ethereum.keccak(b"waxseal: nobody asks")[12:]) == contract_wallet.CALLER
