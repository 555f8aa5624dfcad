"""Chooses, reads and encodes the training set; every random choice hangs on one seed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from ai.classes import CLASSES
from ai.data import corpus, synthetic
from ai.hashing import hashes
from ai.marks import mark_numbers
from ai.tokens import join
from ai.view import View, model_text, text_view

COVERED = 0.22  # of messages
_COVER, _OWN = 500, 1500  # characters: of a cover at least, of a covered text at most
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
    makes the model remember phrases instead of sense. Some have innocent text around their own, as spam in hiding has.
    """
    chance = random.Random(seed)  # noqa: S311
    pool = list(items)
    chance.shuffle(pool)
    ours = [item for item in pool if item.sample.source == "synthetic"][: most // 2]
    others = [item for item in pool if item.sample.source != "synthetic"][: most - len(ours)]
    covers = [item.view.text for item in pool[: 4 * most] if not item.sample.is_spam and len(item.view.text) > _COVER]
    made = []
    for item in (*ours, *others):
        view, telling = _covered(chance, item, covers)
        text = model_text(view)
        marked = [number for number in mark_numbers(view) if chance.random() > 0.1]
        if chance.random() < 0.12:
            text = replace(text, sender="")
        if chance.random() < 0.15:
            text = replace(text, links="")
        if chance.random() < 0.12:
            text = replace(text, subject="")
        found = join(tokenizer, marked, text, passage=_passage(chance, text.body, telling))
        made.append(Example(found[_window(chance, telling, len(found))], *targets(item.sample)))
    return made


def _covered(chance: random.Random, item: Read, covers: Sequence[str]) -> tuple[View, str]:
    """A view, some with innocent words before, behind or around its own, and what tells: "head", "tail", or "" for any
    window; of a text with words around it, its own beginning."""
    view = item.view
    if item.sample.telling or not covers or chance.random() > COVERED:
        return view, item.sample.telling
    around = [_cut(chance, chance.choice(covers)) for _ in range(2)]
    mine = view.text[:_OWN]
    roll = chance.random()
    if roll < 0.35:
        return replace(view, text=f"{around[0]} {mine}"), "tail"
    if roll < 0.7:
        return replace(view, text=f"{mine} {around[0]}"), "head"
    return replace(view, text=f"{around[0]} {mine} {around[1]}"), model_text(replace(view, text=mine)).body


def _cut(chance: random.Random, text: str) -> str:
    words = text.split(" ")
    count = chance.choice((40, 100, 250, 600))
    start = chance.randrange(max(1, len(words) - count))
    return " ".join(words[start : start + count])


def _passage(chance: random.Random, body: str, telling: str) -> str:
    """What the third window shows: the text between two covers, or any part of a long one."""
    if telling not in {"", "head", "tail"}:
        at = body.find(telling[:40])
        return body[at : at + _COVER] if at > 0 else ""
    return body[chance.randrange(len(body) // 2) :][:_COVER] if len(body) > 3 * _COVER else ""


def _window(chance: random.Random, telling: str, count: int) -> int:
    """Which window is learned from, of ``count``: head, tail, passage."""
    if telling in {"head", "tail"} or count == 1:
        return min(1, count - 1) if telling == "tail" else 0
    if telling:
        return count - 1
    roll = chance.random()
    return 0 if roll < 0.6 else 1 if roll < 0.85 else count - 1


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


def hashed(items: Iterable[Read]) -> tuple[list[tuple[int, ...]], NDArray[np.float32], NDArray[np.float32]]:
    """Hashed features, and of each class target and weight [n, classes], for the linear model."""
    rows = [(hashes(item.view), *targets(item.sample)) for item in items]
    wanted, counts = (np.array([row[at] for row in rows], dtype=np.float32) for at in (1, 2))
    return [row[0] for row in rows], wanted, counts


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
