"""The embedded chain's own ways: restarts, SIGKILL of either process, a second reader (the rest: test_interface)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import trio
from eth_hash.auto import keccak

from node.base.errors import Permanent, Temporary
from node.net.chain.embedded import CHAIN_ID, FILE, EmbeddedChain
from node.net.chain.transaction import address_of, contract_address, raw_address

pytestmark = pytest.mark.anyio

KEY = b"\x11" * 32
ROOT = Path(__file__).parents[4]
CODE = bytes.fromhex(json.loads((ROOT / "node/anchor/TreeHeads.json").read_text())["bytecode"][2:])
ANCHOR = keccak(b"anchor(uint64,bytes32)")[:4]
HEAD = keccak(b"head(address)")[:4] + raw_address(address_of(KEY)).rjust(32, b"\0")


def anchor(size: int) -> bytes:
    return ANCHOR + size.to_bytes(32, "big") + bytes([size % 256]) * 32


def size_of(head: bytes) -> int:
    return int.from_bytes(head[:32], "big")


@pytest.fixture
async def chain(tmp_path: Path) -> AsyncIterator[EmbeddedChain]:
    async with EmbeddedChain.open(tmp_path, KEY) as opened:
        yield opened


async def test_a_contract_is_where_it_was_foretold(chain: EmbeddedChain) -> None:
    assert (await chain.send(None, CODE)).contract == contract_address(address_of(KEY))


async def test_a_second_process_reads_beside_the_node(chain: EmbeddedChain, tmp_path: Path) -> None:
    made = await chain.send(None, CODE)
    assert made.contract
    async with EmbeddedChain.open(tmp_path, None) as reader:
        for size in (1, 2):
            await chain.send(made.contract, anchor(size))
            assert size_of(await reader.call(made.contract, HEAD)) == size
        with pytest.raises(Permanent, match="reading only"):
            await reader.send(made.contract, anchor(3))


async def test_reading_where_nothing_is(tmp_path: Path) -> None:
    async with EmbeddedChain.open(tmp_path, None) as reader:
        with pytest.raises(Temporary, match="cannot open the embedded chain"):
            await reader.head()
    assert not (tmp_path / FILE).exists()


async def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    async with EmbeddedChain.open(tmp_path, KEY) as chain:
        with pytest.raises(Temporary, match=r"chain\.sqlite"):
            await chain.head()


async def test_it_is_there_again_after_a_restart(tmp_path: Path) -> None:
    async with EmbeddedChain.open(tmp_path, KEY) as chain:
        made = await chain.send(None, CODE)
        assert made.contract
        await chain.send(made.contract, anchor(4))
        head = await chain.head()
    async with EmbeddedChain.open(tmp_path, KEY) as chain:
        assert await chain.head() == head
        assert chain.chain_id == CHAIN_ID
        assert size_of(await chain.call(made.contract, HEAD)) == 4
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


ANCHORING = """
import sys
from pathlib import Path
from node.net.chain.evm import Evm
path, code, contract, first = Path(sys.argv[1]), bytes.fromhex(sys.argv[2]), sys.argv[3], int(sys.argv[4])
evm = Evm(path, b"\\x11" * 32)
if first == 1:
    assert evm.send(None, code).contract == contract
for size in range(first, first + 1000):
    evm.send(contract, bytes.fromhex(sys.argv[5]) + size.to_bytes(32, "big") + bytes([size % 256]) * 32)
    print(size, flush=True)
"""


@pytest.mark.slow
async def test_what_was_anchored_survives_sigkill(tmp_path: Path) -> None:
    """Killed in the middle of sending, three times: every anchor it told of is there, and the chain goes on."""
    contract, kept = contract_address(address_of(KEY)), 0
    for number in (4, 1, 7):
        told = await trio.to_thread.run_sync(_anchor_until_killed, tmp_path / FILE, kept + 1, number)
        async with EmbeddedChain.open(tmp_path, KEY) as chain:
            kept = size_of(await chain.call(contract, HEAD))
        assert kept >= told
    assert kept >= 12


def _anchor_until_killed(path: Path, first: int, number: int) -> int:
    contract = contract_address(address_of(KEY))
    command = [sys.executable, "-c", ANCHORING, str(path), CODE.hex(), contract, str(first), ANCHOR.hex()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    told = [int(process.stdout.readline()) for _ in range(number)]
    process.kill()
    return max([*told, *map(int, process.communicate()[0].split(b"\n")[:-1])])


async def test_a_killed_or_abandoned_process_is_begun_anew(chain: EmbeddedChain) -> None:
    head = await chain.head()
    process = chain._process  # the one thing the interface rightly hides
    assert process is not None
    process.kill()
    with pytest.raises(Temporary, match="process failed"):
        await chain.head()
    assert await chain.head() == head
    with trio.move_on_after(0.001) as scope:
        await chain.send(None, CODE)
    assert scope.cancelled_caught
    assert (await chain.head()).number >= head.number


WHOLE_NODE = """
import sys, trio
from pathlib import Path
import node.cli.app, node.service.node
from node.net.chain.embedded import EmbeddedChain

async def main():
    async with EmbeddedChain.open(Path(sys.argv[1]), b"\\x11" * 32) as chain:
        await chain.head()

trio.run(main)
print(sys.getrecursionlimit(), *({"eth", "py_ecc", "eth_account"} & set(sys.modules)))
"""


def test_the_mail_process_stays_as_it_was(tmp_path: Path) -> None:
    """py-evm (and eth-account) raise their process's recursion limit to 100,000: nested input could then crash it."""
    done = subprocess.run(
        [sys.executable, "-c", WHOLE_NODE, str(tmp_path)], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.split() == ["1000"]


NODE = """
import sys, time, trio
from pathlib import Path
from node.net.chain.embedded import EmbeddedChain

async def main():
    async with EmbeddedChain.open(Path(sys.argv[1]), b"\\x11" * 32) as chain:
        await chain.head()
        print(chain._process.pid, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


def test_the_chains_process_does_not_outlive_a_killed_node(tmp_path: Path) -> None:
    node = subprocess.Popen([sys.executable, "-c", NODE, str(tmp_path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert node.stdout is not None
    worker = psutil.Process(int(node.stdout.readline()))
    node.kill()
    node.communicate()
    worker.wait(timeout=20)
