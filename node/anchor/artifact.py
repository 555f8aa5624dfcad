"""The contracts that all nodes of a chain share, `Registry` and `Governance`: code, address, deployment.

Neither has settings or an owner, so one of each is enough for everybody. The deterministic deployment proxy, which
stands at the same address on nearly every chain, puts them at an address that follows from their code alone (CREATE2,
EIP-1014): who checks a receipt knows where to look on any chain, and need not be told.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from eth_hash.auto import keccak

from node.base.errors import Permanent
from node.net.chain.deployer import DEPLOYER
from node.net.chain.interface import Chain, Reverted
from node.net.chain.transaction import checksummed, raw_address

SALT = bytes(32)


class NoContract(Permanent):
    """What answers at the address is not the contract that is meant."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A compiled contract.

    Attributes:
        name: the contract's, in Solidity.
        creation: the bytes that deploy it.
        deployed: the bytes that then stand at its address; without settings they are always these.
    """

    name: str
    creation: bytes = field(repr=False)
    deployed: bytes = field(repr=False)

    @property
    def address(self) -> str:
        """Where it stands on every chain that has the deterministic deployment proxy, EIP-55."""
        seed = b"\xff" + raw_address(DEPLOYER) + SALT + keccak(self.creation)
        return checksummed(keccak(seed)[12:])

    async def is_at(self, chain: Chain, contract: str) -> bool:
        """Whether exactly this contract stands there: another one could answer anything."""
        return await chain.code(contract) == self.deployed

    async def check(self, chain: Chain, contract: str) -> None:
        """Raise NoContract unless exactly this contract stands there."""
        code = await chain.code(contract)
        if not code:
            raise NoContract(
                f"there is no {self.name} contract at {contract} on chain {chain.chain_id}: nobody used it there yet"
            )
        if code != self.deployed:
            raise NoContract(f"at {contract} on chain {chain.chain_id} stands another contract than {self.name}")

    async def deploy(self, chain: Chain) -> int:
        """Put the contract on the chain, at `address`, unless it is there; return the gas used (0: it was there).

        Raises:
            Permanent: the chain has no deployment proxy, or took the transaction and still has no such contract.
        """
        if await self.is_at(chain, self.address):
            return 0
        if not await chain.code(DEPLOYER):
            raise Permanent(
                f"chain {chain.chain_id} has no deterministic deployment proxy at {DEPLOYER}, which puts {self.name} "
                "at its address: have it deployed there first (github.com/Arachnid/deterministic-deployment-proxy)"
            )
        try:
            gas = (await chain.send(DEPLOYER, SALT + self.creation)).gas
        except Reverted:  # somebody else was faster: the proxy makes each contract once
            gas = 0
        if not await self.is_at(chain, self.address):
            raise Permanent(f"the chain took the contract {self.name}, but it does not stand at {self.address}")
        return gas


@cache
def load(name: str) -> Artifact:
    """The contract of this name, from the JSON file beside this module."""
    content: dict[str, str] = json.loads(resources.files("node.anchor").joinpath(f"{name}.json").read_text("utf-8"))
    return Artifact(name, bytes.fromhex(content["bytecode"][2:]), bytes.fromhex(content["deployedBytecode"][2:]))
