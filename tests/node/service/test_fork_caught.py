"""A real node forks its history: its database is put back to an old copy, and it signs another continuation.

A witness refuses to cosign it; `waxseal monitor`, in processes of its own, convicts it: the one that had seen the true
history, and another that knows only the false one, by gossip with the witness.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio

from node.anchor import checkpoint, fork
from node.anchor.cosignature import cosignatures
from node.base.config import Settings
from tests.node.service.site import Plan, Site

pytestmark = pytest.mark.anyio

OpenNode = Callable[[Settings], AbstractAsyncContextManager[Any]]


class Watcher:
    """`waxseal monitor --once` with a folder of its own."""

    def __init__(self, state: Path, log: Site, *options: str) -> None:
        self.state = state
        self._log = f"{log.url}#{log.log_key}"
        self._options = options

    async def run(self, *options: str) -> tuple[int, str]:
        """Exit code and what it said."""
        command = [sys.executable, "-m", "node", "monitor", self._log, "--state", str(self.state), "--once"]
        done = await trio.run_process(
            [*command, *self._options, *options], capture_stdout=True, stderr=subprocess.STDOUT, check=False
        )
        return done.returncode, done.stdout.decode()

    def evidence(self) -> list[Path]:
        return sorted(self.state.glob("*/fork-*.json"))


async def test_a_node_that_forks_its_history_is_caught(
    open_node: OpenNode, plan: Plan, tmp_path: Path, note: bytes
) -> None:
    liar, other = Site(tmp_path, "mx"), Site(tmp_path, "witness")
    ask = [{"url": other.url, "key": str(other.witness_key)}]
    settings = liar.settings(plan, ask=ask, quorum=1, wait_seconds=2)
    first, late = Watcher(tmp_path / "first", liar, "--rebuild"), Watcher(tmp_path / "late", liar)
    backup = tmp_path / "backup"

    def cosigned(text: str) -> bool:
        return bool(cosignatures(text, [other.witness_key]))

    def size(text: str) -> int:
        return checkpoint.verify(text, liar.log_key).size

    async with open_node(other.settings(plan, logs=[str(liar.log_key)])):
        async with open_node(settings) as house:
            await house.deliver(note)
            early = size(await liar.published(cosigned))
        shutil.copytree(liar.data, backup)
        async with open_node(settings) as house:
            for number in range(2):
                await house.deliver(note + b"What was true, number %d\r\n" % number)
            true = await liar.published(lambda text: cosigned(text) and size(text) >= early + 2)
            code, said = await first.run("--peer", other.url, "--witness", str(other.witness_key), "--quorum", "1")
            assert (code, first.evidence()) == (0, []), said
            assert "one history" in said

        shutil.rmtree(liar.data)
        shutil.copytree(backup, liar.data)
        async with open_node(settings) as house:
            for number in range(4):
                await house.deliver(note + b"What is said now, number %d\r\n" % number)
            false = await liar.published(lambda text: size(text) > size(true))
            assert not cosigned(false), "the witness has seen another history"

            code, said = await first.run()
            assert code == 1, said
            assert "ALARM, fork" in said
            (evidence,) = first.evidence()
            seen, later = fork.parse(evidence.read_text()).check([liar.log_key])
            assert (seen.size, later.size) == (size(true), size(false))

            code, said = await late.run()
            assert code == 0, "who has seen the false history alone cannot know"
            code, said = await late.run("--peer", other.url)
            assert code == 1, said
            assert late.evidence()

    code, said = await first.run("--check-evidence", str(evidence))  # with the node gone: the file is enough
    assert code == 1
    assert "has signed two histories" in said
    code, said = await first.run()
    assert code == 1, "it goes on alarming"
    assert "ALARM, fork" in said
