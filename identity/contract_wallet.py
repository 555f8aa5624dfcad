"""Contract wallets: what to ask a chain about a signature, and what its answer means (EIP-1271, EIP-6492).

The question is one `eth_call` that creates `contracts/WalletVerdict.sol` and keeps nothing; whoever has a chain sends
it. The chain's server is believed: it can say that anything was signed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib.resources import files

from identity.ethereum import MAX_SIGNATURE
from identity.refusal import Reason, Refusal

CALLER = "0xf5124a67c9af8d2Bb8cddED7488A99fE1167400D"
"""Who asks: nobody (keccak of "waxseal: nobody asks"). Not the zero address: some contracts take a call from there for
a simulation, and tell it what it wants to hear."""
GAS = 15_000_000  # a wallet's check takes 5,000 to 500,000, its deployment up to 2,000,000; each gets a third

_MAGIC = bytes.fromhex("6492" * 16)  # EIP-6492: stands behind a signature that brings its wallet's deployment along
_WORD = 32


@dataclass(frozen=True, slots=True)
class Signature:
    """A wallet's own signature, and how the wallet is deployed if it is not yet.

    Attributes:
        inner: what the wallet's contract is shown.
        factory: 20 octets, or None where nothing was said about deployment.
        preparation: what the factory is called with.
    """

    inner: bytes
    factory: bytes | None = None
    preparation: bytes = b""


class Verdict(IntEnum):
    """The answers of the contract; each is one word."""

    VALID = 1
    REFUSED = 2
    NO_CONTRACT = 3
    NOT_DEPLOYED = 4


_WORDS = {
    Verdict.REFUSED: "the wallet's contract says that it did not sign this",
    Verdict.NO_CONTRACT: "there is no wallet contract at this address on this chain",
    Verdict.NOT_DEPLOYED: "the wallet's contract is not there, and cannot be deployed as the signature says",
}


def unwrap(signature: bytes) -> Signature | Refusal:
    """Take EIP-6492's wrapping off, where there is one.

    Done before anything else looks at the signature: the wrapping belongs to no signature scheme.
    """
    if len(signature) > MAX_SIGNATURE:
        return Refusal(Reason.BAD_SIGNATURE, f"the signature has more than {MAX_SIGNATURE} octets")
    if not signature.endswith(_MAGIC):
        return Signature(signature)
    body = signature[: -len(_MAGIC)]
    try:
        factory, preparation, inner = _read_words(body)
    except ValueError:
        return Refusal(Reason.BAD_SIGNATURE, "the signature's wrapping (EIP-6492) cannot be read")
    if wrap(Signature(inner, factory, preparation)) != signature:  # a second spelling would be a twin
        return Refusal(Reason.BAD_SIGNATURE, "the signature's wrapping (EIP-6492) is not in its one spelling")
    if inner.endswith(_MAGIC):
        return Refusal(Reason.BAD_SIGNATURE, "the signature is wrapped twice")
    return Signature(inner, factory, preparation)


def _read_words(body: bytes) -> tuple[bytes, bytes, bytes]:
    """(address, bytes, bytes) as Solidity's ABI writes them; the caller makes sure that it is the one spelling."""
    if len(body) < 5 * _WORD:
        raise ValueError("too short")
    return body[12:_WORD], _read_bytes(body, 1), _read_bytes(body, 2)


def _read_bytes(body: bytes, head: int) -> bytes:
    place = int.from_bytes(body[head * _WORD : (head + 1) * _WORD], "big")
    if place > len(body) - _WORD:
        raise ValueError("points behind the end")
    size = int.from_bytes(body[place : place + _WORD], "big")
    if size > len(body) - place - _WORD:
        raise ValueError("longer than all of it")
    return body[place + _WORD : place + _WORD + size]


def wrap(signature: Signature) -> bytes:
    """The wrapped form of a signature that has a factory (EIP-6492); the bare one of a signature that has none."""
    if signature.factory is None:
        return signature.inner
    head = signature.factory.rjust(_WORD, b"\0")
    return _encode([head, signature.preparation, signature.inner], dynamic=(1, 2)) + _MAGIC


def _encode(parts: list[bytes], dynamic: tuple[int, ...]) -> bytes:
    """Solidity's ABI: static words as they are, octet strings behind them (Contract ABI specification, enc)."""
    heads, tails = b"", b""
    for index, part in enumerate(parts):
        if index in dynamic:
            heads += (len(parts) * _WORD + len(tails)).to_bytes(_WORD, "big")
            tails += len(part).to_bytes(_WORD, "big") + part + bytes(-len(part) % _WORD)
        else:
            heads += part
    return heads + tails


def question(wallet: bytes, digest: bytes, signature: Signature) -> bytes:
    """The creation code to call: the contract, and what it is to judge.

    Args:
        wallet: 20 octets.
        digest: 32 octets, for a text `ethereum.personal_hash`.
    """
    if len(wallet) != 20 or len(digest) != _WORD:
        raise ValueError("a wallet has 20 octets, a digest 32")
    factory = signature.factory or bytes(20)
    parts = [
        wallet.rjust(_WORD, b"\0"),
        digest,
        signature.inner,
        factory.rjust(_WORD, b"\0"),
        signature.preparation,
    ]
    return _code() + _encode(parts, dynamic=(2, 4))


def read_answer(answer: bytes) -> Refusal | None:
    """Tell what the chain answered; None only when the wallet's contract says that it signed."""
    number = int.from_bytes(answer, "big") if len(answer) == _WORD else 0
    if number == Verdict.VALID:
        return None
    if number in _WORDS:
        return Refusal(Reason.WRONG_SIGNER, _WORDS[Verdict(number)])
    return Refusal(Reason.WRONG_SIGNER, "the chain's server gave no verdict on this signature")


@cache
def _code() -> bytes:
    made = json.loads((files("identity") / "WalletVerdict.json").read_text("utf-8"))
    return bytes.fromhex(made["bytecode"].removeprefix("0x"))
