"""Judges one message with the shipped model, on one core, in a few milliseconds."""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ai.classes import CLASSES, Classes
from ai.engines import MODEL, Engine, Onnx, Torch
from ai.hashing import BUCKETS, hashes
from ai.locate import find_model
from ai.manifest import NEUTRAL, Manifest, ModelError, digest, read_manifest
from ai.passages import worst_passage
from ai.readers import ForeignReader, OwnReader, Reader, read_tokenizer
from ai.reasons import reasons_for
from ai.view import View, model_text, text_view

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "LINEAR",
    "MODEL",
    "TOKENIZER",
    "Classified",
    "Classifier",
    "Look",
    "Margins",
    "Reading",
    "Score",
    "classify",
]

_SUSPECT = -1.0  # log-odds: a passage below is not worth reading
TOKENIZER = "tokenizer.json"
LINEAR = "linear.npy"
_FOREIGN_WINDOW = 256  # tokens that a model of others reads at a time


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
        stage: who decided: "linear" (the cheap stage was sure of ham) or "transformer".
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
    stage: str = "transformer"


@dataclass(frozen=True, slots=True)
class Reading:
    """A message after parsing, which takes as long as judging: made once, shared by all who judge."""

    view: View
    hashes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Look:
    """What the linear model says: log-odds of spam, and the passage between a long text's ends that looks worst, ""
    where the ends look worse or the passage harmless."""

    margin: float
    passage: str


@dataclass(frozen=True, slots=True)
class Margins:
    """Raw outputs, before they are put together: ``transformer`` is the worst window's log-odds of each class, or None
    where the linear model alone was sure; ``linear`` its log-odds of spam, ``classes`` of the other classes."""

    transformer: tuple[float, ...] | None
    linear: float
    classes: tuple[float, ...] = (0.0,) * (len(CLASSES) - 1)


@dataclass(frozen=True, slots=True)
class Classified:
    """A file's verdict, for the command line."""

    path: str
    score: Score


class Classifier:
    """A loaded model. Several threads may call ``score`` at once; ONNX Runtime leaves the GIL while it works.

    Args:
        manifest: thresholds, blend and calibration.
        engine: computes the transformer's log-odds.
        reader: makes the token windows of a view.
        linear: 8-bit weights of the linear model [BUCKETS, classes].
    """

    def __init__(self, manifest: Manifest, engine: Engine, reader: Reader, linear: NDArray[np.int8]) -> None:
        self.manifest = manifest
        self.engine = engine
        self.reader = reader
        self._linear = linear

    @property
    def junk(self) -> float:
        """Probability of spam from which the model's own threshold says Junk."""
        return self.manifest.junk

    @classmethod
    def load(cls, directory: Path | None = None, *, checkpoint: Path | None = None) -> Classifier:
        """Load and verify the model in ``directory`` (default: the shipped one).

        ``checkpoint`` names a Hugging Face sequence classifier's folder that torch runs instead of the shipped
        transformer: the trainer's own, which keeps everything else, or one of others, which judges alone.

        Raises ModelError, with what to do, when something is missing, damaged or of another format.
        """
        folder = find_model(directory)
        if folder is None:
            where = directory or "models/ beside the packages"
            raise ModelError(f"No model found in {where}. Set classifier.model to a model folder, or run `make model`.")
        manifest = read_manifest(folder)
        if checkpoint is None:
            return cls(manifest, Onnx.load(folder / MODEL), *_parts(folder, manifest))
        engine = Torch.load(checkpoint)
        try:
            if engine.labels.ours and digest(checkpoint / TOKENIZER) == manifest.sha256.get(TOKENIZER):
                return cls(manifest, engine, *_parts(folder, manifest))
            return cls._foreign(engine, checkpoint)
        except BaseException:
            engine.close()
            raise

    @classmethod
    def _foreign(cls, engine: Torch, folder: Path) -> Classifier:
        """A model of others alone: no cascade, no blend, its own probabilities, Junk from 0.5."""
        import numpy as np  # noqa: PLC0415 - as in `load`

        length = min(_FOREIGN_WINDOW, engine.longest)
        manifest = Manifest(
            name=folder.name,
            created="",
            labels=CLASSES,
            window=length,
            linear_scale=(0.0,) * len(CLASSES),
            linear_bias=(0.0,) * len(CLASSES),
            blend=(1.0, 0.0, 0.0),
            calibration=dict.fromkeys(CLASSES[1:], NEUTRAL),
            release=-math.inf,
            junk=0.5,
            refuse=0.99,
            sha256={},
        )
        reader = ForeignReader(folder / TOKENIZER, length)
        return cls(manifest, engine, reader, np.zeros((BUCKETS, len(CLASSES)), dtype=np.int8))

    def score(self, message: bytes) -> Score:
        """Judge a raw message (RFC 5322 bytes). Any bytes get an answer; work is bounded whatever the size."""
        began = time.perf_counter()
        reading = self.read(message)
        return self.verdict(reading, self.margins(reading.view, reading.hashes), began)

    def read(self, message: bytes) -> Reading:
        """Parse a raw message for `judge` and for others that look at it."""
        view = text_view(message)
        return Reading(view, hashes(view))

    def judge(self, reading: Reading) -> Score:
        """Judge a message that has been read. Raises EngineError when the torch process gives no answer."""
        began = time.perf_counter()
        return self.verdict(reading, self.margins(reading.view, reading.hashes), began)

    def explain(self, message: bytes) -> Score:
        """As `score`, with the sentences that mattered; takes some twenty times as long."""
        from ai.explain import explain  # noqa: PLC0415 - it builds on this module

        return explain(self, message).score

    def close(self) -> None:
        """End the engine's process, if it has one."""
        self.engine.close()

    def verdict(self, reading: Reading, margins: Margins, began: float | None = None) -> Score:
        """The score that margins make of a message. ``began``: `time.perf_counter` when the work on it began."""
        began = time.perf_counter() if began is None else began
        margin, classes = self.together(margins)
        spam = margins.transformer is not None and classes.spam >= self.manifest.junk
        return Score(
            label="spam" if spam else "ham",
            probability=classes.spam,
            threat=classes.worst_threat,
            classes=classes,
            reasons=reasons_for(reading.view, classes, self.manifest.junk),
            milliseconds=round((time.perf_counter() - began) * 1000, 2),
            margin=round(margin, 4),
            hashes=reading.hashes,
            stage="linear" if margins.transformer is None else "transformer",
        )

    def margins(
        self,
        view: View,
        features: Sequence[int],
        *,
        look: Look | None = None,
        always: bool = False,
        without: Collection[int] = (),
    ) -> Margins:
        """The models' raw answers. ``look`` is what `cheap` said, where that is known already; ``always`` asks the
        transformer even where the linear model is sure of ham; ``without`` keeps marks from it."""
        look = self.cheap(view, features) if look is None else look
        if look.margin < self.manifest.release and not always:
            return Margins(None, look.margin)
        transformer = self.transformer(self.reader.windows(view, look.passage, without))
        return Margins(transformer, look.margin, self.linear_margins(features)[1:])

    def transformer(self, windows: Sequence[Sequence[int]]) -> tuple[float, ...]:
        """Log-odds of each class; of several windows the worst counts."""
        return tuple(max(column) for column in zip(*self.engine.logits(windows), strict=True))

    def cheap(self, view: View, features: Sequence[int]) -> Look:
        """The linear model's log-odds of spam; of a long text the worse of the whole and its worst passage, so that a
        long harmless part does not outweigh a short harmful one."""
        whole = self.linear_margins(features)[0]
        worst = worst_passage(model_text(view).body, self._weights)
        if worst is None:
            return Look(whole, "")
        margin = self.linear_margins(hashes(view, worst.text))[0]
        return Look(max(whole, margin), worst.text if worst.is_inside and margin > _SUSPECT else "")

    def linear_margins(self, features: Sequence[int]) -> tuple[float, ...]:
        """The linear model's log-odds of each class."""
        totals: list[int] = self._linear[list(features)].sum(axis=0, dtype="int64").tolist()
        root, known = math.sqrt(max(1, len(features))), self.manifest
        return tuple(
            total * scale / root + bias
            for total, scale, bias in zip(totals, known.linear_scale, known.linear_bias, strict=True)
        )

    def _weights(self, features: Sequence[int]) -> NDArray[np.float64]:
        return self._linear[list(features), 0].astype("float64") * self.manifest.linear_scale[0]

    def together(self, margins: Margins) -> tuple[float, Classes]:
        """Log-odds of spam, and all probabilities.

        Where the cheap stage was sure of ham, its own margin stands for both, and never nearer to Junk than half way:
        it may release, it may not accuse.
        """
        weights = self.manifest.blend
        if margins.transformer is None:
            margin = min(margins.linear, self.manifest.release, _log_odds(self.manifest.junk / 2))
            return margin, Classes(spam=round(_probability(margin), 6))
        margin = weights[0] * margins.transformer[0] + weights[1] * margins.linear + weights[2]
        found = {"spam": round(_probability(margin), 6)}
        for name, value, words in zip(CLASSES[1:], margins.transformer[1:], margins.classes, strict=True):
            own, linear, spam, bias = self.manifest.calibration[name]
            odds = own * value + linear * words + spam * margins.transformer[0] + bias
            found[name] = round(_probability(odds), 6)
        return margin, Classes(**found)


def _parts(folder: Path, manifest: Manifest) -> tuple[Reader, NDArray[np.int8]]:
    """(reader, linear weights) of a model folder. Raises ModelError."""
    import numpy as np  # noqa: PLC0415 - a node without a classifier must not pay for it

    tokenizer = read_tokenizer(folder / TOKENIZER)
    try:
        linear: Any = np.load(folder / LINEAR, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ModelError(f"Cannot load the model in {folder}: {error}") from error
    if linear.shape != (BUCKETS, len(CLASSES)) or linear.dtype != np.int8:
        wanted = f"int8 ({BUCKETS}, {len(CLASSES)})"
        raise ModelError(f"{folder / LINEAR} holds {linear.dtype} {linear.shape}, not {wanted}. Run `make model`.")
    return OwnReader(tokenizer, manifest.window), linear


def _probability(margin: float) -> float:
    return 1 / (1 + math.exp(-max(-60.0, min(60.0, margin))))


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


def classify(messages: Iterable[Path | bytes], directory: Path | None = None) -> Iterator[Classified]:
    """Judge files or raw messages one after another with the shipped model (or the one in ``directory``).

    Raises ModelError when there is no usable model, OSError when a file cannot be read.
    """
    classifier = Classifier.load(directory)
    for message in messages:
        raw = message if isinstance(message, bytes) else message.read_bytes()
        yield Classified("-" if isinstance(message, bytes) else str(message), classifier.score(raw))
