"""``model.json``: what a model folder holds, what its answers are called, and how to know that it is whole."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ai.locate import MANIFEST

FORMAT = 3
NEUTRAL = (1.0, 0.0, 0.0, 0.0)  # a calibration that leaves the transformer's word as it is


class ModelError(Exception):
    """The model folder cannot be used; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """Contents of ``model.json``. Probabilities are of spam; ``sha256`` maps file names to hexadecimal digests."""

    name: str
    created: str  # ISO date
    labels: tuple[str, ...]  # of the transformer's outputs
    window: int  # tokens
    linear_scale: tuple[float, ...]  # of each of CLASSES: what one step of the 8-bit linear weights is worth
    linear_bias: tuple[float, ...]
    blend: tuple[float, ...]  # log-odds of spam = transformer's x [0] + linear's x [1] + [2]
    # Other classes: log-odds = transformer's x [0] + linear's x [1] + transformer's of spam x [2] + [3].
    calibration: dict[str, tuple[float, ...]]
    release: float  # a linear margin below it is sure ham: the transformer is not asked
    junk: float  # at or above: spam
    refuse: float  # at or above: sure spam; nothing is refused unless the operator says so
    sha256: dict[str, str]
    format: int = FORMAT


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``model.json`` into ``folder``."""
    (folder / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Read ``model.json`` and check every listed file against its SHA-256.

    Raises ModelError when a file is missing, unreadable or not the one that was measured.
    """
    try:
        stored = json.loads((folder / MANIFEST).read_bytes())
        if stored.get("format") == FORMAT:
            lists = ("labels", "blend", "linear_scale", "linear_bias")
            stored |= {name: tuple(stored[name]) for name in lists}
            stored["calibration"] = {name: tuple(pair) for name, pair in stored["calibration"].items()}
            manifest = Manifest(**stored)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"No usable {MANIFEST} in {folder} ({error}). Point classifier.model at a model folder."
        ) from error
    if stored.get("format") != FORMAT:
        found = stored.get("format")
        raise ModelError(f"{folder / MANIFEST} has format {found}; this version reads {FORMAT}. Run `make model`.")
    for name, expected in manifest.sha256.items():
        _check(folder, name, expected)
    return manifest


def digest(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check(folder: Path, name: str, expected: str) -> None:
    if Path(name).name != name:  # a manifest must not reach outside its folder
        raise ModelError(f"{folder / MANIFEST} names a file outside its folder: {name!r}.")
    try:
        found = digest(folder / name)
    except OSError as error:
        raise ModelError(f"Cannot read {folder / name}: {error.strerror}. Restore the model folder.") from error
    if found != expected:
        raise ModelError(
            f"{folder / name} is not the file that was released (SHA-256 {found[:16]}…, expected {expected[:16]}…). "
            "Restore it, or run `make model` if you changed it on purpose."
        )
