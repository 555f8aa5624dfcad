"""`waxseal role list|grant|revoke`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.base.address import parse_address
from node.cli.settings import ConfigOption, read_store, write_store
from node.directory import staff
from node.directory.admin import OPERATOR
from node.store.roles import Role

app = typer.Typer(help="Who runs this node: owners and administrators (docs/directory.md).", no_args_is_help=True)

AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="Whose account.")]


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print who has a role, one a line: address, role."""
    query = read_store(config, lambda tx: staff.list_staff(tx, OPERATOR))
    for person, role in query:
        typer.echo(f"{person.address}\t{role}")


@app.command()
def grant(
    address: AddressArgument,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="owner, or admin.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Give somebody a role: an owner administers the node, an admin the tenant of their own domain."""
    parsed = parse_address(address)
    write_store(config, lambda tx: staff.grant(tx, OPERATOR, parsed, role))
    typer.echo(f"{parsed}: {role}; the Administration page asks for a login by signature, or with a second factor")


@app.command()
def revoke(address: AddressArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Take somebody's role away, and end their browser sessions."""
    parsed = parse_address(address)
    write_store(config, lambda tx: staff.revoke(tx, OPERATOR, parsed))
    typer.echo(f"{parsed} has no role any more")
