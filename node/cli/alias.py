"""`waxseal alias add|list|remove`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.base.address import parse_address
from node.cli.settings import ConfigOption, read_store, write_store
from node.directory import admin_reach
from node.directory.admin import OPERATOR
from node.store.directory.aliases import Alias

app = typer.Typer(help="Further addresses of people (docs/directory.md).", no_args_is_help=True)

AliasArgument = Annotated[str, typer.Argument(metavar="ALIAS", help="For example info@example.org.")]


@app.command()
def add(
    alias: AliasArgument,
    address: Annotated[str, typer.Argument(help="Whose mail it is.")],
    no_sending: Annotated[
        bool, typer.Option("--no-sending", help="They get its mail, but may not send as it.")
    ] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Give a person another address."""
    new, owner = parse_address(alias), parse_address(address)
    made: Alias = write_store(
        config, lambda tx: admin_reach.add_alias(tx, OPERATOR, new, owner, may_send=not no_sending)
    )
    typer.echo(f"mail for {made.address} goes to {made.account.address}")


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print the aliases, one a line: alias, whose, may they send as it."""
    found = read_store(config, lambda tx: admin_reach.list_aliases(tx, OPERATOR))
    for alias in found:
        typer.echo("\t".join([alias.address, alias.account.address, "sends" if alias.may_send else "receives"]))


@app.command()
def remove(alias: AliasArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Take an alias away."""
    old = parse_address(alias)
    write_store(config, lambda tx: admin_reach.remove_alias(tx, OPERATOR, old))
    typer.echo(f"{old} is no alias any more")
