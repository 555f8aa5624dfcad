"""`waxseal classify`: what the classifier thinks of messages, in JSON, as a table for other programs, or explained."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ai.classifier import Classifier, Score
from ai.engines import EngineError
from ai.locate import find_model
from ai.manifest import ModelError
from node.base.errors import ConfigError
from node.cli.in_order import cores, in_order

if TYPE_CHECKING:
    from ai.explain import Explanation

STDIN = "-"
MOST_OCTETS = 8 << 20  # read of a file; the classifier looks at fewer
SHOWN = 12  # contributions of an explanation

FilesArgument = Annotated[
    list[str] | None, typer.Argument(help="Messages (RFC 5322), one a file; - for standard input.")
]
ModelOption = Annotated[Path | None, typer.Option(help="Folder with the model; the shipped one when left out.")]
CheckpointOption = Annotated[
    Path | None, typer.Option(help="A Hugging Face sequence classifier's folder, run by torch instead.")
]


@dataclass(frozen=True, slots=True)
class Result:
    """One file's verdict; ``error`` says why there is none."""

    path: str
    score: Score | None = None
    explanation: Explanation | None = None
    error: str = ""


def classify(
    files: FilesArgument = None,
    model: ModelOption = None,
    checkpoint: CheckpointOption = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what made each verdict, in words.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object a line; so it is without --explain.")
    ] = False,
    tsv: Annotated[bool, typer.Option("--tsv", help="One line PATH<tab>SCORE a message; errors go elsewhere.")] = False,
    stdin_paths: Annotated[bool, typer.Option("--stdin-paths", help="Read paths from standard input.")] = False,
) -> None:
    """Score messages without receiving them, on all cores; results come in the order of the files."""
    paths = _paths(files or [], stdin_paths)
    if tsv and (explain or as_json):
        raise typer.BadParameter("--tsv goes with neither --explain nor --json")
    show: Callable[[Result], None] = _table if tsv else _text if explain and not as_json else _json
    classifier = load(model, checkpoint)
    failed = False
    try:
        for result in in_order(partial(_judged, classifier, explain), paths, 1 if explain else cores()):
            failed |= bool(result.error)
            show(result)
            sys.stdout.flush()
    finally:
        classifier.close()
    if failed:
        raise typer.Exit(1)


def load(model: Path | None, checkpoint: Path | None = None) -> Classifier:
    """The model to judge with.

    Raises:
        ConfigError: there is none, or it cannot be used.
    """
    directory = find_model(model)
    if directory is None:
        where = f"in {model}" if model else "beside the program"
        raise ConfigError(f"there is no model {where}; name its folder with --model")
    try:
        return Classifier.load(directory, checkpoint=checkpoint)
    except ModelError as error:
        raise ConfigError(str(error)) from None


def _paths(files: list[str], stdin_paths: bool) -> Iterable[str]:
    if stdin_paths and files:
        raise typer.BadParameter("name files, or give paths on standard input, not both")
    if not stdin_paths and not files:
        raise typer.BadParameter("Missing argument 'FILES...': name messages, or give --stdin-paths")
    return _lines() if stdin_paths else files


def _lines() -> Iterator[str]:
    for line in sys.stdin.buffer:
        if path := line.rstrip(b"\r\n"):
            yield os.fsdecode(path)


def _judged(classifier: Classifier, explained: bool, path: str) -> Result:
    try:
        if path == STDIN:
            raw = sys.stdin.buffer.read(MOST_OCTETS)
        else:
            with open(path, "rb") as file:  # not Path: "" would be the present folder
                raw = file.read(MOST_OCTETS)
        if not explained:
            return Result(path, classifier.score(raw))
        from ai.explain import explain as asked  # noqa: PLC0415 - only one option needs it

        explanation = asked(classifier, raw)
        return Result(path, explanation.score, explanation)
    except OSError as error:
        return Result(path, error=error.strerror or str(error))
    except ValueError as error:  # a path with a NUL in it
        return Result(path, error=str(error))
    except EngineError as error:
        return Result(path, error=str(error))


def _table(result: Result) -> None:
    if result.score is None:
        sys.stderr.write(f"{_shown(result.path)}\terror: {result.error}\n")
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(os.fsencode(result.path) + f"\t{result.score.probability:.6f}\n".encode())


def _json(result: Result) -> None:
    row: dict[str, Any] = {"file": _shown(result.path)}
    if result.score is None:
        row |= {"error": result.error}
    else:
        score = result.score
        row |= {
            "label": score.label,
            "score": round(score.probability, 6),
            "threat": score.threat,
            "classes": asdict(score.classes),
            "reasons": list(score.reasons),
            "ms": round(score.milliseconds, 2),
        }
    if result.explanation:
        row |= {
            "sentences": list(result.explanation.score.sentences),
            "contributions": [asdict(piece) for piece in result.explanation.contributions],
        }
    typer.echo(json.dumps(row, ensure_ascii=False))


def _text(result: Result) -> None:
    if result.score is None or result.explanation is None:
        typer.echo(f"{_shown(result.path)}: {result.error}")
        return
    score = result.score
    typer.echo(f"{_shown(result.path)}: {score.label}, {_percent(score.probability)} spam")
    classes = asdict(score.classes)
    typer.echo("  " + ", ".join(f"{name} {_percent(value)}" for name, value in classes.items() if name != "spam"))
    for reason in score.reasons:
        typer.echo(f"  - {reason}")
    if result.explanation.contributions:
        typer.echo("  What moved it (log-odds; + towards spam):")
    for piece in result.explanation.contributions[:SHOWN]:
        typer.echo(f"  {piece.margin:+6.2f}  {piece.kind}: {_printable(piece.text)}")


def _percent(probability: float) -> str:
    return f"{probability * 100:.1f} %"


def _printable(text: str) -> str:
    """Without what would steer a terminal: the text is a stranger's."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _shown(path: str) -> str:
    """A path that can be printed, whatever its octets."""
    return os.fsencode(path).decode("utf-8", "replace")
