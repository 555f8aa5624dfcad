"""`waxseal log-key`: the log's public key, for those who check receipts without trusting this node; and a new one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.anchor import keys
from node.anchor.steps import utc
from node.cli.settings import ConfigOption, existing_keys, load_settings
from node.service.folders import Folders
from node.service.witnessing import witness_key

app = typer.Typer(help="The log's public key: print it, list those before it, replace it.")

DAY = 86400


@app.callback(invoke_without_command=True)
def log_key(
    context: typer.Context,
    config: ConfigOption = Path("waxseal.toml"),
    witness: Annotated[
        bool, typer.Option("--witness", help="The key this node cosigns other nodes' logs with, instead.")
    ] = False,
) -> None:
    """Print the log's public key; publish it where your people find it, `waxseal verify --log-key` takes it."""
    if context.invoked_subcommand:
        return
    settings = load_settings(config)
    found = existing_keys(settings)
    typer.echo(str(witness_key(settings, Folders(settings.data).keys).key if witness else found.log_key))


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """List the key and all before it, with the time until which each signed: receipts of that time need it."""
    found = existing_keys(load_settings(config))
    typer.echo(f"{found.log_key}\tsigns")
    for one in found.retired:
        typer.echo(f"{one.key}\treplaced {utc(one.since)}, signs along until {utc(one.until)}")


@app.command()
def rotate(
    overlap_days: Annotated[
        int, typer.Option(help="How long the old key signs along; 0 when it was stolen.", min=0, max=3650)
    ] = 30,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Give the log a new key, from the node's next start on. The old one signs along meanwhile, and stays listed."""
    settings = load_settings(config)
    old = existing_keys(settings).log_key
    new = keys.rotate(Folders(settings.data).keys, settings.hostname, overlap_days * DAY).log_key
    typer.echo(str(new))
    typer.echo(
        f"It signs once the node is started anew. Publish it beside {old}, which old receipts go on needing; "
        "back up the keys; then tell the registry: `waxseal registry rotate`.",
        err=True,
    )
