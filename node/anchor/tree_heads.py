"""The contract `TreeHeads` (contracts/TreeHeads.sol) as functions: its code, its calls, and what its answers mean."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

from eth_hash.auto import keccak

from node.base.errors import Permanent
from node.net.chain.interface import Chain, Event, TxResult
from node.net.chain.transaction import raw_address

ANCHOR = keccak(b"anchor(uint64,bytes32)")[:4]
HEAD = keccak(b"head(address)")[:4]
ANCHORED = keccak(b"Anchored(address,uint64,bytes32)")


class NoContract(Permanent):
    """What answers at the address is no TreeHeads contract."""


@dataclass(frozen=True, slots=True)
class StoredHead:
    """What the contract keeps for a sender: the tree's size (0: none) and root, block and time (Unix) of storing."""

    size: int
    root: bytes
    block: int
    time: int


@cache
def creation_code() -> bytes:
    """The bytes that deploy the contract."""
    return bytes.fromhex(_artifact()["bytecode"][2:])


@cache
def deployed_code() -> bytes:
    """The bytes that stand at a deployed contract's address; the contract has no settings, so they are always these."""
    return bytes.fromhex(_artifact()["deployedBytecode"][2:])


def _artifact() -> dict[str, str]:
    artifact: dict[str, str] = json.loads(resources.files("node.anchor").joinpath("TreeHeads.json").read_text("utf-8"))
    return artifact


async def deploy(chain: Chain) -> str:
    """Create the contract; return its address."""
    result = await chain.send(None, creation_code())
    if result.contract is None:
        raise Permanent("the chain took the contract but names no address for it")
    return result.contract


async def is_there(chain: Chain, contract: str) -> bool:
    """Whether exactly this contract stands at the address: another one could answer anything."""
    return await chain.code(contract) == deployed_code()


async def anchor(chain: Chain, contract: str, size: int, root: bytes) -> TxResult:
    """Store the sender's next head.

    Raises:
        Reverted: a head of this size or greater is there already.
    """
    return await chain.send(contract, ANCHOR + size.to_bytes(32, "big") + root)


async def read_head(chain: Chain, contract: str, sender: str, block: int | None = None) -> StoredHead:
    """The sender's head after `block` (the newest when None).

    Raises:
        NoContract: nothing answers there, or something else.
    """
    answer = await chain.call(contract, HEAD + raw_address(sender).rjust(32, b"\0"), block)
    if len(answer) != 128:
        raise NoContract(f"there is no TreeHeads contract at {contract}")
    size, number, time = (int.from_bytes(answer[at : at + 32], "big") for at in (0, 64, 96))
    return StoredHead(size, answer[32:64], number, time)


async def find_event(chain: Chain, contract: str, sender: str, size: int, block: int) -> Event | None:
    """The event that told of this head, if that block holds it; its `data` is the root."""
    wanted = (ANCHORED, raw_address(sender).rjust(32, b"\0"), size.to_bytes(32, "big"))
    return next((event for event in await chain.events(contract, block) if event.topics == wanted), None)
