"""The embedded chain as the node uses it: a process of its own, started at the first question, killed when it hangs.

Why a process: importing py-evm raises the whole process's recursion limit to 100,000 (py_ecc does), so that deeply
nested input, which Python otherwise refuses, would crash the mail node. Besides, the import takes 0.6 s and 50 MiB, an
anchor 5-15 ms of computing: none of that is mail's business.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from node.base.errors import Permanent, Temporary
from node.net.chain.interface import Block, Event, NoState, Reverted, TxResult
from node.net.chain.transaction import address_of

CHAIN_ID = 0x5EA1  # 24225: a private chain's id only has to differ from those that people use
FILE = "chain.sqlite"
ANSWER_SECONDS = 60.0  # the slowest is the first answer, on a busy machine; an anchor takes milliseconds
MAX_ANSWER = 4 << 20  # octets of a line
STOP_SECONDS = 2.0

# Isolated (-I): neither the current directory nor the environment decide which code runs. The key goes by the pipe.
_WORKER = "import os, sys; sys.path[:] = sys.argv[1].split(os.pathsep); from node.net.chain.worker import main; main()"


class EmbeddedChain:
    """A private chain in the node's data directory. Make it with `EmbeddedChain.open`."""

    def __init__(self, path: Path, key: bytes | None) -> None:
        self._path = path
        self._key = key
        self._process: trio.Process | None = None
        self._asking = trio.Lock()
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
                await chain._stop(STOP_SECONDS)

    async def head(self) -> Block:
        """See `interface.Chain`."""
        return _block(await self._ask("head"))

    async def block(self, number: int) -> Block:
        """See `interface.Chain`."""
        return _block(await self._ask("block", block=number))

    async def finalized(self) -> Block:
        """See `interface.Chain`: whoever makes all blocks gives none up."""
        return await self.head()

    async def call(self, to: str, data: bytes, block: int | None = None) -> bytes:
        """See `interface.Chain`."""
        return bytes.fromhex(await self._ask("call", to=to, data=data.hex(), block=block))

    async def code(self, address: str) -> bytes:
        """See `interface.Chain`."""
        return bytes.fromhex(await self._ask("code", to=address))

    async def events(self, address: str, block: int) -> list[Event]:
        """See `interface.Chain`."""
        return [
            Event(
                tuple(bytes.fromhex(topic) for topic in entry["topics"]),
                bytes.fromhex(entry["data"]),
                entry["block"],
                bytes.fromhex(entry["transaction"]),
            )
            for entry in await self._ask("events", to=address, block=block)
        ]

    async def send(self, to: str | None, data: bytes) -> TxResult:
        """See `interface.Chain`."""
        return _result(await self._ask("send", to=to or "", data=data.hex()))

    async def settle(self) -> None:
        """See `interface.Chain`: a transaction is in a block, or was never there."""

    async def result(self, transaction: bytes) -> TxResult | None:
        """See `interface.Chain`."""
        answer = await self._ask("result", data=transaction.hex())
        return None if answer is None else _result(answer)

    async def retry(self, transaction: bytes) -> None:
        """See `interface.Chain`: nothing waits here."""

    async def _ask(self, method: str, **arguments: Any) -> Any:
        """One question, one answer. A process that fails, hangs or is left unheard is killed, and started anew."""
        async with self._asking:
            answer: dict[str, Any] | None = None
            try:
                with trio.fail_after(ANSWER_SECONDS):
                    answer = await self._answer({"method": method, **arguments})
            except (
                trio.TooSlowError,
                trio.BrokenResourceError,
                trio.ClosedResourceError,
                OSError,
                ValueError,
            ) as error:
                words = str(error) or type(error).__name__
                raise Temporary(
                    f"the embedded chain's process failed ({words}); its errors are on standard error"
                ) from None
            finally:
                if answer is None:  # a late answer must not be taken for that to the next question
                    with trio.CancelScope(shield=True):
                        await self._stop(0)
        if "error" in answer:
            raise _error(answer)
        return answer["result"]

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        process = self._process or await self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdin.send_all(json.dumps(question).encode() + b"\n")
        line = bytearray()
        while not line.endswith(b"\n"):
            chunk = await process.stdout.receive_some()
            line += chunk
            if not chunk or len(line) > MAX_ANSWER:
                raise ValueError("no whole answer")
        answer: dict[str, Any] = json.loads(line)
        return answer

    async def _start(self) -> trio.Process:
        if self._key is not None:
            await trio.Path(self._path.parent).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._process = process = await trio.lowlevel.open_process(
            [sys.executable, "-I", "-c", _WORKER, os.pathsep.join(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the node; this one ends when its input does
        )
        assert process.stdin is not None
        opening = {"path": str(self._path), "key": self._key.hex() if self._key else ""}
        await process.stdin.send_all(json.dumps(opening).encode() + b"\n")
        return process

    async def _stop(self, patience: float) -> None:
        """End the process: by closing its input, and after `patience` seconds the hard way."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdin.aclose()
        with trio.move_on_after(patience):
            await process.wait()
        if process.returncode is None:
            process.kill()  # SQLite keeps whole transactions only, so nothing is torn
            await process.wait()
        await process.stdout.aclose()


def _block(answer: dict[str, Any]) -> Block:
    return Block(answer["number"], bytes.fromhex(answer["hash"]), answer["time"])


def _result(answer: dict[str, Any]) -> TxResult:
    found = bytes.fromhex(answer["hash"]), answer["block"], answer["contract"], answer["gas"], answer["fee"]
    return TxResult(*found, bytes.fromhex(answer["block_hash"]))


def _error(answer: dict[str, Any]) -> Exception:
    words = answer["words"]
    match answer["error"]:
        case "Reverted":
            return Reverted(words, bytes.fromhex(answer["data"]))
        case "NoState":
            return NoState(words)
        case "Temporary":
            return Temporary(words)
        case _:
            return Permanent(words)
