"""`waxseal share add|list|remove`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from node.base.address import parse_address
from node.cli.settings import ConfigOption, read_store, write_store
from node.directory import admin_reach
from node.directory.admin import OPERATOR
from node.store.database import Writing
from node.store.directory import delegates

app = typer.Typer(help="Mailboxes that several people open (docs/directory.md).", no_args_is_help=True)

MailboxArgument = Annotated[str, typer.Argument(metavar="MAILBOX", help="The address of the shared account.")]
PeopleArgument = Annotated[list[str], typer.Argument(metavar="PEOPLE...", help="Who is to open it.")]


@app.command()
def add(
    mailbox: MailboxArgument,
    people: PeopleArgument,
    sends: Annotated[bool, typer.Option("--sends", help="They may send as it, too.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Let people open an account with their own app passwords."""
    shared, who = parse_address(mailbox), [parse_address(text) for text in people]

    def work(tx: Writing) -> None:
        for person in who:
            admin_reach.share(tx, OPERATOR, shared, person, may_send=sends)

    write_store(config, work)
    for person in who:
        typer.echo(f"{person} opens it as {shared}/{person}, with an app password of {person}")


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print who may open what, one a line: shared mailbox, person."""
    for shared, person in read_store(config, delegates.everything):
        typer.echo(f"{shared.address}\t{person.address}")


@app.command()
def remove(mailbox: MailboxArgument, people: PeopleArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """End that; open sessions end soon after."""
    shared, who = parse_address(mailbox), [parse_address(text) for text in people]

    def work(tx: Writing) -> None:
        for person in who:
            admin_reach.unshare(tx, OPERATOR, shared, person)

    write_store(config, work)
    typer.echo(f"{', '.join(map(str, who))} may open {shared} no longer")
