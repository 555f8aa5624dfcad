"""`waxseal invitation make|list|remove`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from node.anchor import audit
from node.auth.signup import invitation_digest, new_invitation
from node.base.address import normalize_domain
from node.base.errors import Permanent
from node.cli.settings import ConfigOption, load_settings, read_store, with_database, write_store
from node.store import domains, newcomers
from node.store.database import Writing
from node.store.newcomers import Invitation

app = typer.Typer(help="Invitations: codes that let somebody open a mailbox (docs/gates.md).", no_args_is_help=True)
DAY = 86400


@app.command()
def make(
    domain: Annotated[str, typer.Argument(help="Where the mailbox may be opened.")],
    days: Annotated[int, typer.Option(min=1, max=365, help="So long it is good.")] = 7,
    note: Annotated[str, typer.Option(help="For whom; only you see it.")] = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print a code that is good once. It is shown this once; only its hash is kept."""
    settings = load_settings(config)
    name, (code, digest) = normalize_domain(domain), new_invitation()
    ends = int(time.time()) + days * DAY

    def work(tx: Writing) -> None:
        if not domains.exists(tx, name):
            raise Permanent(f"{name} is no domain of this node; first: waxseal domain add {name}")
        newcomers.invite(tx, Invitation(digest, name, note[:200], ends))
        audit.record(tx, audit.Kind.INVITED, audit.OPERATOR, name, {"note": note[:200], "days": days})

    with_database(settings, lambda database: database.write(work))
    typer.echo(code)
    if not settings.signup.enabled:
        typer.echo("but nobody can use it yet: sign-up is off ([signup] enabled = true)", err=True)


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print invitations nobody has used, one a line: domain, last day, note."""
    for each in read_store(config, newcomers.invitations):
        typer.echo("\t".join([each.domain, f"{datetime.fromtimestamp(each.expires, UTC):%Y-%m-%d}", each.note]))


@app.command()
def remove(
    code: Annotated[str, typer.Argument(help="As it was printed.")], config: ConfigOption = Path("waxseal.toml")
) -> None:
    """Take an invitation back."""
    digest = invitation_digest(code)

    def work(tx: Writing) -> bool:
        gone = newcomers.withdraw(tx, digest)
        if gone:
            audit.record(tx, audit.Kind.INVITATION_WITHDRAWN, audit.OPERATOR)
        return gone

    if not write_store(config, work):
        raise Permanent("there is no such invitation: it was used, has ended, or was mistyped")
    typer.echo("taken back")
