"""`waxseal account remove|reserved|release`: taking people away, and what becomes of their addresses."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from node.base.address import parse_address
from node.base.errors import Permanent
from node.cli.settings import ConfigOption, load_settings, read_store, with_database, write_store
from node.directory import removal
from node.directory.admin import OPERATOR
from node.directory.removal import RESERVED_DAYS, Estate
from node.store.directory.reserved import FOREVER


def remove(
    address: Annotated[str, typer.Argument(help="Whose account.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without this, only say what would go.")] = False,
    reserve_days: Annotated[
        int, typer.Option(help="Nobody gets the address for so many days; 0: at once, -1: for ever.", min=-1, max=36500)
    ] = RESERVED_DAYS,
    with_held: Annotated[bool, typer.Option("--with-held", help="Drop mail that is held for them, too.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Take an account away for good, with its mail and every way in; first says what there is.

    Aliases go, groups, shares, gates and catch-alls forget it, open sessions end, and mail to the address is refused.
    """
    parsed, settings = parse_address(address), load_settings(config)
    if not yes:
        left = with_database(settings, lambda database: database.read(lambda tx: removal.estate(tx, OPERATOR, parsed)))
        _tell(left)
        raise Permanent("nothing was taken away; say --yes if all this may go, and have a backup")
    days = None if reserve_days < 0 else reserve_days
    left = with_database(
        settings,
        lambda database: database.write(
            lambda tx: removal.remove_person(tx, OPERATOR, parsed, reserve_days=days, with_held=with_held)
        ),
    )
    _tell(left)
    typer.echo(f"{left.account.address} is gone")


def _tell(left: Estate) -> None:
    typer.echo(f"{left.account.address}: {left.mail.messages} messages, {left.mail.storage} octets; {left.held} held")
    for what, which in (("aliases", left.aliases), ("in groups", left.groups), ("shared with", left.shared_with)):
        if which:
            typer.echo(f"{what}: {', '.join(which)}")


def reserved(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print addresses that nobody gets for now, one a line: address, until when (UTC)."""
    found = read_store(config, lambda tx: removal.list_reserved(tx, OPERATOR))
    for key, until in found:
        typer.echo(f"{key}\t{'for ever' if until == FOREVER else time.strftime('%Y-%m-%d', time.gmtime(until))}")


def release(
    address: Annotated[str, typer.Argument(help="As `account reserved` shows it.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Let an address that is kept back be given out again."""
    parsed = parse_address(address)
    write_store(config, lambda tx: removal.release(tx, OPERATOR, parsed))
    typer.echo(f"{parsed} may be given out again")
