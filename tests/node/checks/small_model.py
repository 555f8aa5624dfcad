"""A real classifier around a transformer that the test answers for: the rest of the way is the product's own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import BertPreTokenizer

from ai.classes import CLASSES
from ai.classifier import Classifier
from ai.hashing import BUCKETS, hashes
from ai.manifest import NEUTRAL, Manifest
from ai.readers import OwnReader
from ai.view import text_view


@dataclass
class Answers:
    """The outer seam: gives log-odds for windows, and counts how often it was asked."""

    spam: float | Callable[[], float] = 5.0
    asked: int = 0

    def logits(self, windows: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        self.asked += 1
        margin = self.spam() if callable(self.spam) else self.spam
        return [(margin, -5.0, -5.0, -5.0, 0.0) for _ in windows]

    def close(self) -> None:
        pass


@dataclass
class Stuck:
    """Hangs until the test lets it go."""

    release: threading.Event = field(default_factory=threading.Event)
    entered: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def logits(self, windows: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        self.entered.release()
        self.release.wait(30)
        return [(-5.0,) * len(CLASSES) for _ in windows]

    def close(self) -> None:
        pass


def manifest(*, release: float = -100.0, junk: float = 0.9) -> Manifest:
    return Manifest(
        name="small",
        created="2026-11-21",
        labels=CLASSES,
        window=32,
        linear_scale=(1.0,) * len(CLASSES),
        linear_bias=(0.0,) * len(CLASSES),
        blend=(1.0, 0.1, 0.0),
        calibration=dict.fromkeys(CLASSES[1:], NEUTRAL),
        release=release,
        junk=junk,
        refuse=0.99,
        sha256={},
    )


def reader() -> OwnReader:
    words = {word: number for number, word in enumerate(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "|"))}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return OwnReader(tokenizer, 32)


def weights(*, spam: bytes = b"", ham: bytes = b"", step: int = 4) -> NDArray[np.int8]:
    """Linear weights that lean to spam on every feature of one message and to ham on those of the other."""
    linear = np.zeros((BUCKETS, len(CLASSES)), dtype=np.int8)
    linear[list(hashes(text_view(spam)))] += step if spam else 0
    linear[list(hashes(text_view(ham)))] -= step if ham else 0
    return linear


def classifier(
    engine: Answers | Stuck, linear: NDArray[np.int8] | None = None, *, release: float = -100.0, junk: float = 0.9
) -> Classifier:
    chosen = np.zeros((BUCKETS, len(CLASSES)), dtype=np.int8) if linear is None else linear
    return Classifier(manifest(release=release, junk=junk), engine, reader(), chosen)
