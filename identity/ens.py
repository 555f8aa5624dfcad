"""ENS names: one spelling (ENSIP-15), their hash (ENSIP-1), what registry and resolvers are asked, and their answers.

Pure: which chain answers, and at which block, the caller knows. Answers come from contracts that anybody may write.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from identity.ethereum import keccak
from identity.gates.tokens import WORD, Call

MAX_NAME = 64  # characters: a local part has no more octets
MAX_LABELS = 8
MAX_LABEL = 255  # octets; the wire form has one octet for the length (ENSIP-10)
MAX_URLS = 8  # of one off-chain look-up
MAX_URL = 2048  # characters of a template
MAX_PIECE = 32 << 10  # octets of what a contract hands out for a gateway

# The first four octets of Keccak-256 of the signatures.
RESOLVER = bytes.fromhex("0178b8bf")  # resolver(bytes32): EIP-137, registry
ADDR = bytes.fromhex("3b3b57de")  # addr(bytes32): EIP-137, resolver
SUPPORTS = bytes.fromhex("01ffc9a7")  # supportsInterface(bytes4): EIP-165
RESOLVE = bytes.fromhex("9061b923")  # resolve(bytes,bytes): ENSIP-10
OFFCHAIN_LOOKUP = bytes.fromhex("556f1830")  # OffchainLookup(address,string[],bytes,bytes4,bytes): EIP-3668

# What ENSIP-15 leaves as it is. Two hyphens in third and fourth place are refused there, too.
_PLAIN = re.compile(r"(?!..--)[a-z0-9-]+(?:\.(?!..--)[a-z0-9-]+)*\Z", re.ASCII)


class EnsError(ValueError):
    """The text is no name of ENS, or an answer is none; the message says why."""


def is_name(text: str) -> bool:
    """True for what looks like a name below .eth, however it is spelled; whether it is one, `normalize` says."""
    return "." in text and text.rpartition(".")[2].casefold() == "eth"


def normalize(text: str) -> str:
    """A name in its one spelling.

    What looks like another name (mixed scripts, letters of one script that spell words of another, invisible
    characters) is refused, not mapped.

    Raises:
        EnsError: it has none (ENSIP-15), is too long, or has too many labels.
    """
    if not 0 < len(text) <= MAX_NAME:
        raise EnsError(f"a name has 1 to {MAX_NAME} characters")
    found = text.lower() if text.isascii() else text
    if not _PLAIN.match(found):
        found = _by_the_book(text)
    labels = found.split(".")
    if len(labels) > MAX_LABELS or any(not 0 < len(label.encode()) <= MAX_LABEL for label in labels):
        raise EnsError(f"a name has up to {MAX_LABELS} labels, none of them empty")
    return found


def _by_the_book(text: str) -> str:
    # 90 MB of tables and 0.2 s, which only names with other characters cost.
    from ens_normalize import DisallowedSequence, ens_normalize  # noqa: PLC0415

    try:
        return str(ens_normalize(text))
    except DisallowedSequence as error:
        raise EnsError(f"no name of ENS: {str(error)[:120]}") from None


def namehash(name: str) -> bytes:
    """32 octets that name a normalised name (ENSIP-1 "namehash")."""
    node = bytes(32)
    for label in reversed(name.split(".")):
        node = keccak(node + keccak(label.encode()))
    return node


def wire_name(name: str) -> bytes:
    """The name as DNS writes it, each label behind its length (ENSIP-10)."""
    return b"".join(bytes([len(raw)]) + raw for raw in (label.encode() for label in name.split("."))) + b"\0"


def suffixes(name: str) -> list[str]:
    """The name and the names it lies below, longest first: where a resolver may be set for it (ENSIP-10)."""
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def ask_registry(registry: bytes, name: str) -> Call:
    """Who resolves a name?"""
    return Call(registry, RESOLVER + namehash(name))


def ask_address(resolver: bytes, name: str) -> Call:
    """Which address does it stand for?"""
    return Call(resolver, ADDR + namehash(name))


def ask_extended(resolver: bytes) -> Call:
    """Does the resolver answer for names below its own (ENSIP-10)?"""
    return Call(resolver, SUPPORTS + RESOLVE.ljust(WORD, b"\0"))


def ask_resolve(resolver: bytes, name: str) -> Call:
    """The question for the address, put as ENSIP-10 wants it."""
    return Call(resolver, RESOLVE + _two_pieces(wire_name(name), ADDR + namehash(name)))


def read_address(answer: bytes) -> bytes | None:
    """20 octets, or None for the zero address, which stands for nobody.

    Raises:
        EnsError: it is no address.
    """
    if len(answer) != WORD or any(answer[:12]):
        raise EnsError("the contract returns no address")
    return answer[12:] if any(answer) else None


def read_truth(answer: bytes) -> bool:
    """True for a clean yes; what answers otherwise does not know the question (EIP-165)."""
    return answer == (1).to_bytes(WORD, "big")


def read_piece(answer: bytes) -> bytes:
    """The octets in the answer of a function that returns `bytes`.

    Raises:
        EnsError: they are none, or too many.
    """
    return _piece(answer, 0)


@dataclass(frozen=True, slots=True)
class Lookup:
    """A contract says that the answer lies elsewhere (EIP-3668).

    Attributes:
        sender: the contract that says so, 20 octets.
        urls: templates of gateways.
        data: what they are asked.
        callback: selector of the function that takes their answer.
        extra: handed back to it.
    """

    sender: bytes
    urls: tuple[str, ...]
    data: bytes
    callback: bytes
    extra: bytes

    def resume(self, response: bytes) -> Call:
        """The call that gives the contract a gateway's answer, which it must verify."""
        return Call(self.sender, self.callback + _two_pieces(response, self.extra))


def read_lookup(reverted: bytes) -> Lookup | None:
    """The off-chain look-up in what a contract reverted with; None when it is something else.

    Raises:
        EnsError: it is one, and cannot be read or is too large.
    """
    if reverted[:4] != OFFCHAIN_LOOKUP:
        return None
    body = reverted[4:]
    sender = read_address(_word(body, 0))
    urls = _texts(body, _number(body, WORD))
    callback = _word(body, 3 * WORD)[:4]
    if sender is None:
        raise EnsError("the contract names no sender")
    return Lookup(sender, urls, _piece(body, 2 * WORD), callback, _piece(body, 4 * WORD))


def _texts(body: bytes, start: int) -> tuple[str, ...]:
    count = _number(body, start)
    if count > MAX_URLS:
        raise EnsError(f"the contract names more than {MAX_URLS} gateways")
    places = (start + WORD + _number(body, start + WORD + index * WORD) for index in range(count))
    try:
        found = tuple(_octets(body, place, MAX_URL).decode("ascii") for place in places)
    except UnicodeDecodeError:
        raise EnsError("the contract names a gateway that is no address") from None
    return found


def _piece(body: bytes, at: int) -> bytes:
    """The `bytes` whose offset stands at `at`."""
    return _octets(body, _number(body, at), MAX_PIECE)


def _octets(body: bytes, start: int, most: int) -> bytes:
    length = _number(body, start)
    found = body[start + WORD : start + WORD + length]
    if length > most or len(found) != length:
        raise EnsError("the contract returns octets that are cut off, or too many")
    return found


def _number(body: bytes, at: int) -> int:
    value = int.from_bytes(_word(body, at), "big")
    if value > len(body):  # an offset, a length or a count: none can be more
        raise EnsError("the contract returns an offset that leads nowhere")
    return value


def _word(body: bytes, at: int) -> bytes:
    word = body[at : at + WORD]
    if len(word) != WORD:
        raise EnsError("the contract's answer is cut off")
    return word


def _two_pieces(first: bytes, second: bytes) -> bytes:
    """Two values of type `bytes` (Solidity's ABI specification, "Formal Specification of the Encoding")."""
    head = [2 * WORD, 2 * WORD + WORD + _padded(len(first))]
    return b"".join(number.to_bytes(WORD, "big") for number in head) + _written([first, second])


def _written(pieces: Sequence[bytes]) -> bytes:
    return b"".join(len(piece).to_bytes(WORD, "big") + piece.ljust(_padded(len(piece)), b"\0") for piece in pieces)


def _padded(length: int) -> int:
    return -(-length // WORD) * WORD
