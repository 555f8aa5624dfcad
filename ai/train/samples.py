"""Chooses, reads and encodes the training set; every random choice hangs on one seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tokenizers import Tokenizer

from ai.classes import CLASSES
from ai.data import corpus, synthetic
from ai.hashing import hashes
from ai.marks import mark_numbers
from ai.tokens import join
from ai.view import View, model_text, text_view

_WEAK = {"phish": "phishing", "scam": "scam", "malware_lure": "malware"}


@dataclass(frozen=True, slots=True)
class Example:
    """One window: token ids, a target for each of CLASSES and how much each counts (0: not known)."""

    ids: list[int]
    targets: tuple[float, ...]
    weights: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Mix:
    """How much of what is trained on. Counts are messages."""

    corpus_ham: int = 12_000
    corpus_spam: int = 11_000
    synthetic: int = 58_000
    seed: int = 20261121


@dataclass(frozen=True, slots=True)
class Read:
    """A sample after reading: the view, its label and what else is known."""

    view: View
    sample: corpus.Sample


def read(samples: Iterable[corpus.Sample]) -> Iterator[Read]:
    """Views of samples; the raw bytes are let go."""
    for sample in samples:
        yield Read(text_view(sample.raw), replace(sample, raw=b""))


def chosen(folder: Path, mix: Mix, extra: Iterable[corpus.Sample] = ()) -> list[Read]:
    """The mixed, shuffled training mail. Sources in ``NEVER_TRAINED_ON`` are left out whatever the mix says."""
    chance = random.Random(mix.seed)  # noqa: S311
    sides: dict[bool, dict[str, list[Read]]] = {False: {}, True: {}}
    allowed = (sample for sample in corpus.read_split(folder, "train") if sample.source not in corpus.NEVER_TRAINED_ON)
    for item in read(allowed):
        sides[item.sample.is_spam].setdefault(item.sample.source, []).append(item)
    found = _spread(chance, sides[False], mix.corpus_ham) + _spread(chance, sides[True], mix.corpus_spam)
    found += read(synthetic.samples(mix.synthetic, seed=mix.seed))
    found += read(extra)
    chance.shuffle(found)
    return found


def examples(items: Sequence[Read], tokenizer: Tokenizer, seed: int, most: int) -> list[Example]:
    """One window of each message, sometimes with fields left out: none of them alone may decide.

    Half of them are of the public corpora, half our own, as far as both reach; at most ``most`` in all. More of either
    makes the model remember phrases instead of sense.
    """
    chance = random.Random(seed)  # noqa: S311
    ours = [item for item in items if item.sample.source == "synthetic"][: most // 2]
    others = [item for item in items if item.sample.source != "synthetic"][: most - len(ours)]
    made = []
    for item in (*ours, *others):
        text = model_text(item.view)
        marked = [number for number in mark_numbers(item.view) if chance.random() > 0.1]
        if chance.random() < 0.12:
            text = replace(text, sender="")
        if chance.random() < 0.15:
            text = replace(text, links="")
        if chance.random() < 0.12:
            text = replace(text, subject="")
        if chance.random() < 0.15:
            words = text.body.split(" ")
            text = replace(text, body=" ".join(words[chance.randrange(len(words)) // 2 :]))
        found = join(tokenizer, marked, text)
        tail = chance.random() < 0.4 if not item.sample.telling else item.sample.telling == "tail"
        made.append(Example(found[-1 if tail else 0], *targets(item.sample)))
    return made


def targets(sample: corpus.Sample) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """(target, weight) of each class. Where only the weak category is known, it counts little or not at all."""
    if sample.labels is not None:
        return tuple(float(name in sample.labels) for name in CLASSES), (1.0,) * len(CLASSES)
    weak = _WEAK.get(sample.category)
    known = {"spam": (float(sample.is_spam), 1.0)}
    for name in ("phishing", "scam", "malware"):
        known[name] = (float(name == weak), 0.5 if not sample.is_spam or name == weak else 0.0)
    pairs = [known.get(name, (0.0, 0.0)) for name in CLASSES]
    return tuple(target for target, _ in pairs), tuple(weight for _, weight in pairs)


def hashed(items: Iterable[Read]) -> tuple[list[tuple[int, ...]], list[float]]:
    """Hashed features and spam labels, for the linear model."""
    rows = [(hashes(item.view), float(item.sample.is_spam)) for item in items]
    return [row for row, _ in rows], [label for _, label in rows]


def _spread(chance: random.Random, sources: dict[str, list[Read]], count: int) -> list[Read]:
    """Draw from all sources, the small ones whole, so that no single archive is the class."""
    found: list[Read] = []
    left = count
    for position, name in enumerate(sorted(sources, key=lambda key: len(sources[key]))):
        share = left // (len(sources) - position)
        drawn = chance.sample(sources[name], min(share, len(sources[name])))
        found += drawn
        left -= len(drawn)
    return found
