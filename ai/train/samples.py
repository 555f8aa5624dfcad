"""Chooses, reads and encodes the training set; every random choice hangs on one seed."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from ai.data import corpus, synthetic
from ai.tokens import encode
from ai.view import model_text, text_view


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids of one window and its label (1 is spam)."""

    ids: list[int]
    label: int


@dataclass(frozen=True, slots=True)
class Mix:
    """How much of what is trained on. Counts are messages."""

    corpus_ham: int = 4500
    corpus_spam: int = 4500
    synthetic: int = 10_000
    seed: int = 20261120


def training_set(folder: Path, tokenizer: Tokenizer, mix: Mix, extra: Iterable[corpus.Sample] = ()) -> list[Example]:
    """The mixed, shuffled training set. Sources in ``NEVER_TRAINED_ON`` are left out whatever the mix says."""
    chance = random.Random(mix.seed)  # noqa: S311
    ham: dict[str, list[str]] = {}
    spam: dict[str, list[str]] = {}
    for sample in corpus.read_split(folder, "train"):
        if sample.source not in corpus.NEVER_TRAINED_ON:
            (spam if sample.is_spam else ham).setdefault(sample.source, []).append(model_text(text_view(sample.raw)))
    chosen = [(text, 0) for text in _spread(chance, ham, mix.corpus_ham)]
    chosen += [(text, 1) for text in _spread(chance, spam, mix.corpus_spam)]
    own = synthetic.samples(mix.synthetic, seed=mix.seed)
    chosen += [(model_text(text_view(sample.raw)), int(sample.is_spam)) for sample in (*own, *extra)]
    chance.shuffle(chosen)
    return [Example(encode(tokenizer, _varied(chance, text)), label) for text, label in chosen]


def _spread(chance: random.Random, sources: dict[str, list[str]], count: int) -> list[str]:
    """Draw from all sources, the small ones whole, so that no single archive is the class."""
    chosen: list[str] = []
    left = count
    for position, name in enumerate(sorted(sources, key=lambda key: len(sources[key]))):
        share = left // (len(sources) - position)
        texts = sources[name]
        drawn = chance.sample(texts, min(share, len(texts)))
        chosen += drawn
        left -= len(drawn)
    return chosen


def _varied(chance: random.Random, text: str) -> str:
    """Drop the sender, the links or the beginning now and then: none of them alone may decide."""
    fields = text.split(" | ")
    if chance.random() < 0.3 and len(fields) > 1:
        fields.pop(0)
    if chance.random() < 0.3:
        fields = [field for field in fields if not field.startswith("links ")] or fields
    if chance.random() < 0.2:
        words = fields[-1].split(" ")
        fields[-1] = " ".join(words[chance.randrange(len(words)) // 2 :])
    return " | ".join(fields)
