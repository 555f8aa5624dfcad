"""The embedded chain as the node uses it: one worker at a time in a thread, opened at the first question.

Why a thread and no process of its own: measured beside a busy Trio loop, opening the chain (which imports py-evm,
0.6-1 s) costs the loop pauses of 17 ms at most, an anchor 11 ms; and nothing is imported before an anchor is due.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import trio

from node.net.chain.interface import Block, Event, TxResult
from node.net.chain.transaction import address_of

if TYPE_CHECKING:
    from node.net.chain.evm import Evm

T = TypeVar("T")

CHAIN_ID = 0x5EA1  # 24225: a private chain's id only has to differ from those that people use
FILE = "chain.sqlite"


class EmbeddedChain:
    """A private chain in the node's data directory. Make it with `EmbeddedChain.open`."""

    def __init__(self, path: Path, key: bytes | None) -> None:
        self._path = path
        self._key = key
        self._evm: Evm | None = None
        self._worker = trio.CapacityLimiter(1)  # py-evm and its SQLite connection are used by one thread at a time
        self.chain_id = CHAIN_ID
        self.sender = address_of(key) if key else None

    @classmethod
    @asynccontextmanager
    async def open(cls, directory: Path, key: bytes | None) -> AsyncIterator[EmbeddedChain]:
        """The chain kept in `directory` (made when missing); it begins at the first question, not here.

        Args:
            directory: `<data>/chain`.
            key: the private key that signs, 32 bytes; None only reads, also beside a running node.
        """
        chain = cls(directory / FILE, key)
        try:
            yield chain
        finally:
            with trio.CancelScope(shield=True):
                await chain._close()

    async def head(self) -> Block:
        """See `interface.Chain`."""
        return await self._ask(lambda evm: evm.head())

    async def call(self, to: str, data: bytes, block: int | None = None) -> bytes:
        """See `interface.Chain`."""
        return await self._ask(lambda evm: evm.call(to, data, block))

    async def code(self, address: str) -> bytes:
        """See `interface.Chain`."""
        return await self._ask(lambda evm: evm.code(address))

    async def events(self, address: str, block: int) -> list[Event]:
        """See `interface.Chain`."""
        return await self._ask(lambda evm: evm.events(address, block))

    async def send(self, to: str | None, data: bytes) -> TxResult:
        """See `interface.Chain`."""
        return await self._ask(lambda evm: evm.send(to, data))

    async def _ask(self, question: Callable[[Evm], T]) -> T:
        # Not abandoned when cancelled: a thread left alone could still be writing while the next one begins.
        return await trio.to_thread.run_sync(partial(self._answer, question), limiter=self._worker)

    def _answer(self, question: Callable[[Evm], T]) -> T:
        if self._evm is None:
            from node.net.chain.evm import Evm  # noqa: PLC0415 — half a second of imports: never at the node's start

            if self._key is not None:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._evm = Evm(self._path, self._key)
        return question(self._evm)

    async def _close(self) -> None:
        async with self._worker:
            if self._evm is not None:
                self._evm.close()
                self._evm = None
