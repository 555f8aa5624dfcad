"""`waxseal log-key`: the log's public key, for those who check receipts without trusting this node."""

from __future__ import annotations

from pathlib import Path

import typer

from node.cli.settings import ConfigOption, existing_keys, load_settings


def log_key(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print the log's public key; publish it where your people find it, `waxseal verify --log-key` takes it."""
    typer.echo(str(existing_keys(load_settings(config)).log_key))
