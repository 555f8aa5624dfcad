"""What it costs to know who somebody is: gate checks remembered and not, wallets, DIDs, credentials, embedded proofs.

Wall time and CPU, medians. The CPU is that of our own process and of didkit's; that of anvil, a chain on this machine,
comes on top of it, and is in the wall time.

    .venv/bin/python benchmarks/identities.py [--rounds N] [--json]
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trio
from eth_abi import encode
from eth_account import Account as Wallet
from eth_account.messages import encode_defunct
from joserfc.jwk import OKPKey

from identity import contract_wallet, did_login, eip4361
from identity.contract_wallet import Signature
from identity.credentials import issue, linked
from identity.credentials.issue import Statement
from identity.credentials.linked import LinkedCredential
from identity.credentials.verify import Verifier
from identity.did import keys, self_contained
from identity.did.resolve import SelfContained
from identity.did.syntax import Did, parse
from identity.did_login import Proof
from identity.ethereum import checksum_address, keccak, personal_hash
from identity.gates.rule import parse_rule, write_rule
from identity.jose import Signer
from node.auth.contract_wallets import ContractWallets
from node.auth.gates.doorkeeper import Doorkeeper
from node.auth.gates.evaluate import Evaluator
from node.base.address import parse_address
from node.base.config_chains import Chains
from node.base.log import configure
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.reader import open_readers
from node.net.linked_proofs import DidkitProofs
from node.store import accounts, domains, gates
from node.store.accounts import Account
from node.store.database import Database, Writing

ROOT = Path(__file__).parents[1]
CONTRACTS = ROOT / "tests" / "contracts"
CHAIN_ID = 31337
CHAIN = f"eip155:{CHAIN_ID}"
RICH = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")  # every anvil's first
OWNER = Wallet.from_key(b"\x01" * 32)
SALT = b"\x07" * 32
FOR_EVER = 1e9


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing: medians, in milliseconds."""

    what: str
    wall_ms: float
    cpu_ms: float
    rounds: int


Work = Callable[[], Awaitable[object]]


def cpu_seconds() -> float:
    """Of this process, and of its children that have ended."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime


async def measure(what: str, work: Work, rounds: int, before: Work | None = None) -> Figure:
    """Time it; `before` runs ahead of each round, and does not count."""
    walls, cpus = [], []
    for number in range(rounds + 2):
        if before is not None:
            await before()
        wall, cpu = time.perf_counter(), cpu_seconds()
        await work()
        if number >= 2:  # the first opens connections, and loads what is loaded late
            walls.append(time.perf_counter() - wall)
            cpus.append(cpu_seconds() - cpu)
    return Figure(what, statistics.median(walls) * 1e3, statistics.median(cpus) * 1e3, rounds)


@contextmanager
def anvil(folder: Path) -> Iterator[str]:
    """A chain on loopback, ended with the block."""
    binary = next(iter((ROOT / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil")), None)
    if binary is None:
        sys.exit("anvil is not installed: npm install")
    log = folder / "anvil.log"
    command = [str(binary), "--port", "0", "--host", "127.0.0.1", "--slots-in-an-epoch", "1"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        while (found := re.search(r"^Listening on (\S+)$", log.read_text(), re.MULTILINE)) is None:
            if process.poll() is not None:
                sys.exit(log.read_text())
            time.sleep(0.02)
        yield f"http://{found[1]}"
    finally:
        process.kill()
        process.wait()


def ask(url: str, method: str, *params: Any) -> Any:
    """One question to the chain, past our own client."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as response:
        return json.loads(response.read())["result"]


def code(name: str) -> bytes:
    """A test contract's bytecode."""
    for path in (CONTRACTS / f"{name}.json", CONTRACTS / "tokens.json"):
        if path.exists():
            content = json.loads(path.read_text())
            return bytes.fromhex((content.get("bytecode") or content[name]).removeprefix("0x"))
    raise FileNotFoundError(name)


def called(signature: str, *values: Any) -> bytes:
    """A call as contracts read it."""
    kinds = [kind for kind in signature.partition("(")[2].rstrip(")").split(",") if kind]
    return keccak(signature.encode())[:4] + encode(kinds, values)


async def gate_checks(url: str, folder: Path, rounds: int) -> list[Figure]:
    """The check before a mailbox, from the question to yes, the database included."""
    async with JsonRpcChain.open(url, RICH, CHAIN_ID) as chain:
        ticket = (await chain.send(None, code("Ticket"))).contract
        coin = (await chain.send(None, code("Coin") + encode(["uint8"], [18]))).contract
        assert ticket
        assert coin
        await chain.send(ticket, called("mint(address,uint256)", OWNER.address, 7))
        await chain.send(coin, called("mint(address,uint256)", OWNER.address, 10**21))
    ask(url, "anvil_setBalance", OWNER.address, hex(10**20))
    ask(url, "anvil_mine", "0x4")
    one = {"chain": CHAIN, "standard": "erc721", "contract": checksum_address(ticket)}
    three = {
        "all": [
            one,
            {"chain": CHAIN, "standard": "erc20", "contract": checksum_address(coin), "min": "1.5"},
            {"chain": CHAIN, "standard": "native", "min": "1"},
        ]
    }

    async def mine() -> None:
        ask(url, "anvil_mine", "0x1")

    figures = []
    async with Database.open(folder / "node.sqlite") as database:
        account = await database.write(_ann)
        for words, rule, revoke in (
            ("one erc721 leaf", one, "finalized"),
            ("three leaves, latest too", three, "latest"),
        ):
            text = write_rule(parse_rule(json.dumps(rule)))
            await database.write(lambda tx, t=text, r=revoke: gates.put(tx, "login", account.address, t, r))  # type: ignore[misc]
            for fresh, before, how in (
                (0.0, mine, "new block"),
                (0.0, None, "same block"),
                (FOR_EVER, None, "remembered"),
            ):
                async with open_readers(Chains(rpc={CHAIN: url}), fresh) as readers:
                    keeper = Doorkeeper(database, Evaluator(readers), 600.0)

                    async def check(keeper: Doorkeeper = keeper) -> None:
                        assert await keeper.login(account) is None

                    figures.append(await measure(f"gate: {words}, {how}", check, rounds, before))
    return figures


def _ann(tx: Writing) -> Account:
    domains.add(tx, "waxseal.test")
    account = accounts.add(tx, parse_address("ann@waxseal.test"))
    accounts.bind(tx, account.id, f"eip155:{OWNER.address.lower()}")
    return account


async def wallets(url: str, rounds: int) -> list[Figure]:
    """A login's signature by a key, by a contract, by a contract that is not there yet."""
    now = datetime.now(UTC)
    message = eip4361.Message("a.example", bytes.fromhex(OWNER.address[2:]), "Hi", "https://a.example/login", 1,
                              "k3Jx8qP2sV9bLm4T", now, now + timedelta(minutes=5))  # fmt: skip
    text = eip4361.build(message)
    signed = bytes(OWNER.sign_message(encode_defunct(text=text)).signature)
    expected = eip4361.Expectation("a.example", "https://a.example/login", frozenset({1}), message.nonce)

    async def by_key() -> None:
        assert not hasattr(eip4361.verify(text, signed, expected, now), "reason")

    async with JsonRpcChain.open(url, RICH, CHAIN_ID) as chain:
        factory = (await chain.send(None, code("WalletFactory"))).contract
        deployed = (await chain.send(None, code("OwnedWallet") + encode(["address"], [OWNER.address]))).contract
        assert factory
        assert deployed
        where = called("where(address,bytes32)", OWNER.address, SALT)
        absent = (await chain.call(factory, where))[12:]
    digest, bare = personal_hash(b"hello"), bytes(OWNER.sign_message(encode_defunct(b"hello")).signature)
    preparation = called("make(address,bytes32)", OWNER.address, SALT)
    contracts = ContractWallets({CHAIN: url})
    wrapped = contract_wallet.wrap(Signature(bare, bytes.fromhex(factory[2:]), preparation))

    async def by_contract() -> None:
        assert await contracts.refusal(CHAIN_ID, bytes.fromhex(deployed[2:]), digest, Signature(bare)) is None

    async def by_absent() -> None:
        assert await contracts.refusal(CHAIN_ID, absent, digest, contract_wallet.unwrap(wrapped)) is None

    return [
        await measure("wallet: key (EIP-4361, EIP-191)", by_key, rounds),
        await measure("wallet: contract (EIP-1271)", by_contract, rounds),
        await measure("wallet: contract not deployed (EIP-6492)", by_absent, rounds),
    ]


async def credentials(rounds: int) -> list[Figure]:
    """A DID's proof with a credential as tokens; a credential with an embedded proof, where didkit is installed."""
    key = OKPKey.generate_key("Ed25519")
    public = keys.from_jwk({name: value for name, value in key.as_dict(private=False).items() if name != "kid"})
    did = parse(self_contained.key_did(public))
    assert isinstance(did, Did)
    signer, now = Signer(did, did.id, key), datetime.now(UTC)
    said = Statement(did, {"member": True}, "Member", now - timedelta(days=1), now + timedelta(days=1))
    shown = issue.presentation(signer, [issue.credential(signer, said)], nonce="f00df00d", audience="https://a.example")
    verifier = Verifier(SelfContained())

    async def by_token() -> None:
        proof = did_login.read(shown)
        assert isinstance(proof, Proof)
        assert not hasattr(await did_login.verify(proof, SelfContained()), "reason")
        assert not hasattr(await did_login.verify_credentials(proof, verifier, now), "reason")

    figures = [await measure("DID: presentation with one credential, tokens", by_token, rounds)]
    if importlib.util.find_spec("didkit") is None:
        return figures
    recorded = json.loads((ROOT / "tests" / "identity" / "credentials" / "linked.json").read_text())
    text = json.dumps(recorded["Eip712Signature2021"]["credential"])
    read = linked.read(text)
    assert isinstance(read, LinkedCredential)
    kept = DidkitProofs()

    async def by_didkit() -> None:
        assert await DidkitProofs().check(read.question) is None

    async def by_memory() -> None:
        found = linked.read(text)
        assert isinstance(found, LinkedCredential)
        assert await kept.check(found.question) is None

    figures.append(await measure("embedded proof: a process of didkit's", by_didkit, max(5, rounds // 10)))
    figures.append(await measure("embedded proof: remembered", by_memory, rounds))
    return figures


async def run(rounds: int) -> list[Figure]:
    """Everything."""
    with tempfile.TemporaryDirectory() as folder, anvil(Path(folder)) as url:
        return [
            *await gate_checks(url, Path(folder), rounds),
            *await wallets(url, rounds),
            *await credentials(rounds),
        ]


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--json", action="store_true", help="print nothing but the last line")
    asked = parser.parse_args()
    configure("error")
    sys.setrecursionlimit(1000)  # eth_account raises it
    load = os.getloadavg()[0]
    figures = trio.run(run, asked.rounds)
    if not asked.json:
        print(f"{platform.machine()}, {os.cpu_count()} cores, load {load:.1f} at the start")
        for one in figures:
            print(f"{one.what:60} {one.wall_ms:8.2f} ms wall {one.cpu_ms:8.2f} ms CPU")
    print(json.dumps({"load": load, "cores": os.cpu_count(), "figures": [asdict(one) for one in figures]}))


if __name__ == "__main__":
    main()
