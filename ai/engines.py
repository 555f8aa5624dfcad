"""What computes a transformer's answer: ONNX Runtime in this process, or torch in a process of its own.

torch starts slowly, takes hundreds of megabytes and may fall over with its GPU; mail must not fall with it. So it runs
in a child (`ai.train.worker`) asked by pipes; one that dies or hangs makes messages unscored, and is started anew.
"""

from __future__ import annotations

import importlib.util
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ai.labels import Labels, read_labels
from ai.manifest import ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

MODEL = "mail.onnx"
START_SECONDS = 120.0
ANSWER_SECONDS = 30.0
RESTART_SECONDS = 10.0  # between two starts of a child that failed
_LONGEST = 1 << 20  # octets of an answer


class EngineError(Exception):
    """The engine gave no answer; the message stays unscored."""


class Engine(Protocol):
    """Computes log-odds of each of CLASSES. Several threads may ask at once."""

    def logits(self, windows: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """One tuple for each window of token ids. Raises EngineError when there is no answer."""
        ...

    def close(self) -> None:
        """Let go of processes and memory."""
        ...


class Onnx:
    """ONNX Runtime on one core, a window at a time: padding would cost more than a batch saves."""

    def __init__(self, session: InferenceSession) -> None:
        self._session = session

    @classmethod
    def load(cls, path: Path) -> Onnx:
        """Load ``mail.onnx``. Raises ModelError."""
        import onnxruntime  # noqa: PLC0415 - takes most of the start, and a node without a classifier must not pay

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # a message, a core: throughput comes from several messages at once
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            return cls(onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]))
        except Exception as error:  # it raises bare exceptions of its own
            raise ModelError(f"Cannot load the model in {path.parent}: {error}") from error

    def logits(self, windows: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        import numpy as np  # noqa: PLC0415 - loaded long ago by onnxruntime

        found = []
        for window in windows:
            row = np.array([window], dtype=np.int64)
            answer: Any = self._session.run(None, {"input_ids": row, "attention_mask": np.ones_like(row)})[0]
            found.append(tuple(float(value) for value in answer[0]))
        return found

    def close(self) -> None:
        """Nothing to do: the session goes with the object."""


class Torch:
    """A Hugging Face sequence classifier in a local folder, run by torch in a child process; on a GPU if there is one.

    Nothing is downloaded and no code from the folder is run: weights are read from safetensors only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()
        self._rest_until = 0.0
        self._child, first = _started(folder)
        self.labels: Labels = read_labels(first["labels"], independent=bool(first["independent"]))
        self.longest: int = int(first["longest"])  # tokens that the model can read
        self.device: str = str(first["device"])

    @classmethod
    def load(cls, folder: Path) -> Torch:
        """Start the child and wait until it has read the model. Raises ModelError, with what to do."""
        if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
            raise ModelError("The torch engine needs torch and transformers: pip install 'waxseal[train]'.")
        for name in ("config.json", "tokenizer.json"):
            if not (folder / name).is_file():
                raise ModelError(f"{folder} has no {name}: it must be a Hugging Face sequence classifier's folder.")
        return cls(folder)

    def logits(self, windows: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        with self._turn:
            answer = self._ask([list(window) for window in windows])
        return [self.labels.margins(row) for row in answer]

    def close(self) -> None:
        _end(self._child)

    def _ask(self, windows: list[list[int]]) -> list[list[float]]:
        if self._child.poll() is not None:
            self._restart()
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps(windows).encode() + b"\n")
            self._child.stdin.flush()
            answer: dict[str, Any] = _line(self._child, ANSWER_SECONDS)
            rows = [[float(value) for value in row] for row in answer["logits"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            _end(self._child)
            raise EngineError(f"the torch process gave no answer: {error}") from error
        if len(rows) != len(windows) or any(len(row) != len(self.labels.names) for row in rows):
            _end(self._child)
            raise EngineError("the torch process gave an answer of another shape")
        return rows

    def _restart(self) -> None:
        if time.monotonic() < self._rest_until:
            raise EngineError("the torch process has ended and rests before it is started anew")
        _end(self._child)
        try:
            self._child, _ = _started(self._folder)
        except ModelError as error:
            raise EngineError(str(error)) from error
        finally:  # a start may take longer than the rest
            self._rest_until = time.monotonic() + RESTART_SECONDS


def _started(folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, Any]]:
    """A child that has said what it is. Raises ModelError."""
    command = [sys.executable, "-m", "ai.train.worker", str(folder)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    child = subprocess.Popen(  # noqa: S603 - our own module
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**kept, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
    )
    try:
        first = _line(child, START_SECONDS)
        if "error" in first:
            raise ModelError(f"torch cannot load the model in {folder}: {first['error']}")
        return child, first
    except (OSError, ValueError) as error:
        _end(child)
        raise ModelError(f"The torch process for {folder} did not start: {error}") from error
    except BaseException:
        _end(child)
        raise


def _line(child: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
    """The child's next line of JSON. Raises OSError when there is none in time, ValueError when it is no object."""
    assert child.stdout is not None
    end = time.monotonic() + seconds
    collected = b""
    while not collected.endswith(b"\n"):
        ready, _, _ = select.select([child.stdout], [], [], max(0.0, end - time.monotonic()))
        piece = os.read(child.stdout.fileno(), 1 << 16) if ready else b""
        if not piece or len(collected) > _LONGEST:
            raise OSError("it ended" if ready else f"nothing within {seconds:.0f} s")
        collected += piece
    found = json.loads(collected)
    if not isinstance(found, dict):
        raise ValueError("no object")  # noqa: TRY004 - the peer's breach, not a caller's
    return found


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except OSError:  # what was not written yet cannot be written any more
                continue
