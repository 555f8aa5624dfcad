"""`waxseal dkim list|rotate`: the keys that sign mail."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from node.base.address import normalize_domain
from node.base.errors import Permanent
from node.cli.settings import ConfigOption, load_settings, read_store
from node.mailauth import dns_records
from node.service.folders import Folders
from node.store import dkim_keys, domains

app = typer.Typer(help="The keys that sign your people's mail (DKIM): list them, replace them.", no_args_is_help=True)

DAY = 86400
DomainArgument = Annotated[str, typer.Argument(help="A domain of this node.")]


def own_domain(config: Path, name: str) -> str:
    """A domain of this node, as A-labels.

    Raises:
        Permanent: it is not.
    """
    domain = normalize_domain(name)
    if domain not in read_store(config, domains.listing):
        raise Permanent(f"{domain} is no domain of this node; `waxseal domain list` shows them")
    return domain


@app.command("list")
def listing(
    name: Annotated[str, typer.Argument(help="A domain; left out: all.")] = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print the keys, one a line: domain, selector, algorithm, and what each does now."""
    folder, now = Folders(load_settings(config).data).dkim, time.time()
    for domain in [own_domain(config, name)] if name else read_store(config, domains.listing):
        for one in dkim_keys.load(folder, domain):
            typer.echo("\t".join((domain, one.key.selector, one.key.algorithm, _now(one, now))))


@app.command()
def rotate(
    name: DomainArgument,
    publish_days: Annotated[
        float,
        typer.Option(help="Days you have to publish the new records before they sign; 0: at once.", min=0, max=90),
    ] = 2,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Make a new pair of keys and print its records. The old pair signs until the new one does."""
    domain, settings, now = own_domain(config, name), load_settings(config), int(time.time())
    folder = Folders(settings.data).dkim
    gone = dkim_keys.clear(folder, domain, now)
    since = now + int(publish_days * DAY)
    before = {one.key.selector for one in dkim_keys.load(folder, domain)}
    made = [one.key for one in dkim_keys.make(folder, domain, since) if one.key.selector not in before]
    for record in dns_records.wanted(domain, settings.hostname, made):
        if record.role == "dkim":
            typer.echo(record.line)
    typer.echo(
        f"Publish these before {_moment(since)}, when they begin to sign; `waxseal dns check {domain}` looks. "
        "Leave the records of the old pair where they are for a week after that.",
        err=True,
    )
    if gone:
        typer.echo(f"These may leave the DNS now: {', '.join(sorted(gone))}", err=True)


def _now(one: dkim_keys.DkimKey, now: float) -> str:
    if one.since > now:
        return f"signs from {_moment(one.since)}"
    if one.until is None or one.until > now:
        return "signs" if one.until is None else f"signs until {_moment(one.until)}"
    stays = _moment(one.until + dkim_keys.OVERLAP)
    return f"replaced; its record stays until {stays}" if one.is_published(now) else "its record may go"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
