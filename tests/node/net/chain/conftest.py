"""Real chains for the tests: the embedded one, and anvil behind JSON-RPC."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ANVIL_CHAIN = 31337


@pytest.fixture(scope="module")
def anvil() -> Iterator[str]:
    """The URL of an anvil with nothing on it."""
    folder = Path(__file__).parents[4] / "node_modules" / "@foundry-rs"
    binary = next(iter(folder.glob("anvil-*/bin/anvil")), None)
    if binary is None:
        pytest.skip("anvil is not installed: run `npm install` (needs the npm registry once)")
    command = [str(binary), "--port", "0", "--host", "127.0.0.1", "--chain-id", str(ANVIL_CHAIN)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        lines = iter(process.stdout.readline, "")
        yield "http://" + next(line for line in lines if line.startswith("Listening on ")).split()[-1]
    finally:
        process.kill()
        process.communicate()
