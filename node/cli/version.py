"""`waxseal version`."""

from __future__ import annotations

import importlib.metadata
import platform

import typer


def version() -> None:
    """Print the version of Waxseal and of the Python it runs on."""
    typer.echo(f"waxseal {importlib.metadata.version('waxseal')} (Python {platform.python_version()})")
