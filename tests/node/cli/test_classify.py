"""classify: JSON, a table or an explanation, whatever the files hold; evaluate and train as commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ai.locate import find_model
from node.cli.in_order import in_order

Call = Callable[..., Any]
CASES = sorted((Path(__file__).resolve().parents[2] / "ai" / "cases").glob("*.eml"))
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
    assert set(rows[0]["classes"]) == {"spam", "phishing", "scam", "malware", "bulk"}


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


# --- as a table for other programs


@needs_model
def test_paths_on_standard_input_keep_their_order(waxseal: Call, tmp_path: Path) -> None:
    """Also a path whose octets are no text; blank lines are nothing; an error goes to standard error, at the end 1."""
    odd = os.fsencode(tmp_path) + b"/\xff odd.eml"
    Path(os.fsdecode(odd)).write_bytes(CASES[0].read_bytes())
    paths = [os.fsencode(path) for path in CASES] + [b"", b"/nowhere/x.eml", odd]
    done = subprocess.run(
        [sys.executable, "-m", "node", "classify", "--stdin-paths", "--tsv"],
        input=b"\n".join(paths) + b"\n",
        capture_output=True,
        timeout=120,
        check=False,
    )
    rows = [line.rpartition(b"\t") for line in done.stdout.splitlines()]
    assert [path for path, _, _ in rows] == [path for path in paths if path and b"nowhere" not in path]
    assert all(0 <= float(score) <= 1 for _, _, score in rows)
    assert rows[0][2] == rows[-1][2], "the same message, the same score"
    assert done.stderr == b"/nowhere/x.eml\terror: No such file or directory\n"
    assert done.returncode == 1


@needs_model
def test_a_table_streams(note: Path) -> None:
    """A judge that gives one path and waits for the answer gets it."""
    with subprocess.Popen(
        [sys.executable, "-m", "node", "classify", "--stdin-paths", "--tsv"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        for _ in range(2):
            process.stdin.write(b"%s\n" % os.fsencode(note))
            process.stdin.flush()
            assert process.stdout.readline().startswith(os.fsencode(note) + b"\t0.")
        process.stdin.close()
        assert process.wait(30) == 0


@pytest.mark.parametrize("options", [("--tsv", "--explain"), ("--tsv", "--json"), ("--stdin-paths", "x.eml")])
def test_options_that_do_not_go_together(waxseal: Call, note: Path, options: tuple[str, ...]) -> None:
    said = waxseal("classify", *options, *([note] if "x.eml" not in options else []))
    assert said.code == 2
    assert said.words.startswith("Usage")


def test_results_come_in_order_though_work_ends_in_disorder() -> None:
    """The second thing ends before the first: it waits for it. A bounded number is under way."""
    first, most, lock, running = threading.Event(), 0, threading.Lock(), 0

    def work(number: int) -> int:
        nonlocal most, running
        with lock:
            running += 1
            most = max(most, running)
        if number == 0:
            assert first.wait(30)
        if number == 1:
            first.set()
        with lock:
            running -= 1
        return number

    assert list(in_order(work, range(50), 2)) == list(range(50))
    assert most == 2


# --- explained


@needs_model
def test_an_explanation_is_for_people(waxseal: Call) -> None:
    case = next(path for path in CASES if path.name.startswith("spam-01"))
    said = waxseal("classify", "--explain", case)
    assert said.code == 0
    assert said.out.startswith(f"{case}: spam, ")
    assert "link leads elsewhere than it says" in said.out
    assert "sentence: " in said.out


@needs_model
def test_an_explanation_in_json(waxseal: Call) -> None:
    case = next(path for path in CASES if path.name.startswith("spam-01"))
    row = json.loads(waxseal("classify", "--explain", "--json", case).out)
    assert row["sentences"]
    kinds = {piece["kind"] for piece in row["contributions"]}
    assert {"sentence", "feature"} <= kinds <= {"sentence", "feature", "subject", "sender", "links", "files"}


@needs_model
def test_a_strangers_text_does_not_steer_the_terminal(waxseal: Call, tmp_path: Path) -> None:
    file = tmp_path / "x.eml"
    file.write_bytes(
        b"Subject: \x1b]0;title\x07 now\n\n\x1b[2JVerify your password \x9b31m now. Send your card number.\n"
    )
    said = waxseal("classify", "--explain", file)
    assert not [character for character in said.out if not character.isprintable() and character != "\n"]


# --- evaluate and train


@needs_model
def test_evaluate_prints_every_table(waxseal: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ai.evaluate.SYNTHETIC_COUNT", 20)
    said = waxseal("evaluate", "synthetic_val", "--corpus", tmp_path)
    assert (said.code, said.err) == (0, "")
    assert "| synthetic_val | 10 | 10 |" in said.out
    assert "| class phishing |" in said.out


def test_evaluate_names_the_splits_and_what_is_missing(waxseal: Call, tmp_path: Path) -> None:
    assert "there are val, test, modern_dev, synthetic_val" in waxseal("evaluate", "nonsense").words
    said = waxseal("evaluate", "val", "--corpus", tmp_path)
    assert said.code == 1
    assert "--corpus" in said.err
    assert said.err.count("\n") == 1


def test_train_says_what_is_missing(waxseal: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else found(name))
    said = waxseal("train").err
    assert said.startswith("waxseal: training needs torch"), said
    assert said.endswith(": pip install 'waxseal[train]'\n"), said


@pytest.mark.skipif(
    any(__import__("importlib.util").util.find_spec(name) is None for name in ("torch", "transformers", "onnxscript")),
    reason="needs the train extra (torch)",
)
def test_train_wants_a_corpus_and_both_kinds_of_mail(waxseal: Call, tmp_path: Path) -> None:
    assert f"there is no corpus in {tmp_path}" in waxseal("train", "--corpus", tmp_path).err
    (tmp_path / "train.index.jsonl").write_text("")
    (tmp_path / "ham").mkdir()
    said = waxseal("train", "--corpus", tmp_path, "--extra", tmp_path)
    assert (said.code, said.out) == (1, "")
    assert f"there is no folder {tmp_path / 'spam'}" in said.err


def test_training_stays_out_of_this_process() -> None:
    program = "import sys, node.cli.train, node.cli.evaluate, node.cli.classify; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
