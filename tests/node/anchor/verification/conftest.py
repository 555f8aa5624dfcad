"""A log whose messages are proved in every way there is: anchored, with a key in the registry, and witnessed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trio

from node.anchor import add_checkpoint, checkpoint, cosignature, message_leaves, proof, registry, standalone
from node.anchor.anchoring import Plan
from node.anchor.checkpoint import Checkpoint
from node.anchor.cosignature import CosignatureSigner
from node.anchor.keeper import Keeper
from node.anchor.keys import LogKeys, open_keys
from node.anchor.leaf import Direction, Leaf
from node.anchor.log import Log
from node.anchor.receipt import Receipt, make
from node.anchor.steps import RegistryAt, Step, Trust
from node.anchor.verify import verify
from node.net.chain.embedded import EmbeddedChain
from node.net.chain.interface import Chain
from node.net.chain.jsonrpc import JsonRpcChain
from node.store.database import Database

MESSAGE = (
    b"Return-Path: <nora@other.test>\r\nReceived: from other.test by waxseal.test; Sat, 21 Nov 2026 20:00:00 +0000\r\n"
    b"From: nora@other.test\r\nSubject: tea\r\n\r\nSee you on Tuesday.\r\n\r\nFrom here on it is downhill.\r\n"
)
TIME = 1_763_676_000
ANVIL_KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")  # public: worth nothing


@dataclass(frozen=True)
class World:
    """All that a receipt can be checked against."""

    message: bytes
    receipt: Receipt
    keys: LogKeys
    database: Database
    chain: Chain
    registry: str
    witnesses: tuple[CosignatureSigner, ...]
    url: str = ""

    def trust(self, **changes: Any) -> Trust:
        """What a verifier brings along at the least."""
        trust = Trust(keys=(self.keys.log_key,), keepers=(self.keys.sender,), chains={self.chain.chain_id: self.chain})
        return replace(trust, **changes)

    @property
    def registered(self) -> RegistryAt:
        return RegistryAt(self.chain.chain_id, self.registry)

    async def steps(self, trust: Trust | None = None, message: bytes | None = None, **changes: Any) -> tuple[Step, ...]:
        """The steps for the receipt with some fields changed."""
        claim = self.receipt.model_copy(update=changes)
        return await verify(self.message if message is None else message, claim, trust or self.trust())

    async def head(self, size: int) -> Checkpoint:
        """The log's head at a size."""
        root = await self.database.read(lambda tx: Log().root(tx, size))
        return Checkpoint(self.keys.origin, size, root)

    async def signed(self, size: int) -> str:
        """The log's checkpoint at a size."""
        return checkpoint.sign(await self.head(size), self.keys.signer)

    async def consistency(self, old: int, new: int) -> list[bytes]:
        return await self.database.read(lambda tx: Log().consistency_proof(tx, old, new))

    async def later(self, old: int, new: int) -> str:
        """A later checkpoint with its proof, as a file."""
        return add_checkpoint.write(old, await self.consistency(old, new), await self.signed(new)).decode()

    def cosigned(self, by: int, time: int = TIME) -> Receipt:
        """The receipt with the cosignatures of the first so many witnesses in its checkpoint."""
        path = proof.parse(self.receipt.proof)
        text = path.signed.rpartition("\n\n")[0] + "\n"
        lines = [witness.cosign(text, time) for witness in self.witnesses[:by]]
        signed = cosignature.with_lines(path.signed, lines)
        return self.receipt.model_copy(update={"proof": replace(path, signed=signed).text})


async def anchor(database: Database, keys: LogKeys, chain: Chain) -> None:
    """Sign and anchor the log as it stands."""

    @asynccontextmanager
    async def open_chain() -> AsyncIterator[Chain]:
        yield chain

    keeper = Keeper(database, keys, [Plan(chain.chain_id, keys.sender, open_chain)], 3600, 100_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        with trio.fail_after(60):
            await keeper.anchor_now()
        nursery.cancel_scope.cancel()


async def accept(database: Database, contents: list[bytes]) -> None:
    """These messages come in."""

    def work(tx: Any) -> None:
        tx.touch(1)
        for content in contents:
            digest = hashlib.sha256(content).digest()
            message_leaves.append(tx, Log(), Leaf(digest, Direction.RECEIVED, TIME, os.urandom(32)))

    await database.write(work)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "trio"


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Anchored at 7 and 700 entries on the embedded chain, the log's key in the registry there."""
    folder = tmp_path_factory.mktemp("world")
    keys = open_keys(folder / "keys", "waxseal.test")
    async with EmbeddedChain.open(folder / "chain", keys.chain_key) as chain, _world(folder, keys, chain) as made:
        yield made


@pytest.fixture(scope="module")
async def public(anvil: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The same on a chain behind JSON-RPC, all its blocks final."""
    folder = tmp_path_factory.mktemp("public")
    keys = replace(open_keys(folder / "keys", "waxseal.test"), chain_key=ANVIL_KEY)
    async with JsonRpcChain.open(anvil, ANVIL_KEY, 31337) as chain, _world(folder, keys, chain) as made:
        rpc(anvil, "anvil_mine", hex(100))
        yield replace(made, url=anvil)


@asynccontextmanager
async def _world(folder: Path, keys: LogKeys, chain: Chain) -> AsyncIterator[World]:
    names = ("witness.one/w", "witness.two/w", "witness.three/w")
    witnesses = tuple(CosignatureSigner(name, os.urandom(32)) for name in names)
    async with Database.open(folder / "mail.sqlite") as database:
        await accept(database, [b"Subject: %d\r\n\r\n" % number for number in range(4)] + [MESSAGE, b"a", b"b"])
        await anchor(database, keys, chain)
        await accept(database, [b"later %d" % number for number in range(693)])
        await anchor(database, keys, chain)
        await registry.CONTRACT.deploy(chain)
        await registry.register(chain, registry.ADDRESS, keys.origin, keys.log_key.public)
        made = await database.read(lambda tx: make(tx, hashlib.sha256(MESSAGE).digest(), keys))
        assert made is not None
        yield World(MESSAGE, made, keys, database, chain, registry.ADDRESS, witnesses)


def rpc(url: str, method: str, *params: Any) -> Any:
    """One question to anvil, from outside of everything that is tested."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as response:
        answer = json.loads(response.read())
    assert "error" not in answer, answer
    return answer["result"]


@contextmanager
def served(answer: Callable[[str, bytes], bytes | None]) -> Iterator[str]:
    """An HTTP server on loopback that gives what `answer` makes of path and body; None is 404."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            content = answer(self.path, body)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        do_GET = do_POST = _answer

        def log_message(self, *_: Any) -> None:
            """Nothing on standard error."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


Serve = Callable[[Callable[[str, bytes], bytes | None]], AbstractContextManager[str]]


@pytest.fixture(scope="session")
def serve() -> Serve:
    return served


@pytest.fixture(scope="session")
def ask_chain() -> Callable[..., Any]:
    return rpc


DRIVER = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("waxseal_verify", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["waxseal_verify"] = module
spec.loader.exec_module(module)
assert not {name.partition(".")[0] for name in sys.modules} & {"node", "nacl", "cryptography", "pydantic", "trio"}
for line in sys.stdin:
    case = json.loads(line)
    try:
        receipt = module.parse_receipt(case["receipt"].encode("utf-8", "surrogatepass"))
        trust = module.trust_of(module.parse_arguments(["m", "r", *case["options"]]))
        steps = module.Verifier(bytes.fromhex(case["message"]), receipt, trust).steps()
    except module.Unreadable as error:
        print(json.dumps({"exit": 2, "holds": [str(error)]}), flush=True)
        continue
    facts = [step.holds for step in steps]
    print(json.dumps({"exit": module.result_of(steps), "holds": facts, "words": [s.words for s in steps]}), flush=True)
"""


class Alone:
    """The stand-alone verifier in a Python without site-packages, asked many times."""

    path = Path(standalone.__path__[0]) / "waxseal_verify.py"

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, message: bytes, receipt: str, *options: str) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        case = {"message": message.hex(), "receipt": receipt, "options": options}
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the stand-alone verifier died"
        answer: dict[str, Any] = json.loads(line)
        return answer


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alone]:
    folder = tmp_path_factory.mktemp("empty")
    command = [sys.executable, "-I", "-S", "-c", DRIVER, str(Alone.path)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env={}, cwd=folder, **pipes) as process:
        yield Alone(process)
        assert process.stdin
        process.stdin.close()
