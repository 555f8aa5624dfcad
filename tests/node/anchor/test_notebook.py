"""The notebook that checks a message by hand: run here from top to bottom, and small and nobody's as it lies there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
NOTEBOOK = ROOT / "notebooks" / "audit_verification.ipynb"
SECONDS = 120


def cells() -> list[dict[str, Any]]:
    read: dict[str, Any] = json.loads(NOTEBOOK.read_text("utf-8"))
    return [cell for cell in read["cells"] if cell["cell_type"] == "code"]


def test_every_cell_runs_and_every_assertion_in_them_holds(tmp_path: Path) -> None:
    script = "\n\n".join("".join(cell["source"]) for cell in cells()) + '\nprint("read to the end")\n'
    assert script.count("assert ") >= 12
    command = [sys.executable, "-W", "error", "-c", script]
    environment = {"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("read to the end\n")
    assert "honest: 9 hashes; continues the anchored log: True" in done.stdout
    assert "forged: 9 hashes; continues the anchored log: False" in done.stdout


def test_it_lies_there_executed_and_names_no_machine() -> None:
    numbers = [cell["execution_count"] for cell in cells()]
    assert numbers == list(range(1, len(numbers) + 1))
    outputs = [output for cell in cells() for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    text = NOTEBOOK.read_text("utf-8")
    assert len(text) < 100_000
    assert not [place for place in ("/work/", "/root/", "/home/", "/tmp/", "/Users/") if place in text]
