"""classify: one JSON object a line, whatever the files hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ai.locate import find_model

Call = Callable[..., Any]
needs_model = pytest.mark.skipif(find_model() is None, reason="the model is not in this checkout; make model")


@needs_model
def test_one_line_of_json_a_message(waxseal: Call, note: Path) -> None:
    said = waxseal("classify", note, "-", note, stdin=note.read_bytes())
    assert (said.code, said.err) == (0, "")
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert [row["file"] for row in rows] == [str(note), "-", str(note)]
    assert {row["label"] for row in rows} == {"ham"}
    assert len({row["score"] for row in rows}) == 1, "the same message has the same score, wherever it comes from"
    assert all(0 <= row["score"] <= 1 and row["ms"] > 0 and isinstance(row["reasons"], list) for row in rows)


@needs_model
def test_a_missing_file_spoils_only_its_own_line(waxseal: Call, note: Path, tmp_path: Path) -> None:
    said = waxseal("classify", tmp_path / "none.eml", note, tmp_path)
    rows = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 1
    assert rows[0] == {"file": str(tmp_path / "none.eml"), "error": "No such file or directory"}
    assert rows[1]["label"] == "ham"
    assert rows[2] == {"file": str(tmp_path), "error": "Is a directory"}


@needs_model
@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x" * 50]
)
def test_any_octets_get_a_score(waxseal: Call, content: bytes) -> None:
    said = waxseal("classify", "-", stdin=content)
    assert said.code == 0
    assert 0 <= json.loads(said.out)["score"] <= 1


def test_no_file_at_all(waxseal: Call) -> None:
    said = waxseal("classify")
    assert said.code == 2
    assert "Missing argument" in said.words


def test_a_folder_without_a_model(waxseal: Call, note: Path, tmp_path: Path) -> None:
    said = waxseal("classify", "--model", tmp_path, note)
    assert (said.code, said.out) == (1, "")
    assert said.err == f"waxseal: there is no model in {tmp_path}; name its folder with --model\n"


def test_a_damaged_model(waxseal: Call, note: Path, tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    said = waxseal("classify", "--model", tmp_path, note)
    assert (said.code, said.out) == (1, "")
    assert str(tmp_path) in said.err
    assert said.err.count("\n") == 1
