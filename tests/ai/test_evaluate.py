"""The figures themselves: checked against small cases that can be counted by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.evaluate import Judged, area_under_curve, evaluate, main, measure, recall_at, table, threshold_at

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
