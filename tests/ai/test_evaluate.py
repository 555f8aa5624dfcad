"""The figures themselves: checked against small cases that can be counted by hand."""

from __future__ import annotations

import io
import json
import math
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.classes import Classes
from ai.classifier import Classifier
from ai.evaluate import (
    Judged,
    Kept,
    _words_of_ham,
    area_under_curve,
    evaluate,
    evaluate_buried,
    evaluate_classes,
    kept_table,
    main,
    measure,
    read,
    recall_at,
    report,
    table,
    threshold_at,
)

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SCORES = st.lists(st.sampled_from([0.0, 0.1, 0.5, 0.5001, 0.9, 1.0]), min_size=1, max_size=30)


def judged(number: int, is_spam: bool, probability: float, split: str = "test") -> Judged:
    return Judged(f"m{number}", "s", split, "ham", is_spam, probability, 1.0)


@given(SCORES, SCORES)
def test_area_is_the_share_of_pairs_in_order(ham: list[float], spam: list[float]) -> None:
    pairs = [(s > h) + (s == h) / 2 for s in spam for h in ham]
    assert area_under_curve(np.sort(ham), np.sort(spam)) == pytest.approx(sum(pairs) / len(pairs))


@given(SCORES, st.floats(0, 1))
def test_threshold_lets_no_more_than_its_rate_above(ham: list[float], rate: float) -> None:
    ordered = np.sort(ham)
    assert (ordered > threshold_at(ordered, rate)).mean() <= rate + 1e-9


def test_recall_at_a_rate() -> None:
    ham, spam = np.arange(100) / 100, np.array([0.2, 0.985, 0.995])
    assert recall_at(ham, spam, 0.01) == pytest.approx(2 / 3)
    assert recall_at(ham, spam, 0.001) == pytest.approx(1 / 3)


def test_groups_and_disputed_labels() -> None:
    items = [judged(1, False, 0.9), judged(2, False, 0.1), judged(3, True, 0.95)]
    results = {result.group: result for result in evaluate(items, 0.5, frozenset({"m1"}))}
    assert results["test"].false_positives == 0.5
    assert results["test without disputed labels"].false_positives == 0
    assert results["test/s"].recall == 1


def test_a_class_that_is_missing_is_no_number() -> None:
    result = measure("x", [judged(1, True, 0.9)], 0.5)
    assert math.isnan(result.auc)
    assert math.isnan(result.false_positives)
    assert "|  |" in table([result])


def test_command_prints_a_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ai.evaluate.SYNTHETIC_COUNT", 20)
    assert main(["synthetic_val", "--corpus", str(Path("nowhere"))]) == 0
    assert "synthetic_val" in capsys.readouterr().out


@pytest.fixture
def corpus_folder(tmp_path: Path) -> Path:
    """A val split of two long ham and three spam."""
    packed, rows = io.BytesIO(), []
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for number in range(5):
            label = "ham" if number < 2 else "spam"
            text = "the weather was fine and we walked home " * 100 if number < 2 else "buy cheap pills now"
            raw = f"From: a{number}@b.example\nSubject: {label}\n\n{text}".encode()
            entry = tarfile.TarInfo(f"val/{number}.eml")
            entry.size = len(raw)
            archive.addfile(entry, io.BytesIO(raw))
            rows.append({"id": f"m{number}", "file": entry.name, "src": "list/a", "label": label, "cat": label})
    (tmp_path / "val.tar.zst").write_bytes(zstd.compress(packed.getvalue()))
    (tmp_path / "val.index.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return tmp_path


def test_recall_with_ham_around_is_counted_on_the_same_spam(corpus_folder: Path) -> None:
    classifier = Classifier.load()
    words = _words_of_ham(corpus_folder)
    before, after = evaluate_buried(classifier, corpus_folder, "val", words)
    assert (before.place, after.place) == ("before", "after")
    assert before.spam == after.spam == 3
    assert before.alone == after.alone
    alone = sum(classifier.score(sample.raw).label == "spam" for sample in read(corpus_folder, "val") if sample.is_spam)
    assert before.alone == alone


def test_share_of_recall_that_is_kept() -> None:
    assert Kept("val", "before", 100, 80, 60).share == 0.75
    assert math.isnan(Kept("val", "before", 100, 0, 0).share)
    assert "| val | before | 100 | 80 | 60 | 75.0 |" in kept_table([Kept("val", "before", 100, 80, 60)])


def test_classes_are_measured_where_they_are_known() -> None:
    known = [
        replace(judged(1, True, 0.9), labels=frozenset({"spam", "phishing"}), classes=Classes(0.9, 0.8)),
        replace(judged(2, True, 0.9), labels=frozenset({"spam"}), classes=Classes(0.9, 0.1)),
        replace(judged(3, False, 0.1), labels=frozenset(), classes=Classes(0.1, 0.6)),
        judged(4, False, 0.9),
    ]
    results = {result.group: result for result in evaluate_classes(known)}
    assert (results["class phishing"].spam, results["class phishing"].ham) == (1, 2)
    assert results["class phishing"].false_positives == 0.5
    assert results["class phishing"].recall == 1
    assert evaluate_classes(known[3:]) == []


def test_report_has_every_part(corpus_folder: Path) -> None:
    text = "\n".join(report(Classifier.load(), corpus_folder, ["val"]))
    for part in ("| val/list | 2 | 3 |", "| val | before | 3 |", "(p99)"):
        assert part in text
