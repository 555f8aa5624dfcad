"""`waxseal classify FILE...`: what the classifier thinks of messages, one JSON line each."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ai.classifier import Classifier
from ai.locate import find_model
from ai.manifest import ModelError
from node.base.errors import ConfigError


def classify(
    files: Annotated[list[Path], typer.Argument(help="Messages (RFC 5322), one a file; - for standard input.")],
    model: Annotated[Path | None, typer.Option(help="Folder with the model; the shipped one when left out.")] = None,
) -> None:
    """Score messages without receiving them: one JSON object a line."""
    directory = find_model(model)
    if directory is None:
        where = f"in {model}" if model else "beside the program"
        raise ConfigError(f"there is no model {where}; name its folder with --model")
    try:
        classifier = Classifier.load(directory)
    except ModelError as error:
        raise ConfigError(str(error)) from None
    failed = False
    for file in files:
        try:
            content = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        except OSError as error:
            failed = True
            typer.echo(json.dumps({"file": str(file), "error": error.strerror}, ensure_ascii=False))
            continue
        score = classifier.score(content)
        row = {
            "file": str(file),
            "label": score.label,
            "score": round(score.probability, 6),
            "reasons": list(score.reasons),
            "ms": round(score.milliseconds, 2),
        }
        typer.echo(json.dumps(row, ensure_ascii=False))
    if failed:
        raise typer.Exit(1)
