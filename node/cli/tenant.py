"""`waxseal tenant add|list|remove|give|add-admin|remove-admin|deduplicate|changes`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from node.base.address import parse_address
from node.cli.settings import ConfigOption, load_settings, read_store, write_store
from node.directory import admin
from node.directory.admin import OPERATOR
from node.ipfs.convergent import new_secret
from node.ipfs.keys import Keys
from node.service.folders import Folders
from node.store import domains
from node.store.database import Reading
from node.store.directory import directory_changes, tenants

app = typer.Typer(
    help="Who shares this node: tenants with domains of their own (docs/directory.md).", no_args_is_help=True
)

TenantArgument = Annotated[str, typer.Argument(metavar="TENANT", help="Its name.")]
PersonArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="A person in one of its domains.")]


@app.command()
def add(name: TenantArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Make a tenant, without domains."""
    write_store(config, lambda tx: admin.add_tenant(tx, OPERATOR, name))
    typer.echo(f"{name} is a tenant; next: waxseal tenant give {name} DOMAIN")


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print the tenants, one a line: name, domains, administrators."""

    def query(tx: Reading) -> list[tuple[str, list[str], list[str]]]:
        return [
            (
                name,
                [one.name for one in domains.everything(tx, name)],
                [person.address for person in tenants.admins(tx, name)],
            )
            for name in tenants.listing(tx)
        ]

    for name, owned, people in read_store(config, query):
        typer.echo("\t".join([name, ",".join(owned), ",".join(people)]))


@app.command()
def remove(name: TenantArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Take a tenant without domains away."""
    write_store(config, lambda tx: admin.remove_tenant(tx, OPERATOR, name))
    typer.echo(f"{name} is no tenant any more")


@app.command()
def give(
    name: Annotated[str, typer.Argument(metavar="TENANT", help='Its name; "" takes the domain back to the node.')],
    domain: Annotated[str, typer.Argument(help="A domain of this node.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Give a domain with its people to a tenant."""
    write_store(config, lambda tx: admin.give_domain(tx, OPERATOR, domain, name))
    typer.echo(f"{domain} belongs to {name or 'the node'}")


@app.command("add-admin")
def add_admin(name: TenantArgument, address: PersonArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Let a person of a tenant administer it."""
    parsed = parse_address(address)
    write_store(config, lambda tx: admin.put_admin(tx, OPERATOR, name, parsed))
    typer.echo(f"{parsed} administers {name}")


@app.command("remove-admin")
def remove_admin(name: TenantArgument, address: PersonArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """End that."""
    parsed = parse_address(address)
    write_store(config, lambda tx: admin.remove_admin(tx, OPERATOR, name, parsed))
    typer.echo(f"{parsed} administers {name} no longer")


@app.command()
def deduplicate(
    name: Annotated[str, typer.Argument(metavar="TENANT", help='Its name; "" for the node\'s own domains.')],
    config: ConfigOption = Path("waxseal.toml"),
    off: Annotated[bool, typer.Option("--off", help="No longer; what is stored stays readable.")] = False,
) -> None:
    """Keep equal attachments of its people once (docs/ipfs.md says what that gives away)."""
    keys = Keys.open(Folders(load_settings(config).data).keys)
    sealed = None if off else new_secret(keys, name)
    changed = write_store(config, lambda tx: admin.deduplicate(tx, OPERATOR, name, sealed))
    way = "apart" if off else "once"
    typer.echo(f"equal attachments of {name or 'the node'} are kept {way}{'' if changed else ' already'}")


@app.command()
def changes(
    name: Annotated[str, typer.Argument(metavar="TENANT", help="Its name; left out: the whole node.")] = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print what was changed in the directory, newest first: time (UTC), by whom, tenant, what, about what, details."""
    found = read_store(config, lambda tx: directory_changes.recent(tx, name or None))
    for change in found:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(change.time))
        typer.echo("\t".join([at, change.actor, change.tenant, change.kind, change.target, change.details]))
