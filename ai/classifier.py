"""Judges one message with the shipped model, on one core, in a few milliseconds."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.classes import CLASSES, Classes
from ai.context import NOTHING, Context
from ai.hashing import hashes
from ai.locate import find_model
from ai.manifest import Manifest, ModelError, read_manifest
from ai.reasons import reasons_for
from ai.tokens import windows
from ai.view import View, text_view

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from tokenizers import Tokenizer

MODEL = "mail.onnx"
TOKENIZER = "tokenizer.json"
LINEAR = "linear.npy"


@dataclass(frozen=True, slots=True)
class Score:
    """A verdict.

    Attributes:
        label: "ham" or "spam".
        probability: of spam, 0 to 1, calibrated.
        threat: 0 to 1: how likely it is made to rob, deceive or infect; apart from spam.
        classes: a probability of each class.
        reasons: in words, from a closed list, strongest first.
        sentences: those that mattered most; only `Classifier.explain` looks for them.
        milliseconds: the time it took.
        margin: log-odds of spam.
        hashes: the message's features for online heads (`ai.hashing`).
    """

    label: str
    probability: float
    threat: float
    classes: Classes
    reasons: tuple[str, ...]
    milliseconds: float
    margin: float = 0.0
    hashes: tuple[int, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Margins:
    """Raw outputs, before they are put together: ``transformer`` is the worst window's log-odds of each class, or None
    where the linear model alone was sure."""

    transformer: tuple[float, ...] | None
    linear: float


@dataclass(frozen=True, slots=True)
class Classified:
    """A file's verdict, for the command line."""

    path: str
    score: Score


class Classifier:
    """A loaded model. Several threads may call ``score`` at once; ONNX Runtime leaves the GIL while it works."""

    def __init__(
        self, manifest: Manifest, session: InferenceSession, tokenizer: Tokenizer, linear: NDArray[np.int8]
    ) -> None:
        self.manifest = manifest
        self._session = session
        self._tokenizer = tokenizer
        self._linear = linear

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
        import numpy as np  # noqa: PLC0415
        import onnxruntime  # noqa: PLC0415
        from tokenizers import Tokenizer  # noqa: PLC0415

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a message, a core: throughput comes from several messages at once
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(folder / MODEL, options, providers=["CPUExecutionProvider"])
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
            linear = np.load(folder / LINEAR, allow_pickle=False)
        except Exception as error:  # all raise their own bare exceptions
            raise ModelError(f"Cannot load the model in {folder}: {error}") from error
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return cls(manifest, session, tokenizer, linear)

    def score(self, message: bytes, context: Context = NOTHING) -> Score:
        """Judge a raw message (RFC 5322 bytes). Any bytes get an answer; work is bounded whatever the size."""
        began = time.perf_counter()
        view = text_view(message)
        features = hashes(view)
        margins = self.margins(view, features)
        margin, classes = self._together(margins)
        label = "spam" if classes.spam >= self.manifest.junk else "ham"
        return Score(
            label=label,
            probability=classes.spam,
            threat=classes.worst_threat,
            classes=classes,
            reasons=reasons_for(view, classes.spam, self.manifest.junk),
            milliseconds=round((time.perf_counter() - began) * 1000, 2),
            margin=round(margin, 4),
            hashes=features,
        )

    def margins(self, view: View, features: Sequence[int], *, always: bool = False) -> Margins:
        """The models' raw answers. ``always`` asks the transformer even where the linear model is sure of ham."""
        cheap = self.linear_margin(features)
        if cheap < self.manifest.release and not always:
            return Margins(None, cheap)
        answers = [self.transformer(window) for window in windows(self._tokenizer, view, self.manifest.window)]
        return Margins(tuple(max(column) for column in zip(*answers, strict=True)), cheap)

    def linear_margin(self, features: Sequence[int]) -> float:
        """The linear model's log-odds of spam."""
        total = int(self._linear[list(features)].sum(dtype="int64")) if features else 0
        return total * self.manifest.linear_scale / math.sqrt(max(1, len(features))) + self.manifest.linear_bias

    def transformer(self, ids: list[int]) -> tuple[float, ...]:
        """Log-odds of each class for one window of token ids."""
        import numpy as np  # noqa: PLC0415 - loaded long ago by onnxruntime

        row = np.array([ids], dtype=np.int64)
        answer: Any = self._session.run(None, {"input_ids": row, "attention_mask": np.ones_like(row)})[0]
        return tuple(float(value) for value in answer[0])

    def _together(self, margins: Margins) -> tuple[float, Classes]:
        """Log-odds of spam, and all probabilities. Where the cheap stage was sure, its own margin stands for both."""
        weights = self.manifest.blend
        if margins.transformer is None:
            margin = min(margins.linear, self.manifest.release)
            return margin, Classes(spam=round(_probability(margin), 6))
        margin = weights[0] * margins.transformer[0] + weights[1] * margins.linear + weights[2]
        found = {"spam": round(_probability(margin), 6)}
        for name, value in zip(CLASSES[1:], margins.transformer[1:], strict=True):
            slope, bias = self.manifest.calibration[name]
            found[name] = round(_probability(slope * value + bias), 6)
        return margin, Classes(**found)


def _probability(margin: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, margin))))


def classify(messages: Iterable[Path | bytes], directory: Path | None = None) -> Iterator[Classified]:
    """Judge files or raw messages one after another with the shipped model (or the one in ``directory``).

    Raises ModelError when there is no usable model, OSError when a file cannot be read.
    """
    classifier = Classifier.load(directory)
    for message in messages:
        raw = message if isinstance(message, bytes) else message.read_bytes()
        yield Classified("-" if isinstance(message, bytes) else str(message), classifier.score(raw))
