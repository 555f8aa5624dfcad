"""Sign-In with Ethereum: the text a wallet shows and signs, built and read strictly (EIP-4361).

The grammar, and what is stricter here than in the standard, is common to all chains: `identity.caip122`.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from identity import caip122, ethereum
from identity.caip122 import MAX_LENGTH, MAX_RESOURCES, SKEW, Expectation, judge
from identity.refusal import Reason, Refusal

__all__ = [
    "ETHEREUM",
    "MAX_LENGTH",
    "MAX_RESOURCES",
    "SKEW",
    "Expectation",
    "Message",
    "build",
    "judge",
    "parse",
    "verify",
]

MAX_CHAIN_ID = 2**53 - 1  # what a wallet's JavaScript can hold exactly
ETHEREUM = caip122.Form("Ethereum", "EIP-4361", "0x[0-9A-Fa-f]{40}", "[0-9]{1,16}")


@dataclass(frozen=True, slots=True)
class Message:
    """One sign-in message; the other fields are those of `caip122.Message`.

    Attributes:
        address: 20 octets.
        chain_id: EIP-155 chain the session is bound to.
    """

    domain: str
    address: bytes
    statement: str
    uri: str
    chain_id: int
    nonce: str
    issued_at: datetime
    expires: datetime
    not_before: datetime | None = None
    request_id: str | None = None
    resources: tuple[str, ...] | None = None
    scheme: str = ""


def parse(text: str) -> Message | Refusal:
    """Read a sign-in message exactly as EIP-4361's grammar has it: no trimming, no guessing, no reordering."""
    message = caip122.parse(text, ETHEREUM)
    if isinstance(message, Refusal):
        return message
    address = ethereum.from_checksum(message.address)
    if address is None:
        return Refusal(Reason.ADDRESS_CHECKSUM, "the address does not carry a right EIP-55 checksum")
    chain_id = int(message.chain_id)
    if chain_id > MAX_CHAIN_ID:
        return Refusal(Reason.MALFORMED, "the chain id is too large")
    return Message(**{**_values(message), "address": address, "chain_id": chain_id})


def build(message: Message) -> str:
    """Write a sign-in message as the wallet is to show it.

    Raises:
        ValueError: a field holds what the grammar does not allow.
    """
    words = {"address": ethereum.to_checksum(message.address), "chain_id": str(message.chain_id)}
    text = caip122.build(caip122.Message(**{**_values(message), **words}), ETHEREUM)
    if message.chain_id > MAX_CHAIN_ID:
        raise ValueError("the chain id is too large")
    return text


def verify(text: str, signature: bytes, expected: Expectation, now: datetime) -> Message | Refusal:
    """Decide whether a signed message logs its address in.

    1. The text follows the grammar. 2. It was written for us, for this browser, for now.
    3. The address it names signed these very octets.
    """
    message = parse(text)  # 1
    if isinstance(message, Refusal):
        return message
    refusal = judge(message, expected, now)  # 2
    if refusal is None:
        refusal = check_signer(text, signature, message.address)  # 3
    return refusal or message


def check_signer(text: str, signature: bytes, address: bytes) -> Refusal | None:
    """Tell whether the key behind an address signed a text as it came (never as we would write it); None if so."""
    signer = ethereum.recover(text.encode("utf-8"), signature)
    if isinstance(signer, Refusal):
        return signer
    if signer != address:
        return Refusal(Reason.WRONG_SIGNER, "the signature is not by the address in the message")
    return None


def _values(message: Message | caip122.Message) -> dict[str, Any]:
    return {each.name: getattr(message, each.name) for each in fields(message)}
