"""`waxseal quota show|set`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from node.base.address import parse_address
from node.cli.settings import ConfigOption, load_settings, with_database, write_store
from node.directory import admin, admin_reach
from node.directory.admin import OPERATOR
from node.store.database import Reading
from node.store.directory import quotas
from node.store.directory.quotas import Amount

app = typer.Typer(help="How much mail people and domains may hold (docs/directory.md).", no_args_is_help=True)

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


@app.command("set")
def set_(
    target: Annotated[str, typer.Argument(help="A person's address, or a domain for all its people together.")],
    storage: Annotated[str, typer.Argument(help="Like 500M or 10G (of 1024); 0 sets no limit.")],
    messages: Annotated[int, typer.Option(help="How many messages; 0 sets no limit.", min=0)] = 0,
    each: Annotated[
        bool, typer.Option("--each", help="With a domain: the limit of everybody in it without one of their own.")
    ] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Limit how much mail a person or a domain holds. What is there already stays."""
    limit = Amount(octets(storage), messages)
    write_store(config, lambda tx: admin_reach.set_quota(tx, OPERATOR, target, limit, each=each))
    typer.echo(f"{target}: {_told(limit)}")


@app.command()
def show(
    address: Annotated[str, typer.Argument(help="A person's address; left out: all quotas that are set.")] = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print quotas, one a line: for whom, of what kind, limit; or what one person holds, and may."""
    settings = load_settings(config)
    if not address:
        for one in with_database(settings, lambda database: database.read(quotas.listing)):
            typer.echo("\t".join([one.target, one.use, _told(one.limit)]))
        return
    parsed = parse_address(address)

    def query(tx: Reading) -> tuple[Amount, Amount | None]:
        account = admin.person_of(tx, OPERATOR, parsed)
        return quotas.used(tx, account.id), quotas.limit_of(tx, account.id)

    used, limit = with_database(settings, lambda database: database.read(query))
    told = "no limit" if limit is None else f"of {_told(limit)}"
    typer.echo(f"{parsed}: {used.storage} octets, {used.messages} messages; {told}")


def octets(text: str) -> int:
    """The number that "10G" stands for.

    Raises:
        BadParameter: it stands for none.
    """
    found = re.fullmatch(r"([0-9]{1,15})([KMGT]?)", text.strip().upper().removesuffix("B").removesuffix("I"))
    if found is None:
        raise typer.BadParameter(f"{text!r} is no size: write 500M or 10G")
    return int(found[1]) * _UNITS[found[2]]


def _told(limit: Amount) -> str:
    storage = f"{limit.storage} octets" if limit.storage else "any size"
    return f"{storage}, {limit.messages} messages" if limit.messages else f"{storage}, any number of messages"
