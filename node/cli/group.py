"""`waxseal group add|add-member|remove-member|list|remove`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.base.address import parse_address
from node.cli.settings import ConfigOption, read_store, write_store
from node.directory import admin_reach
from node.directory.admin import OPERATOR
from node.store.database import Writing

app = typer.Typer(help="Addresses whose mail goes to several people (docs/directory.md).", no_args_is_help=True)

GroupArgument = Annotated[str, typer.Argument(metavar="GROUP", help="The group's address.")]
MembersArgument = Annotated[
    list[str], typer.Argument(metavar="MEMBERS...", help="Addresses of people, aliases or groups of this node.")
]


@app.command()
def add(
    group: GroupArgument,
    name: Annotated[str, typer.Option(help="What it is called.")] = "",
    inside: Annotated[bool, typer.Option("--inside", help="Only people who log in here may write to it.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Make a group, without members."""
    address = parse_address(group)
    write_store(config, lambda tx: admin_reach.add_group(tx, OPERATOR, address, name, inside=inside))
    typer.echo(f"{address} is a group; next: waxseal group add-member {address} ann@{address.domain}")


@app.command("add-member")
def add_member(
    group: GroupArgument,
    members: MembersArgument,
    sends: Annotated[bool, typer.Option("--sends", help="They may send as the group.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Add members to a group, or change what they may."""
    address, parsed = parse_address(group), [parse_address(text) for text in members]

    def work(tx: Writing) -> None:
        for member in parsed:
            admin_reach.put_member(tx, OPERATOR, address, member, may_send=sends)

    write_store(config, work)
    typer.echo(f"mail for {address} goes to {', '.join(map(str, parsed))}, too")


@app.command("remove-member")
def remove_member(group: GroupArgument, members: MembersArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Take members out of a group."""
    address, parsed = parse_address(group), [parse_address(text) for text in members]

    def work(tx: Writing) -> None:
        for member in parsed:
            admin_reach.remove_member(tx, OPERATOR, address, member)

    write_store(config, work)
    typer.echo(f"mail for {address} goes to {', '.join(map(str, parsed))} no longer")


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print the groups, one a line: address, name, who may write, members ("*" may send as it)."""
    found = read_store(config, lambda tx: admin_reach.list_groups(tx, OPERATOR))
    for group, members in found:
        who = ",".join(f"{member.address}{'*' if member.may_send else ''}" for member in members)
        typer.echo("\t".join([group.address, group.name, "inside" if group.inside else "anybody", who]))


@app.command()
def remove(group: GroupArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Take a group away; its members keep their mail."""
    address = parse_address(group)
    write_store(config, lambda tx: admin_reach.remove_group(tx, OPERATOR, address))
    typer.echo(f"{address} is no group any more")
