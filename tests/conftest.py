"""Fixtures every test may use. Async tests run on Trio through anyio's plugin."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", deadline=None, max_examples=2000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "house"))


@pytest.fixture
def anyio_backend() -> str:
    return "trio"


@pytest.fixture(autouse=True)
def _usual_recursion_limit() -> Iterator[None]:
    """py_ecc (behind eth_account) sets the process's limit to 100,000: deep input would crash Python, not raise."""
    yield
    sys.setrecursionlimit(1000)


ROOT = Path(__file__).parents[1]


class TokenChain:
    """An anvil whose accounts anvil itself signs for, and the test tokens of contracts/test.

    A block is made for each transaction; the one before the one before the newest is final.
    """

    chain = "eip155:31337"

    def __init__(self, url: str) -> None:
        self.url = url
        self.people: list[str] = self.ask("eth_accounts")
        folder = ROOT / "tests" / "contracts"
        self._bytecode = {
            name: code
            for file in ("tokens", "ens", "did")
            for name, code in json.loads((folder / f"{file}.json").read_text()).items()
        }

    def ask(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"Content-Type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as response:
            answer = json.loads(response.read())
        assert "error" not in answer, answer
        return answer["result"]

    def _send(self, transaction: dict[str, str]) -> dict[str, Any]:
        sent = self.ask("eth_sendTransaction", {"from": self.people[0], "gas": hex(5_000_000), **transaction})
        for _ in range(1000):  # it is mined at once, but not before the request is answered
            receipt: dict[str, Any] | None = self.ask("eth_getTransactionReceipt", sent)
            if receipt is not None:
                assert receipt["status"] == "0x1"
                return receipt
        raise AssertionError("the transaction is in no block")

    def deploy(self, name: str, *arguments: Any) -> str:
        """The address, with its checksum, of a new contract of tests/contracts/tokens.json, ens.json or did.json."""
        from eth_abi import encode
        from eth_utils import to_checksum_address

        kinds = {"Coin": ["uint8"], "Odd": ["uint8", "bytes"], "EnsOffchain": ["address", "address", "string"]}.get(
            name, []
        )
        receipt = self._send({"data": self._bytecode[name] + encode(kinds, arguments).hex()})
        return str(to_checksum_address(receipt["contractAddress"]))

    def send(self, to: str, signature: str, *arguments: Any, sender: str = "") -> None:
        """Call a contract's function in a transaction of its own."""
        from eth_abi import encode
        from eth_hash.auto import keccak

        kinds = [kind for kind in signature.partition("(")[2].rstrip(")").split(",") if kind]
        data = "0x" + (keccak(signature.encode())[:4] + encode(kinds, arguments)).hex()
        self._send({"to": to, "data": data, **({"from": sender} if sender else {})})

    def finalize(self) -> None:
        """Make blocks until everything up to now is final."""
        self.ask("anvil_mine", "0x3")


@pytest.fixture(scope="module")
def token_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenChain]:
    """A chain with nothing on it yet."""
    binary = next(iter((ROOT / "node_modules" / "@foundry-rs").glob("anvil-*/bin/anvil")), None)
    if binary is None:
        pytest.skip("anvil is not installed: run `npm install` (needs the npm registry once)")
    log = tmp_path_factory.mktemp("anvil") / "log"  # a pipe that nobody reads would fill up, and anvil hang
    command = [str(binary), "--port", "0", "--host", "127.0.0.1", "--chain-id", "31337", "--slots-in-an-epoch", "1"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        while (found := re.search(r"^Listening on (\S+)$", log.read_text(), re.MULTILINE)) is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.02)
                raise AssertionError(f"anvil did not start:\n{log.read_text()}")
        yield TokenChain(f"http://{found[1]}")
    finally:
        process.kill()
        process.wait()


@pytest.fixture(autouse=True)
def _logging_of_its_own() -> Iterator[None]:
    """A command called in a test leaves the log bound to that test's standard error, which is closed by then."""
    yield
    structlog.reset_defaults()
