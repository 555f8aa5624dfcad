"""`waxseal domain add|list|show|set|remove`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.base.address import normalize_domain, parse_address
from node.cli.settings import ConfigOption, read_store, write_store
from node.directory import admin
from node.directory.admin import OPERATOR
from node.store import domains
from node.store.database import Writing
from node.store.domains import Domain

app = typer.Typer(help="The domains this node takes mail for.", no_args_is_help=True)


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="For example example.org.")],
    tenant: Annotated[str, typer.Option(help="Whose it is, for nodes with tenants.")] = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Take mail for a domain from now on."""
    domain = normalize_domain(name)
    write_store(config, lambda tx: admin.add_domain(tx, OPERATOR, domain, tenant))
    typer.echo(f"{domain} is a domain of this node; its MX record should name this host")


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print the domains, one a line."""
    for name in read_store(config, domains.listing):
        typer.echo(name)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A domain; left out: all.")] = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print domains with their settings, one a line: name, separator, tag folders, catch-all, tenant."""
    wanted = normalize_domain(name) if name else ""
    for one in read_store(config, domains.everything):
        if wanted in {"", one.name}:
            typer.echo(_line(one))


@app.command("set")
def set_(
    name: Annotated[str, typer.Argument(help="A domain of this node.")],
    separator: Annotated[
        str | None, typer.Option(help='Character between a name and a tag, like + in ann+lists@; "" for none.')
    ] = None,
    tag_folders: Annotated[
        bool | None, typer.Option(help="Deliver to the mailbox that a tag names, where there is one.")
    ] = None,
    catch_all: Annotated[
        str | None, typer.Option(help='Whose address gets what is nobody\'s; "" refuses that again.')
    ] = None,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Change how a domain reads its addresses."""
    address = parse_address(catch_all) if catch_all else None

    def work(tx: Writing) -> Domain:
        if catch_all == "":
            admin.no_catch_all(tx, OPERATOR, name)
        return admin.change_domain(tx, OPERATOR, name, separator=separator, tag_folders=tag_folders, catch_all=address)

    typer.echo(_line(write_store(config, work)))


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="A domain of this node.")],
    with_people: Annotated[
        bool, typer.Option("--with-people", help="Though it has people: they keep their mail and get no more.")
    ] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Take mail for a domain no longer; its aliases and groups go."""

    def work(tx: Writing) -> None:
        admin.remove_domain(tx, OPERATOR, name, with_people=with_people)

    write_store(config, work)
    typer.echo(f"{name} is no domain of this node any more")


def _line(one: Domain) -> str:
    folders = "tag-folders" if one.tag_folders else "no-tag-folders"
    return "\t".join([one.name, one.separator or "-", folders, one.catch_all or "-", one.tenant or "-"])
