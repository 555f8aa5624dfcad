"""`waxseal evaluate`: how good the classifier is on a corpus, source by source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.base.errors import ConfigError


def evaluate(
    splits: Annotated[
        list[str] | None, typer.Argument(help="val, test, modern_dev, synthetic_val; all of them.")
    ] = None,
    corpus: Annotated[Path, typer.Option(help="Folder with the archives and their indexes.")] = Path(
        "../shared/corpus"
    ),
    model: Annotated[Path | None, typer.Option(help="Folder with the model; the shipped one when left out.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="A sequence classifier's folder, run by torch.")] = None,
) -> None:
    """Print AUC, recall at fixed false positives, and both rates at the shipped threshold, by source and class."""
    from ai.evaluate import SPLITS, report  # noqa: PLC0415 - numpy and the readers: half a second
    from node.cli.classify import load  # noqa: PLC0415

    chosen = splits or list(SPLITS)
    if unknown := [name for name in chosen if name not in SPLITS]:
        raise typer.BadParameter(f"there is no split {unknown[0]!r}; there are {', '.join(SPLITS)}")
    classifier = load(model, checkpoint)
    try:
        for text in report(classifier, corpus, chosen):
            typer.echo(text)
    except FileNotFoundError as error:
        raise ConfigError(f"the corpus lacks {error.filename}; name its folder with --corpus") from None
    finally:
        classifier.close()
