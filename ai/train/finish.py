"""The last step of training: blend, calibrate, choose thresholds, write the manifest. All of it on validation mail."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ai.classes import CLASSES
from ai.classifier import LINEAR, MODEL, TOKENIZER, Classifier, Margins
from ai.data import synthetic
from ai.data.corpus import NEVER_TRAINED_ON, Sample, read_split
from ai.evaluate import threshold_at
from ai.hashing import hashes
from ai.manifest import NEUTRAL, Manifest, digest, write_manifest
from ai.tokens import WINDOW
from ai.train.blend import balanced, logistic
from ai.train.samples import targets
from ai.view import text_view

NAME = "waxseal-mail-mini-3"
JUNK_RATE, REFUSE_RATE = 0.005, 0.0005  # of validation ham that may be above the two thresholds
RELEASE_LOSS = 0.0005  # of validation spam that the cheap stage may release
LINEAR_SHARE = 0.3  # of the transformer's spread
SEED, COUNT = 777, 4000  # of our own held-out scenarios; not the ones that `ai.evaluate` draws
log = logging.getLogger("ai.train")


@dataclass(frozen=True, slots=True)
class Linear:
    """How to read the 8-bit linear weights."""

    scale: tuple[float, ...]
    bias: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Row:
    sample: Sample
    margins: Margins


def finish(folder: Path, corpus: Path, linear: Linear) -> Manifest:
    """Measure raw margins on ``val`` and our own held-out scenarios, fit everything to them, write ``model.json``."""
    manifest = Manifest(
        name=NAME,
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        labels=CLASSES,
        window=WINDOW,
        linear_scale=linear.scale,
        linear_bias=linear.bias,
        blend=(1.0, 0.0, 0.0),
        calibration=dict.fromkeys(CLASSES[1:], NEUTRAL),
        release=-1e9,
        junk=0.5,
        refuse=0.5,
        sha256={name: digest(folder / name) for name in (MODEL, TOKENIZER, LINEAR)},
    )
    write_manifest(folder, manifest)
    rows = _measured(Classifier.load(folder), corpus)
    manifest = _fitted(manifest, rows)
    write_manifest(folder, manifest)
    log.info(
        "blend %s, release below %.2f, junk %.4f, refuse %.4f",
        manifest.blend,
        manifest.release,
        manifest.junk,
        manifest.refuse,
    )
    return manifest


def validation(corpus: Path) -> Iterator[Sample]:
    """Mail that thresholds are chosen on: the old corpora's ``val`` and held-out scenarios of our own."""
    yield from (sample for sample in read_split(corpus, "val") if sample.source not in NEVER_TRAINED_ON)
    yield from synthetic.samples(COUNT, seed=SEED, held_out=True)


def _measured(classifier: Classifier, corpus: Path) -> list[_Row]:
    rows = []
    for sample in validation(corpus):
        view = text_view(sample.raw)
        rows.append(_Row(replace(sample, raw=b""), classifier.margins(view, hashes(view), always=True)))
    return rows


def _fitted(manifest: Manifest, rows: list[_Row]) -> Manifest:
    raw = np.array([row.margins.transformer for row in rows], dtype=np.float64)
    words = np.array([row.margins.classes for row in rows], dtype=np.float64)
    cheap = np.array([row.margins.linear for row in rows])
    spam = np.array([float(row.sample.is_spam) for row in rows])
    ours = np.array([row.sample.source == "synthetic" for row in rows])
    weights = balanced([(("ours" if own else "old"), bool(is_spam)) for own, is_spam in zip(ours, spam, strict=True)])
    blend = _blended(raw[:, 0], cheap, spam, weights)
    margins = blend[0] * raw[:, 0] + blend[1] * cheap + blend[2]
    scores = 1 / (1 + np.exp(-margins))
    junk = max(_threshold(scores, spam, group, JUNK_RATE) for group in (ours, ~ours))
    refuse = max(_threshold(scores, spam, group, REFUSE_RATE) for group in (ours, ~ours))
    return replace(
        manifest,
        blend=tuple(blend),
        calibration=_calibration(raw, words, rows),
        release=_release(cheap, spam),
        junk=round(min(0.999, max(0.5, junk + 1e-4)), 4),
        refuse=round(min(0.9999, max(0.5, junk, refuse) + 1e-4), 4),
    )


def _blended(
    raw: NDArray[np.float64], cheap: NDArray[np.float64], spam: NDArray[np.float64], weights: NDArray[np.float64]
) -> list[float]:
    """Log-odds of spam from both models. The linear one knows words, not sense: on mail of another kind than it has
    seen it misleads, so it never counts more than LINEAR_SHARE of the transformer."""
    blend = logistic(np.column_stack([raw, cheap]), spam, weights)
    most = LINEAR_SHARE * float(raw.std() / cheap.std())
    if 0 <= blend[1] <= most * blend[0]:
        return blend
    share = most if blend[1] > 0 else 0.0
    slope, bias = logistic((raw + share * cheap)[:, None], spam, weights)
    return [slope, round(slope * share, 5), bias]


def _threshold(scores: NDArray[np.float64], spam: NDArray[np.float64], group: NDArray[np.bool_], rate: float) -> float:
    return threshold_at(np.sort(scores[group & (spam == 0)]), rate)


def _release(cheap: NDArray[np.float64], spam: NDArray[np.float64]) -> float:
    """The linear margin that only RELEASE_LOSS of all spam stays below, less a margin of safety."""
    ordered = np.sort(cheap[spam == 1])
    return round(float(ordered[int(RELEASE_LOSS * len(ordered))]) - 1.0, 3)


def _calibration(
    raw: NDArray[np.float64], words: NDArray[np.float64], rows: list[_Row]
) -> dict[str, tuple[float, ...]]:
    """How each class but spam is put together (`Manifest.calibration`), on the mail whose classes are known."""
    known = [targets(row.sample) for row in rows]
    found = {}
    for at, name in enumerate(CLASSES[1:], 1):
        wanted, counts = np.array([target[at] for target, _ in known]), np.array([weight[at] for _, weight in known])
        features = np.column_stack([raw[:, at], words[:, at - 1], raw[:, 0]])
        found[name] = tuple(logistic(features[counts > 0], wanted[counts > 0], counts[counts > 0]))
    return found
