"""What the node asks of a chain, and what it gets: one small interface, whoever keeps the blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from node.base.errors import Permanent, Temporary


class Reverted(Permanent):
    """The contract refused the call; `data` is what it gave as its reason (ABI-encoded, may be empty)."""

    def __init__(self, message: str, data: bytes = b"") -> None:
        super().__init__(message)
        self.data = data


class NoState(Permanent):
    """The chain answers, but does not have (or no longer keeps) the state of the block that was asked for."""


class Rival(Temporary):
    """Somebody else sends transactions in our account's name: two nodes with one key, or a person with its wallet."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block's head: `time` in seconds since 1970, `hash` 32 bytes."""

    number: int
    hash: bytes
    time: int


@dataclass(frozen=True, slots=True)
class TxResult:
    """A transaction that is in a block and succeeded.

    Attributes:
        hash: 32 bytes.
        block: the block's number.
        contract: address of the contract it created, or None.
        gas: gas it used.
        fee: what that cost, in wei; on a rollup with the share for its own chain's data.
        block_hash: 32 bytes; another one later means that the chain was reorganised.
    """

    hash: bytes
    block: int
    contract: str | None
    gas: int
    fee: int = 0
    block_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Event:
    """One log entry of a contract."""

    topics: tuple[bytes, ...]
    data: bytes
    block: int
    transaction: bytes


class Chain(Protocol):
    """An open connection to one chain. Addresses are EIP-55 text.

    Every method may raise `Temporary` (chain unreachable, busy or not ready: try later); none waits without a deadline.
    """

    @property
    def chain_id(self) -> int:
        """The EIP-155 id; the chain's CAIP-2 name is `eip155:<id>`."""

    @property
    def sender(self) -> str | None:
        """The account that `send` signs for; None on a connection that only reads."""

    async def head(self) -> Block:
        """The newest block."""

    async def block(self, number: int) -> Block:
        """The block of that number in the chain as it is now.

        Raises:
            NoState: there is no such block.
        """

    async def finalized(self) -> Block:
        """The newest block that the chain itself will not give up."""

    async def call(self, to: str, data: bytes, block: int | None = None) -> bytes:
        """Run a contract's view in the state after `block` (the newest when None); b"" where there is no contract.

        Raises:
            Reverted: the contract refused.
            NoState: there is no such block, or its state is gone.
        """

    async def code(self, address: str) -> bytes:
        """The contract's bytecode at the newest block; b"" when there is none."""

    async def events(self, address: str, block: int) -> list[Event]:
        """What the contract logged in that block.

        Raises:
            NoState: there is no such block, or its events are gone.
        """

    async def send(self, to: str | None, data: bytes) -> TxResult:
        """Sign a transaction (`to` None creates a contract) and wait until a block holds it.

        One after another: what was signed before comes to its end first. Whoever sends in the name of an account sends
        through here, so that nonces are given out in one place.

        Raises:
            Reverted: the contract refused; where the chain can tell beforehand, nothing was sent.
            Rival: somebody else sends in the same account's name.
        """

    async def settle(self) -> None:
        """Bring to an end what was signed and is in no block yet, by an earlier run too. Raises as `send` does."""

    async def result(self, transaction: bytes) -> TxResult | None:
        """What became of a transaction, by its hash; None while no block holds it.

        Raises:
            Reverted: a block holds it, and it failed there.
        """

    async def retry(self, transaction: bytes) -> None:
        """A transaction of ours that a reorganisation took out of the chain: `settle` sends the same one again."""
