"""The child process of the torch engine: a sequence classifier in a local folder, asked by lines of JSON on its pipes.

``python -m ai.train.worker FOLDER`` answers each line (a list of windows of token ids) with one line
(``{"logits": [[...], ...]}``) and ends with its standard input. `ai.engines.Torch` speaks to it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import torch
from transformers import AutoModelForSequenceClassification

_LONGEST = 4096  # tokens, whatever a model says of itself


class Model:
    """A loaded sequence classifier; on the GPU where there is one."""

    def __init__(self, folder: Path) -> None:
        """Read the folder: safetensors only, no code of the folder's, no network. Raises what they raise."""
        if not folder.is_dir():  # a name that is no folder would be looked for in a hub
            raise FileNotFoundError(f"{folder} is no folder")
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        model = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, use_safetensors=True
        )
        self._model = model.eval().to(self.device)

    def facts(self) -> dict[str, Any]:
        """What the parent must know: labels, how they are meant, tokens at most, device."""
        config = self._model.config
        names = [str(config.id2label[number]) for number in range(config.num_labels)]
        positions = int(getattr(config, "max_position_embeddings", 512) or 512)
        margin = 2 if "roberta" in str(config.model_type) else 0  # its positions begin after the padding's
        return {
            "labels": names,
            "independent": config.problem_type == "multi_label_classification" or len(names) == 1,
            "longest": min(_LONGEST, positions - margin),
            "device": self.device,
        }

    def logits(self, windows: Sequence[Sequence[int]]) -> list[list[float]]:
        """Raw outputs [windows, labels]."""
        padding = self._model.config.pad_token_id or 0
        longest = max(map(len, windows))
        ids = torch.tensor([[*window, *[padding] * (longest - len(window))] for window in windows], device=self.device)
        mask = torch.tensor(
            [[1] * len(window) + [0] * (longest - len(window)) for window in windows], device=self.device
        )
        with torch.inference_mode():
            answer: list[list[float]] = self._model(input_ids=ids, attention_mask=mask).logits.float().cpu().tolist()
        return answer


def serve(model: Model, questions: BinaryIO, answers: BinaryIO) -> None:
    """Answer until there are no more questions."""
    for line in questions:
        windows = json.loads(line)
        _say(answers, {"logits": model.logits(windows) if windows else []})


def main() -> int:
    """Load the model, say what it is, answer."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print must not be taken for an answer
    try:
        model = Model(Path(sys.argv[1]))
        facts = model.facts()
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent wants the words
        _say(answers, {"error": str(error)[:1000] or type(error).__name__})
        return 1
    _say(answers, facts)
    serve(model, sys.stdin.buffer, answers)
    return 0


def _say(answers: BinaryIO, what: dict[str, Any]) -> None:
    answers.write(json.dumps(what).encode() + b"\n")
    answers.flush()


if __name__ == "__main__":
    sys.exit(main())
