"""`waxseal dns show|check`: what a mail domain wants in the DNS, and what is there."""

from __future__ import annotations

import time
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import trio
import typer

from node.cli.dkim import DomainArgument, own_domain
from node.cli.settings import ConfigOption, load_settings
from node.mailauth import dns_records
from node.mailauth.dns_records import Checked, Record, State
from node.net.dns_auth import DnsAuth, open_resolver
from node.service.folders import Folders
from node.store import dkim_keys

app = typer.Typer(help="The DNS records of your domains: print them, check them.", no_args_is_help=True)

ServerOption = Annotated[
    list[str] | None,
    typer.Option("--server", help="Ask this name server, ADDRESS or ADDRESS:PORT; more than one may be named."),
]


@app.command()
def show(name: DomainArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print the records as a zone file would have them. Makes the domain's DKIM keys where it has none."""
    for record in _records(config, own_domain(config, name)):
        typer.echo(f"; {record.role}: {record.why}")
        typer.echo(record.line)


@app.command()
def check(name: DomainArgument, server: ServerOption = None, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Ask the DNS for the records and say what differs; exit code 1 when something does, 3 when it did not answer."""
    records, hostname = _records(config, own_domain(config, name)), load_settings(config).hostname
    servers = [_server(text) for text in server or ()]

    async def ask() -> list[Checked]:
        return await dns_records.check(records, hostname, DnsAuth(open_resolver(servers)))

    found = trio.run(ask)
    for one in found:
        typer.echo(f"{one.state}\t{one.record.role}\t{one.record.name}\t{one.record.kind}")
        if one.state is not State.FINE:
            typer.echo(f"  wanted: {one.record.line if one.record.value else one.record.why}")
            for text in one.found:
                typer.echo(f"  found:  {text}")
    states = {one.state for one in found}
    if states & {State.MISSING, State.DIFFERS}:
        raise typer.Exit(1)
    if State.UNKNOWN in states:
        raise typer.Exit(3)


def _records(config: Path, domain: str) -> list[Record]:
    settings, now = load_settings(config), int(time.time())
    keys = dkim_keys.load_or_make(Folders(settings.data).dkim, domain, now)
    return dns_records.wanted(domain, settings.hostname, [one.key for one in keys if one.is_published(now)])


def _server(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        host, port = text, "53"
    try:
        return str(ip_address(host.strip("[]"))), int(port)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no address: write 192.0.2.1, 192.0.2.1:53 or [2001:db8::1]:53") from None
