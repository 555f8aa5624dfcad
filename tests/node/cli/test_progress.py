"""Progress: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from node.cli.progress import LINES, progress

PROGRAM = """
from node.cli.progress import progress
with progress("Trees", 40) as moved:
    for done in range(41):
        moved(done)
"""


def test_a_bar_on_a_terminal() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stderr=theirs, stdout=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while piece := os.read(ours, 65536):
            shown += piece
    except OSError:  # how a pseudo-terminal ends
        pass
    os.close(ours)
    assert process.wait() == 0
    assert "━" in shown.decode()
    assert b"40/40" in shown


def test_a_few_lines_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Trees", 1000) as moved:
        for done in range(1001):
            moved(done)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == LINES
    assert lines[-1] == "Trees: 1000 of 1000"


def test_nothing_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("Trees", 0) as moved:
        moved(0)
    assert capsys.readouterr().err == "Trees: 0 of 0\n"
