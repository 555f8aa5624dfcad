"""The notebooks are executed, small, belong to nobody's machine, and still fit the code that they call."""

from __future__ import annotations

import ast
import base64
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = ("data_and_leaks", "training_and_evaluation", "explaining_a_verdict")
NEEDING_CORPUS = NAMES[:2]
ELSEWHERE = {"audit_verification"}  # executed by tests/node/anchor/test_notebook.py
MOST_BYTES = 400 << 10
PNG = b"\x89PNG\r\n\x1a\n"


def read(name: str) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text("utf-8"))
    return notebook


def code(name: str) -> Iterator[dict[str, Any]]:
    return (cell for cell in read(name)["cells"] if cell["cell_type"] == "code")


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def test_there_are_these_and_no_others() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == set(NAMES) | ELSEWHERE


@pytest.mark.parametrize("name", NAMES)
def test_it_was_executed_from_top_to_bottom(name: str) -> None:
    cells = list(code(name))
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [output for output in outputs if output["output_type"] == "error" or output.get("name") == "stderr"]
    pictures = [output["data"]["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) >= 3
    assert all(base64.b64decode(picture).startswith(PNG) for picture in pictures)


@pytest.mark.parametrize("name", NAMES)
def test_it_is_small_and_names_no_machine(name: str) -> None:
    path = NOTEBOOKS / f"{name}.ipynb"
    assert path.stat().st_size <= MOST_BYTES
    text = path.read_text("utf-8")
    assert not [place for place in ("/work/", "/root/", "/home/", "/tmp/", "/Users/", "C:\\\\") if place in text]


@pytest.mark.parametrize("name", NAMES)
def test_its_code_compiles_and_what_it_imports_is_there(name: str) -> None:
    for number, cell in enumerate(code(name), 1):
        tree = ast.parse(source(cell), f"{name}, code cell {number}")
        compile(tree, f"{name}, code cell {number}", "exec")
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "ai":
                module = importlib.import_module(node.module or "")
                missing = [alias.name for alias in node.names if not _has(module, alias.name)]
                assert not missing, f"{name}, code cell {number}: {node.module} has no {', '.join(missing)}"


def _has(module: Any, name: str) -> bool:
    """An attribute of a module, or a module in a package."""
    return hasattr(module, name) or importlib.util.find_spec(f"{module.__name__}.{name}") is not None


@pytest.mark.parametrize("name", NEEDING_CORPUS)
def test_without_a_corpus_it_says_what_to_set(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first code cell looks for the corpus; it is run here."""
    monkeypatch.setenv("WAXSEAL_CORPUS", str(tmp_path))
    first = source(next(code(name)))
    with pytest.raises(FileNotFoundError, match="Set WAXSEAL_CORPUS to the folder that holds"):
        exec(compile(first, name, "exec"), {"__name__": name})  # our own notebook's first cell
