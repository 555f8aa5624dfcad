"""`waxseal domain add|list`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.base.address import normalize_domain
from node.cli.settings import ConfigOption, load_settings, with_database
from node.store import domains

app = typer.Typer(help="The domains this node takes mail for.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="For example example.org.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Take mail for a domain from now on."""
    domain = normalize_domain(name)
    with_database(load_settings(config), lambda database: database.write(lambda tx: domains.add(tx, domain)))
    typer.echo(f"{domain} is a domain of this node; its MX record should name this host")


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print the domains, one a line."""
    for name in with_database(load_settings(config), lambda database: database.read(domains.listing)):
        typer.echo(name)
