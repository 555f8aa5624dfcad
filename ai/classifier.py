"""Judges one message with the shipped transformer, on one core, in a few milliseconds."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ai.locate import find_model
from ai.manifest import Manifest, ModelError, read_manifest
from ai.reasons import reasons_for
from ai.tokens import encode
from ai.view import model_text, text_view

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MODEL = "spam.onnx"
TOKENIZER = "tokenizer.json"


@dataclass(frozen=True, slots=True)
class Score:
    """A verdict: ``label`` is "ham" or "spam", ``probability`` that of spam, ``reasons`` in words, time in ms."""

    label: str
    probability: float
    reasons: tuple[str, ...]
    milliseconds: float


@dataclass(frozen=True, slots=True)
class Classified:
    """A file's verdict, for the command line; ``dataclasses.asdict`` makes it a line of JSON."""

    path: str
    score: Score


class Classifier:
    """A loaded model. Several threads may call ``score`` at once; ONNX Runtime leaves the GIL while it works."""

    def __init__(self, manifest: Manifest, session: InferenceSession, tokenizer: Tokenizer) -> None:
        self.manifest = manifest
        self._session = session
        self._tokenizer = tokenizer

    @classmethod
    def load(cls, directory: Path | None = None) -> Classifier:
        """Load and verify the model in ``directory`` (default: the shipped one).

        Raises ModelError, with what to do, when it is missing, damaged or of another format.
        """
        folder = find_model(directory)
        if folder is None:
            where = directory or "models/ beside the packages"
            raise ModelError(f"No model found in {where}. Set classifier.model to a model folder, or run `make model`.")
        manifest = read_manifest(folder)
        # Imported here: they take most of the start, and a node without a classifier must not pay for them.
        import onnxruntime  # noqa: PLC0415
        from tokenizers import Tokenizer  # noqa: PLC0415

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a message, a core: throughput comes from several messages at once
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(folder / MODEL, options, providers=["CPUExecutionProvider"])
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # both raise their own bare exceptions
            raise ModelError(f"Cannot load the model in {folder}: {error}") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(manifest, session, tokenizer)

    def score(self, message: bytes) -> Score:
        """Judge a raw message (RFC 5322 bytes). Any bytes get an answer; work is bounded whatever the size."""
        began = time.perf_counter()
        view = text_view(message)
        probability = self.probability(model_text(view))
        label = "spam" if probability >= self.manifest.junk else "ham"
        reasons = reasons_for(view, probability, self.manifest.junk)
        return Score(label, round(probability, 4), reasons, round((time.perf_counter() - began) * 1000, 2))

    def probability(self, text: str) -> float:
        """Probability of spam for a text made by ``model_text``."""
        import numpy as np  # noqa: PLC0415 - loaded long ago by onnxruntime

        row = np.array([encode(self._tokenizer, text, self.manifest.window)], dtype=np.int64)
        logits = self._session.run(None, {"input_ids": row, "attention_mask": np.ones_like(row)})[0][0]
        margin = float(logits[1] - logits[0]) / self.manifest.temperature
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, margin))))


def classify(messages: Iterable[Path | bytes], directory: Path | None = None) -> Iterator[Classified]:
    """Judge files or raw messages one after another with the shipped model (or the one in ``directory``).

    Raises ModelError when there is no usable model, OSError when a file cannot be read.
    """
    classifier = Classifier.load(directory)
    for message in messages:
        raw = message if isinstance(message, bytes) else message.read_bytes()
        yield Classified("-" if isinstance(message, bytes) else str(message), classifier.score(raw))
