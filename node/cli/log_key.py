"""`waxseal log-key`: the log's public key, for those who check receipts without trusting this node."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.cli.settings import ConfigOption, existing_keys, load_settings
from node.service.folders import Folders
from node.service.witnessing import witness_key


def log_key(
    config: ConfigOption = Path("waxseal.toml"),
    witness: Annotated[
        bool, typer.Option("--witness", help="The key this node cosigns other nodes' logs with, instead.")
    ] = False,
) -> None:
    """Print the log's public key; publish it where your people find it, `waxseal verify --log-key` takes it."""
    settings = load_settings(config)
    keys = existing_keys(settings)
    typer.echo(str(witness_key(settings, Folders(settings.data).keys).key if witness else keys.log_key))
