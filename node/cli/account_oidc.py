"""`waxseal account oidc bind|unbind|list`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from identity.oidc import is_subject
from node.anchor import audit
from node.base.address import Address, parse_address
from node.base.errors import Permanent
from node.cli.settings import ConfigOption, load_settings, read_store, with_database, write_store
from node.store import accounts, oidc_subjects, web_sessions
from node.store.accounts import Account
from node.store.database import Reading, Writing

app = typer.Typer(help="People of outside OpenID providers who log in.", no_args_is_help=True)

AddressArgument = Annotated[str, typer.Argument(metavar="ADDRESS", help="Whose account.")]
IssuerArgument = Annotated[str, typer.Argument(metavar="ISSUER", help="As in [[oidc.providers]].")]
SubjectArgument = Annotated[str, typer.Argument(metavar="SUBJECT", help="Their `sub` there; no address.")]


@app.command()
def bind(
    address: AddressArgument,
    issuer: IssuerArgument,
    subject: SubjectArgument,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Let a person of a provider log in to an account."""
    parsed, settings = parse_address(address), load_settings(config)
    if issuer not in {one.issuer for one in settings.oidc.providers}:
        raise Permanent(f"{issuer} is no issuer of [[oidc.providers]] in {config}; it has to be the same text")
    if not is_subject(subject):
        raise Permanent("a subject has 1 to 255 printable characters of ASCII")

    def work(tx: Writing) -> None:
        account = _existing(tx, parsed)
        oidc_subjects.bind(tx, account.id, issuer, subject)
        named = {"identity": subject, "issuer": issuer}
        audit.record(tx, audit.Kind.IDENTITY_BOUND, audit.OPERATOR, account.address, named)

    with_database(settings, lambda database: database.write(work))
    typer.echo(f"{subject} of {issuer} may log in as {parsed}")


@app.command()
def unbind(
    address: AddressArgument,
    issuer: IssuerArgument,
    subject: SubjectArgument,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Let them log in no longer, and end the account's browser sessions."""
    parsed = parse_address(address)

    def work(tx: Writing) -> None:
        account = _existing(tx, parsed)
        if not oidc_subjects.unbind(tx, account.id, issuer, subject):
            raise Permanent(f"{subject} of {issuer} does not log in as {parsed}; see `waxseal account oidc list`")
        web_sessions.remove_all(tx, account.id)
        named = {"identity": subject, "issuer": issuer}
        audit.record(tx, audit.Kind.IDENTITY_UNBOUND, audit.OPERATOR, account.address, named)

    write_store(config, work)
    typer.echo(f"{subject} of {issuer} may log in as {parsed} no longer")


@app.command(name="list")
def listing(address: AddressArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print issuers and subjects that log in to an account."""
    parsed = parse_address(address)

    def query(tx: Reading) -> list[tuple[str, str]]:
        return oidc_subjects.listing(tx, _existing(tx, parsed).id)

    for issuer, subject in read_store(config, query):
        typer.echo(f"{issuer}\t{subject}")


def _existing(tx: Reading, address: Address) -> Account:
    account = accounts.find(tx, address)
    if account is None:
        raise Permanent(f"{address} has no account; `waxseal account list` shows who has")
    return account
