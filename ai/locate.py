"""Where the shipped model lies when nobody says otherwise."""

from __future__ import annotations

from pathlib import Path

MANIFEST = "model.json"


def find_model(directory: Path | None = None) -> Path | None:
    """The model's folder: the one given, else ``models/`` beside the packages (a checkout), or None.

    The wheel holds code only; an installed node names its model with ``classifier.model`` in the settings.
    """
    chosen = directory if directory is not None else Path(__file__).resolve().parent.parent / "models"
    return chosen if (chosen / MANIFEST).is_file() else None
