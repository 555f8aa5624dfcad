"""The contract `Governance` (contracts/Governance.sol) as functions: which policy an account put in force, and when.

A policy is named by the SHA-256 of its document. The chain shows that the document existed in that block and that the
account said to judge by it from then on; that it really did is not the chain's to say (docs/proof.md).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from node.anchor.artifact import load
from node.base.errors import Permanent, Temporary
from node.net.chain import abi
from node.net.chain.abi import AbiError
from node.net.chain.interface import Chain, Reverted, TxResult

CONTRACT = load("Governance")
ADDRESS = CONTRACT.address  # on every chain with the deterministic deployment proxy

PUBLISH = abi.selector("publish(bytes32)")
COUNT = abi.selector("count(address)")
PUBLISHED = abi.selector("published(address,uint256,uint256)")
IN_FORCE = abi.selector("inForce(address,uint256)")
ERRORS = ("Unchanged(bytes32)", "NoPolicy()")

PAGE = 100  # publications a call
MAX_PUBLICATIONS = 100_000


class GovernanceError(Permanent):
    """The contract refused; the text says why."""


@dataclass(frozen=True, slots=True)
class Publication:
    """A policy that was put in force.

    Attributes:
        policy: SHA-256 of its document, 32 bytes.
        block: the first block in which it is in force.
        time: that block's, Unix seconds.
        until: the first block in which the next one is; None: it still is in force.
    """

    policy: bytes
    block: int
    time: int
    until: int | None = None


async def publish(chain: Chain, contract: str, policy: bytes) -> TxResult:
    """Put a policy in force for the sender from the next block on.

    Raises:
        GovernanceError: it is in force already, or no hash.
        NoContract: another contract stands there.
    """
    if len(policy) != 32:
        raise GovernanceError("a policy's hash has 32 octets")
    await CONTRACT.check(chain, contract)
    try:
        return await chain.send(contract, PUBLISH + policy)
    except Reverted as error:
        match abi.refusal(error.data, ERRORS):
            case "Unchanged", _:
                raise GovernanceError(f"the policy {policy.hex()} is in force already") from None
            case "NoPolicy", _:
                raise GovernanceError("a policy's hash is not zero") from None
        raise


async def published(chain: Chain, contract: str, sender: str) -> tuple[Publication, ...]:
    """All that an account has put in force, oldest first.

    Raises:
        NoContract: another contract stands there, or none.
        Temporary: the chain cannot be asked, or its answers contradict each other.
    """
    await CONTRACT.check(chain, contract)
    found: list[Publication] = []
    try:
        (word,) = abi.words(await chain.call(contract, COUNT + abi.address(sender)), 1)
        count = abi.read_number(word, 64)
        if count > MAX_PUBLICATIONS:
            raise GovernanceError(f"{sender} has published {count} policies: nobody can follow that")
        while len(found) < count:
            question = PUBLISHED + abi.address(sender) + abi.number(len(found)) + abi.number(PAGE)
            rows = abi.rows(await chain.call(contract, question), 3, PAGE)
            if not rows:
                raise AbiError("it counts more publications than it shows")
            found += [_publication(*row) for row in rows]
        _check(found)
    except (AbiError, Reverted) as error:
        raise Temporary(f"the chain's server cannot be believed about {sender}'s policies: {error}") from None
    ends: list[int | None] = [*(later.block for later in found[1:]), None]
    return tuple(Publication(one.policy, one.block, one.time, end) for one, end in zip(found, ends, strict=False))


async def in_force(chain: Chain, contract: str, sender: str, block: int | None = None) -> Publication | None:
    """The policy in force in a block (None: now), without `until`; None before the first. One call, whatever the list.

    Raises:
        NoContract, Temporary: see `published`.
    """
    await CONTRACT.check(chain, contract)
    number = (1 << 64) - 1 if block is None else block
    try:
        answer = await chain.call(contract, IN_FORCE + abi.address(sender) + abi.number(number))
        found = _publication(*abi.words(answer, 3))
        if found.block > number:
            raise AbiError("it tells of a later block than the one that was asked for")
    except (AbiError, Reverted) as error:
        raise Temporary(f"the chain's server cannot be believed about {sender}'s policy: {error}") from None
    return found if found.block else None


def _publication(policy: bytes, block: bytes, time: bytes) -> Publication:
    return Publication(policy, abi.read_number(block, 64), abi.read_number(time, 64))


def _check(found: list[Publication]) -> None:
    """The rules that the contract keeps."""
    if any(not one.block or not any(one.policy) for one in found):
        raise AbiError("a publication has no block or no policy")
    for earlier, later in itertools.pairwise(found):
        if later.block < earlier.block or later.time < earlier.time or later.policy == earlier.policy:
            raise AbiError("the publications are not in order")
