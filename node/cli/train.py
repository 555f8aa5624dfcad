"""`waxseal train`: a new model from the corpus and a site's own mail; torch stays in a process of its own."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from node.base.errors import ConfigError

NEEDED = ("torch", "transformers", "onnx", "onnxscript")


def train(
    extra: Annotated[Path | None, typer.Option(help="Your own mail: folders ham/ and spam/, Maildir or *.eml.")] = None,
    corpus: Annotated[Path, typer.Option(help="Folder with the archives and their indexes.")] = Path(
        "../shared/corpus"
    ),
    out: Annotated[Path, typer.Option(help="Where the model goes; classifier.model names it.")] = Path("build/model"),
) -> None:
    """Train a model and choose its thresholds on validation mail; takes an hour or so (docs/classifier.md)."""
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"training needs {', '.join(missing)}: pip install 'waxseal[train]'")
    if not (corpus / "train.index.jsonl").is_file():
        raise ConfigError(f"there is no corpus in {corpus}; name its folder with --corpus")
    work = out.with_name(out.name + ".work")  # a broken run goes on from there
    command = [sys.executable, "-m", "ai.train", "--corpus", str(corpus), "--out", str(out), "--work", str(work)]
    if extra is not None:
        lacking = [name for name in ("ham", "spam") if not (extra / name).is_dir()]
        if lacking:
            raise ConfigError(f"there is no folder {extra / lacking[0]}: --extra wants DIR/ham and DIR/spam")
        command += ["--extra", str(extra)]
    code = subprocess.run(command, check=False).returncode  # noqa: S603 - our own module
    if code:
        raise ConfigError(f"training ended with code {code}; what it said stands above")
    (work / "checkpoint.pt").unlink(missing_ok=True)  # else the next run would think itself nearly done
    typer.echo(f"the model is in {out}; set classifier.model to it, and see `waxseal evaluate --model {out}`")
