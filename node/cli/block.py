"""`waxseal block list|remove`: networks that are shut out from logging in."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from node.anchor import audit
from node.auth.throttle import network as counted
from node.base.errors import Permanent
from node.cli.settings import ConfigOption, load_settings, read_store, with_database
from node.store import blocked_networks
from node.store.database import Database
from node.store.transaction import Writing

app = typer.Typer(help="Networks that attacked accounts and are shut out for a while.", no_args_is_help=True)


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print them, one a line: network, since, until (UTC), or "over"; times in a week, failed logins, names tried."""
    now = time.time()
    for block in read_store(config, blocked_networks.listing):
        until = _moment(block.until) if block.until > now else "over"
        counts = f"{block.times} times", f"{block.failures} failures", f"{block.names} names"
        typer.echo("\t".join([block.network, _moment(block.since), until, *counts]))


@app.command()
def remove(
    networks: Annotated[list[str], typer.Argument(metavar="NETWORKS...", help="As `list` shows them, or an address.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Let networks log in again, within seconds, and forget what they did."""

    async def forget(database: Database, name: str) -> bool:
        def work(tx: Writing) -> bool:
            gone = blocked_networks.remove(tx, name)
            if gone:
                audit.record(tx, audit.Kind.NETWORK_UNBLOCKED, audit.OPERATOR, name)
            return gone

        return await database.write(work)

    settings = load_settings(config)
    for text in networks:
        name = text if "/" in text else counted(text)
        if not with_database(settings, partial(forget, name=name)):
            raise Permanent(f"{name} is not shut out; `waxseal block list` shows which networks are")
        typer.echo(f"{name} may log in again")


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
