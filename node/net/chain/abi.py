"""The little of the contract ABI that the node's own contracts need: words of 32 octets out, words of 32 octets in.

Source: Solidity's "Contract ABI Specification". Reading is strict: what a server sends beyond or short of what was
asked for is an error, and never a value.
"""

from __future__ import annotations

from collections.abc import Sequence

from eth_hash.auto import keccak

from node.base.errors import Permanent
from node.net.chain.transaction import checksummed, raw_address

WORD = 32


class AbiError(Permanent):
    """The answer is not what such a contract gives."""


def selector(signature: str) -> bytes:
    """The four octets that call a function or name an error, like `head(address)`."""
    return bytes(keccak(signature.encode("ascii"))[:4])


def number(value: int) -> bytes:
    """An unsigned integer as a word."""
    return value.to_bytes(WORD, "big")


def address(value: str) -> bytes:
    """An address as a word."""
    return raw_address(value).rjust(WORD, b"\0")


def text(value: str) -> bytes:
    """A string's tail: its length, and its UTF-8 octets filled up to whole words."""
    data = value.encode("utf-8")
    return number(len(data)) + data + bytes(-len(data) % WORD)


def words(answer: bytes, count: int) -> list[bytes]:
    """An answer of exactly `count` words.

    Raises:
        AbiError: it has another length.
    """
    if len(answer) != count * WORD:
        raise AbiError(f"the answer has {len(answer)} octets instead of {count * WORD}")
    return [answer[at : at + WORD] for at in range(0, len(answer), WORD)]


def rows(answer: bytes, width: int, most: int) -> list[list[bytes]]:
    """An answer that is one array of structs, each of `width` words.

    Raises:
        AbiError: it is no such array, or one of more than `most` elements.
    """
    if len(answer) < 2 * WORD or answer[:WORD] != number(WORD):
        raise AbiError("the answer is no array")
    count = read_number(answer[WORD : 2 * WORD], 64)
    if count > most:
        raise AbiError(f"the answer has {count} elements where at most {most} were asked for")
    flat = words(answer[2 * WORD :], count * width)
    return [flat[at : at + width] for at in range(0, len(flat), width)]


def read_number(word: bytes, bits: int) -> int:
    """An unsigned integer of at most `bits` bits. Raises AbiError when it is greater."""
    value = int.from_bytes(word, "big")
    if value >> bits:
        raise AbiError(f"the answer has a number of more than {bits} bits")
    return value


def read_address(word: bytes) -> str | None:
    """An address, EIP-55; None for the zero address. Raises AbiError when the word is none."""
    if any(word[:12]):
        raise AbiError("the answer has something else where an address belongs")
    return checksummed(word[12:]) if any(word) else None


def refusal(data: bytes, errors: Sequence[str]) -> tuple[str, list[bytes]] | None:
    """Which of the custom errors a revert's data is, and its words; None for any other."""
    for signature in errors:
        kinds = [kind for kind in signature.partition("(")[2].rstrip(")").split(",") if kind]
        if data[:4] == selector(signature) and len(data) == 4 + WORD * len(kinds):
            return signature.partition("(")[0], words(data[4:], len(kinds))
    return None
