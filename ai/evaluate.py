"""How good a model is, source by source, said without flattery.

``python -m ai.evaluate --corpus DIR [SPLIT ...]`` prints a table; ``evaluate`` gives the same as values.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ai.bury import WORDS, bury, ham_words
from ai.classes import CLASSES, Classes
from ai.classifier import Classifier
from ai.data import corpus, synthetic

SPLITS = ("val", "test", "modern_dev", "synthetic_val")
SYNTHETIC_SEED = 4242  # of the held-out sample; its scenarios are never trained on
SYNTHETIC_COUNT = 3000
BURIED, BURIED_SEED = 600, 11  # spam of a split that is hidden in ham text


NO_CLASSES = Classes()


@dataclass(frozen=True, slots=True)
class Judged:
    """A scored message of a corpus."""

    id: str
    source: str
    split: str
    category: str
    is_spam: bool
    probability: float
    milliseconds: float
    classes: Classes = NO_CLASSES
    labels: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """Figures of one group of messages; rates are fractions, NaN where a class is missing.

    ``recall_0_1`` and ``recall_0_5`` are recall at 0.1 and 0.5 % false positives *of this group*, as an oracle would
    set the threshold; ``false_positives`` and ``recall`` are at the shipped threshold.
    """

    group: str
    ham: int
    spam: int
    auc: float
    recall_0_1: float
    recall_0_5: float
    false_positives: float
    recall: float


@dataclass(frozen=True, slots=True)
class Kept:
    """Recall at the shipped threshold with WORDS words of ham ``place`` (before, after) the text: of ``spam`` messages
    ``alone`` were caught as they are, ``caught`` with the ham."""

    split: str
    place: str
    spam: int
    alone: int
    caught: int

    @property
    def share(self) -> float:
        """Share of the recall that is kept; NaN where nothing was caught."""
        return self.caught / self.alone if self.alone else float("nan")


def judge(classifier: Classifier, samples: Iterable[corpus.Sample]) -> list[Judged]:
    """Score every sample."""
    judged = []
    for sample in samples:
        score = classifier.score(sample.raw)
        judged.append(
            Judged(
                sample.id,
                sample.source,
                sample.split,
                sample.category,
                sample.is_spam,
                score.probability,
                score.milliseconds,
                score.classes,
                sample.labels,
            )
        )
    return judged


def read(folder: Path, split: str) -> Iterable[corpus.Sample]:
    """The messages of a split of the corpus, or of our own held-out generator (``synthetic_val``)."""
    if split == "synthetic_val":
        return synthetic.samples(SYNTHETIC_COUNT, seed=SYNTHETIC_SEED, held_out=True)
    return corpus.read_split(folder, split)


def evaluate(judged: Sequence[Judged], threshold: float, disputed: frozenset[str] = frozenset()) -> list[Result]:
    """Figures per split, per source and per category; splits also without the disputed labels."""
    groups: dict[str, list[Judged]] = {}
    for item in judged:
        groups.setdefault(item.split, []).append(item)
        if item.split != "modern_dev":
            groups.setdefault(f"{item.split}/{item.source}", []).append(item)
        if item.is_spam:
            groups.setdefault(f"{item.split}: {item.category}", []).append(item)
        if disputed and item.split == "test" and item.id not in disputed:
            groups.setdefault("test without disputed labels", []).append(item)
    return [measure(name, items, threshold) for name, items in sorted(groups.items())]


def measure(group: str, items: Sequence[Judged], threshold: float) -> Result:
    """The figures of one group."""
    ham = np.sort([item.probability for item in items if not item.is_spam])
    spam = np.sort([item.probability for item in items if item.is_spam])
    return Result(
        group=group,
        ham=len(ham),
        spam=len(spam),
        auc=area_under_curve(ham, spam),
        recall_0_1=recall_at(ham, spam, 0.001),
        recall_0_5=recall_at(ham, spam, 0.005),
        false_positives=float((ham >= threshold).mean()) if len(ham) else float("nan"),
        recall=float((spam >= threshold).mean()) if len(spam) else float("nan"),
    )


def evaluate_classes(judged: Sequence[Judged]) -> list[Result]:
    """Each class against all other mail, over the messages whose classes are all known (our own); threshold 0.5."""
    known = [item for item in judged if item.labels is not None]
    results = []
    for name in CLASSES:
        items = [
            replace(item, is_spam=name in (item.labels or ()), probability=getattr(item.classes, name))
            for item in known
        ]
        results.append(measure(f"class {name}", items, 0.5))
    return results if known else []


def class_areas(judged: Sequence[Judged]) -> dict[str, float]:
    """Area under the ROC curve of each class, over the messages whose classes are all known (our own)."""
    return {result.group.removeprefix("class "): result.auc for result in evaluate_classes(judged)}


def evaluate_buried(classifier: Classifier, corpus_folder: Path, split: str, words: Sequence[str]) -> list[Kept]:
    """How much of a split's recall is kept with ham text before and after; at most BURIED spam of it."""
    spam = [sample for sample in read(corpus_folder, split) if sample.is_spam]
    random.Random(BURIED_SEED).shuffle(spam)  # noqa: S311 - repeatable, not secret
    counts = {"alone": 0, "before": 0, "after": 0}
    looked = 0
    for number, sample in enumerate(spam[:BURIED]):
        hidden = {place: bury(sample.raw, words, number, after=place == "after") for place in ("before", "after")}
        if None in hidden.values():
            continue
        looked += 1
        for place, raw in {"alone": sample.raw, **hidden}.items():
            assert raw is not None
            counts[place] += classifier.score(raw).probability >= classifier.manifest.junk
    return [Kept(split, place, looked, counts["alone"], counts[place]) for place in ("before", "after")]


def area_under_curve(ham: NDArray[np.float64], spam: NDArray[np.float64]) -> float:
    """Area under the ROC curve: how often a spam scores above a ham; ties count half. Both sorted ascending."""
    if not len(ham) or not len(spam):
        return float("nan")
    below = np.searchsorted(ham, spam, side="left")
    up_to = np.searchsorted(ham, spam, side="right")
    return float((below + up_to).mean() / 2 / len(ham))


def threshold_at(ham: NDArray[np.float64], rate: float) -> float:
    """The score that at most ``rate`` of the ham exceeds. ``ham`` sorted ascending."""
    return float(ham[len(ham) - 1 - min(int(rate * len(ham)), len(ham) - 1)])


def recall_at(ham: NDArray[np.float64], spam: NDArray[np.float64], rate: float) -> float:
    """Share of spam above ``threshold_at(ham, rate)``."""
    if not len(ham) or not len(spam):
        return float("nan")
    return float((spam > threshold_at(ham, rate)).mean())


def table(results: Sequence[Result], others: str = "ham", wanted: str = "spam") -> str:
    """The results as a Markdown table, in per cent."""

    def percent(value: float) -> str:
        return "" if np.isnan(value) else f"{value * 100:.1f}"

    lines = [
        f"| group | {others} | {wanted} | AUC | recall @ 0.1 % FPR | @ 0.5 % FPR | FPR shipped | recall shipped |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for result in results:
        auc = "" if np.isnan(result.auc) else f"{result.auc:.4f}"
        rates = (result.recall_0_1, result.recall_0_5, result.false_positives, result.recall)
        lines.append(f"| {result.group} | {result.ham} | {result.spam} | {auc} | {' | '.join(map(percent, rates))} |")
    return "\n".join(lines)


def report(classifier: Classifier, corpus_folder: Path, splits: Sequence[str]) -> Iterator[str]:
    """Everything, as Markdown, piece by piece as it is measured. Raises FileNotFoundError without the corpus."""
    began = time.perf_counter()
    judged = [item for split in splits for item in judge(classifier, read(corpus_folder, split))]
    took = np.array([item.milliseconds for item in judged])
    yield f"{classifier.manifest.name}, threshold {classifier.manifest.junk}\n"
    yield table(evaluate(judged, classifier.manifest.junk, corpus.suspects(corpus_folder))) + "\n"
    if classes := evaluate_classes(judged):
        yield "Each class on our own held-out mail, at probability 0.5:\n"
        yield table(classes, "others", "of the class") + "\n"
    if words := _words_of_ham(corpus_folder):
        yield f"With {WORDS} words of val's ham in the same text (at most {BURIED} spam of a split):\n"
        kept = [row for split in splits for row in evaluate_buried(classifier, corpus_folder, split, words)]
        yield kept_table(kept) + "\n"
    yield (
        f"{len(judged)} messages in {time.perf_counter() - began:.0f} s; "
        f"a message {np.percentile(took, 50):.1f} ms (median), {np.percentile(took, 99):.1f} ms (p99)"
    )


def kept_table(rows: Sequence[Kept]) -> str:
    """As Markdown, in per cent."""
    lines = ["| split | ham text | spam | caught alone | caught | recall kept |", "|---|---|---|---|---|---|"]
    for row in rows:
        share = "" if np.isnan(row.share) else f"{row.share * 100:.1f}"
        lines.append(f"| {row.split} | {row.place} | {row.spam} | {row.alone} | {row.caught} | {share} |")
    return "\n".join(lines)


def _words_of_ham(folder: Path) -> list[str]:
    """Words of val's ham; none where there is no corpus."""
    if not (folder / "val.index.jsonl").exists():
        return []
    return ham_words(sample.raw for sample in corpus.read_split(folder, "val") if not sample.is_spam)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the report for the given splits."""
    parser = argparse.ArgumentParser(prog="python -m ai.evaluate", description=__doc__)
    parser.add_argument("splits", nargs="*", default=SPLITS, help=f"default: {' '.join(SPLITS)}")
    parser.add_argument("--corpus", type=Path, default=Path("../shared/corpus"))
    parser.add_argument("--model", type=Path, default=None)
    options = parser.parse_args(arguments)
    for text in report(Classifier.load(options.model), options.corpus, options.splits):
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
