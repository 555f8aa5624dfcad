"""What a chain is asked about one token leaf, and what its answers mean (ERC-20, ERC-721, ERC-1155). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from enum import StrEnum

from identity.gates.rule import MAX_DECIMALS, Token
from identity.gates.verdict import Finding, Truth

# The first four octets of Keccak-256 of the signatures (Solidity's ABI specification, "Function Selector").
BALANCE_OF = bytes.fromhex("70a08231")  # balanceOf(address): ERC-20, ERC-721
BALANCE_OF_ID = bytes.fromhex("00fdd58e")  # balanceOf(address,uint256): ERC-1155
OWNER_OF = bytes.fromhex("6352211e")  # ownerOf(uint256): ERC-721
DECIMALS = bytes.fromhex("313ce567")  # decimals(): ERC-20, optional there
WORD = 32
NATIVE_DECIMALS = 18


@dataclass(frozen=True, slots=True)
class Call:
    """Run a contract's view. Answered by what it returns."""

    to: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's native coins. Answered by their number, 32 octets."""

    of: bytes


Question = Call | Balance


class Fault(StrEnum):
    """Why a question has no answer."""

    REVERTED = "the contract refuses to answer"
    BROKEN = "the contract fails"
    AWAY = "the chain cannot be asked now"


Answer = bytes | Fault


def questions(leaf: Token, wallets: Sequence[bytes]) -> list[Question]:
    """What to ask about a leaf, all at one block.

    Args:
        wallets: addresses, 20 octets each; what they hold counts together.
    """
    if leaf.standard == "native":
        return [Balance(wallet) for wallet in wallets]
    to = bytes.fromhex(leaf.contract[2:])
    if leaf.standard == "erc721" and leaf.id is not None:
        return [Call(to, OWNER_OF + _word(leaf.id))]
    if leaf.standard == "erc1155":
        return [Call(to, BALANCE_OF_ID + _address(wallet) + _word(leaf.id or 0)) for wallet in wallets]
    asked: list[Question] = [Call(to, BALANCE_OF + _address(wallet)) for wallet in wallets]
    if leaf.standard == "erc20" and leaf.decimals is None:
        asked.append(Call(to, DECIMALS))
    return asked


def judge(leaf: Token, wallets: Sequence[bytes], answers: Sequence[Answer], block: int) -> Finding:
    """What the answers to `questions(leaf, wallets)` say.

    A contract that does not keep to its standard (returns nothing, too much or no address; reverts where it must
    answer; has more than 77 decimals) gives no answer at all: unknown, under a `not` as well, and no time of grace.
    2**256-1 is a number like any other: whoever names a contract in a rule believes what it says of balances.
    """
    if not wallets:
        return Finding(Truth.NO, "no wallet is bound to the account", block=block)
    if Fault.AWAY in answers:
        return Finding(Truth.UNKNOWN, str(Fault.AWAY), passing=True, block=block)
    if leaf.standard == "erc721" and leaf.id is not None:
        return _owned(wallets, leaf.id, answers[0], block)
    numbers = [_number(answer) for answer in answers[: len(wallets)]]
    if bad := [number for number in numbers if isinstance(number, str)]:
        return Finding(Truth.UNKNOWN, f"no balance: {bad[0]}", block=block)
    held = sum(number for number in numbers if isinstance(number, int))
    places = _places(leaf, answers)
    if isinstance(places, str):
        return Finding(Truth.UNKNOWN, f"holds {held} base units, but decimals are unknown: {places}", block=block)
    wanted = leaf.min if leaf.min is not None else Decimal(1)
    truth = Truth.YES if held >= _scaled(wanted, places) else Truth.NO
    return Finding(truth, f"holds {_shown(held, places)}, needs {wanted:f}", block=block)


def _owned(wallets: Sequence[bytes], id: int, answer: Answer, block: int) -> Finding:
    if answer is Fault.REVERTED:  # ERC-721: ownerOf throws for tokens that nobody owns
        return Finding(Truth.NO, f"nobody owns token {id}", block=block)
    word = _number(answer)
    if isinstance(word, str):
        return Finding(Truth.UNKNOWN, f"no owner of token {id}: {word}", block=block)
    if word >> 160:
        return Finding(Truth.UNKNOWN, f"no owner of token {id}: the contract returns no address", block=block)
    owner = word.to_bytes(20, "big")
    if owner in wallets:
        return Finding(Truth.YES, f"owns token {id}", block=block)
    return Finding(Truth.NO, f"token {id} belongs to 0x{owner.hex()}", block=block)


def _places(leaf: Token, answers: Sequence[Answer]) -> int | str:
    if leaf.standard in {"erc721", "erc1155"}:
        return 0
    if leaf.standard == "native":
        return NATIVE_DECIMALS
    if leaf.decimals is not None:
        return leaf.decimals
    number = _number(answers[-1])
    if isinstance(number, int) and number > MAX_DECIMALS:
        return f"the contract says {number}" if number < 1000 else "the contract says over 1000"
    return number


def _number(answer: Answer) -> int | str:
    """The one word that was returned, or what is wrong with it."""
    if isinstance(answer, Fault):
        return str(answer)
    if not answer:
        return "the contract returns nothing, or there is none"
    if len(answer) != WORD:
        return f"the contract returns {len(answer)} octets instead of {WORD}"
    return int.from_bytes(answer, "big")


def _scaled(wanted: Decimal, places: int) -> int:
    """Whole coins as base units, rounded up: half a unit cannot be held."""
    with localcontext() as context:
        context.prec = 400
        return int((wanted.scaleb(places)).to_integral_value(rounding="ROUND_CEILING"))


def _shown(held: int, places: int) -> str:
    with localcontext() as context:
        context.prec = 400
        value = Decimal(held).scaleb(-places)
        return f"{value.normalize():f}" if value else "0"


def _word(number: int) -> bytes:
    return number.to_bytes(WORD, "big")


def _address(wallet: bytes) -> bytes:
    return wallet.rjust(WORD, b"\0")
