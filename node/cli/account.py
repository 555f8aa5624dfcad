"""`waxseal account add|remove|reserved|release|wallet|remove-wallet|passkeys|list|password|unlock|events`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from identity.caip import wallet_subject
from identity.refusal import Refusal
from node.anchor import audit
from node.auth.app_passwords import AppPasswords
from node.auth.gate import SCOPES
from node.auth.ways_in import count
from node.base.address import Address, parse_address
from node.base.errors import Permanent
from node.cli import account_passkeys, account_remove
from node.cli.account_did import app as did_app
from node.cli.account_oidc import app as oidc_app
from node.cli.settings import ConfigOption, load_settings, read_store, with_database, write_store
from node.flow.sending import unlock as lift
from node.store import accounts, domains, security_events, web_sessions
from node.store.accounts import Account
from node.store.database import Database, Reading, Writing
from node.store.security_events import SecurityEvent

app = typer.Typer(help="The people of this node.", no_args_is_help=True)
app.add_typer(did_app, name="did")
app.add_typer(oidc_app, name="oidc")
app.command("remove")(account_remove.remove)
app.command("reserved")(account_remove.reserved)
app.command("release")(account_remove.release)
app.command("passkeys")(account_passkeys.listing)
app.command("remove-passkey")(account_passkeys.remove)


@app.command()
def add(
    address: Annotated[str, typer.Argument(help="For example ann@example.org.")],
    wallet: Annotated[
        list[str], typer.Option("--wallet", help="Wallet that may log in, as for `wallet`; repeatable.")
    ] = [],  # noqa: B006
    name: Annotated[str, typer.Option(help="How the person is called.")] = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Open an account, with the wallets that may log in to it."""
    parsed = parse_address(address)
    subjects = list(dict.fromkeys(_wallet_subject(text) for text in wallet))

    def work(tx: Writing) -> Account:
        return open_account(tx, parsed, name, subjects)

    made = write_store(config, work)
    typer.echo(f"{made.address} has an account")
    if not subjects:
        typer.echo(
            "Nobody can log in to it yet: add a wallet with `waxseal account wallet`, "
            "or an app password with `waxseal account password`"
        )


def _wallet_subject(text: str) -> str:
    subject = wallet_subject(text)
    if isinstance(subject, Refusal):
        raise Permanent(subject.words)
    return subject


def open_account(tx: Writing, address: Address, name: str, subjects: list[str]) -> Account:
    """Open an account in a domain of ours and bind its identities to it.

    Raises:
        Permanent: the domain is not ours, the address is taken, or an identity is somebody else's.
    """
    if not domains.exists(tx, address.domain):
        raise Permanent(f"{address.domain} is no domain of this node; first: waxseal domain add {address.domain}")
    if accounts.find(tx, address):
        raise Permanent(f"{address} has an account already")
    account = accounts.add(tx, address, name)
    audit.record(tx, audit.Kind.PERSON_ADDED, audit.OPERATOR, account.address)
    for identity in subjects:
        bind(tx, account, identity)
    return account


def bind(tx: Writing, account: Account, identity: str) -> None:
    """Let an identity log in to an account.

    Raises:
        Permanent: it is somebody's already.
    """
    owner = accounts.bound(tx, identity)
    if owner:
        raise Permanent(f"{identity} belongs to {owner.address} already")
    accounts.bind(tx, account.id, identity)
    audit.record(tx, audit.Kind.IDENTITY_BOUND, audit.OPERATOR, account.address, {"identity": identity})


@app.command()
def wallet(
    address: Annotated[str, typer.Argument(help="Whose account.")],
    wallets: Annotated[list[str], typer.Argument(metavar="WALLET...", help="Wallets that may log in.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Let more wallets log in to an account.

    A wallet is 0x... (its key signs, whatever the chain), eip155:1:0x... (a contract wallet on that chain, which
    [chains] rpc must name), or the address of a Solana wallet.
    """
    parsed = parse_address(address)
    subjects = list(dict.fromkeys(_wallet_subject(text) for text in wallets))

    def work(tx: Writing) -> None:
        account = _existing(tx, parsed)
        for identity in subjects:
            bind(tx, account, identity)

    write_store(config, work)
    typer.echo(f"{', '.join(subjects)} may log in as {parsed}")


@app.command("remove-wallet")
def remove_wallet(
    address: Annotated[str, typer.Argument(help="Whose account.")],
    wallets: Annotated[list[str], typer.Argument(metavar="WALLET...", help="Wallets that may log in no longer.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Let wallets log in to an account no longer, and end its browser sessions."""
    parsed = parse_address(address)
    subjects = list(dict.fromkeys(_wallet_subject(text) for text in wallets))

    def work(tx: Writing) -> bool:
        account = _existing(tx, parsed)
        for identity in subjects:
            if not accounts.unbind(tx, account.id, identity):
                raise Permanent(f"{identity} cannot log in as {parsed}; `waxseal account list` shows what can")
            audit.record(tx, audit.Kind.IDENTITY_UNBOUND, audit.OPERATOR, account.address, {"identity": identity})
        web_sessions.remove_all(tx, account.id)  # one of them may have been opened with the lost wallet
        return bool(count(tx, account.id))

    others = write_store(config, work)
    typer.echo(f"{', '.join(subjects)} may log in as {parsed} no longer")
    if not others:
        typer.echo("No wallet is left, nor a passkey; app passwords still work: see `waxseal account password`")


def _existing(tx: Reading, address: Address) -> Account:
    account = accounts.find(tx, address)
    if account is None:
        raise Permanent(f"{address} has no account; `waxseal account list` shows who has")
    return account


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print the accounts, one a line: address, name, wallets."""

    def query(tx: Reading) -> list[tuple[Account, list[str]]]:
        return [(account, accounts.identities(tx, account.id)) for account in accounts.listing(tx)]

    for account, subjects in read_store(config, query):
        typer.echo("\t".join([account.address, account.name, ",".join(subjects)]))


@app.command()
def password(
    address: Annotated[str, typer.Argument(help="Whose mail client is to log in.")],
    name: Annotated[str, typer.Option(help="What to call it, so that you know it again.")] = "made by the operator",
    scopes: Annotated[str, typer.Option(help="Comma-separated: imap, smtp.")] = "imap,smtp",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Make an app password for somebody's mail client and print it, once."""
    parsed = parse_address(address)
    chosen = {word.strip() for word in scopes.split(",")}
    if unknown := chosen.difference(SCOPES):
        raise typer.BadParameter(f"there is no scope {min(unknown)!r}; choose of: {', '.join(sorted(SCOPES))}")

    async def work(database: Database) -> str:
        account = await database.read(lambda tx: _existing(tx, parsed))
        made = await AppPasswords(database).create(account, name, chosen, audit.OPERATOR)
        return made.password

    typer.echo(with_database(load_settings(config), work))


@app.command()
def unlock(
    address: Annotated[str, typer.Argument(help="Whose sending is locked or slowed down.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Let somebody send again, and for a day more than usual; first find out what happened."""
    parsed = parse_address(address)

    def work(tx: Writing) -> bool:
        return lift(tx, _existing(tx, parsed).id, time.time(), "administrator")

    done = write_store(config, work)
    typer.echo(f"{parsed} may send again" if done else f"{parsed} was not restricted")


@app.command()
def events(
    address: Annotated[str, typer.Argument(help="Whose account.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print what was noticed, newest first: time (UTC), kind, network, app password, what was counted, details."""
    parsed = parse_address(address)

    def query(tx: Reading) -> list[SecurityEvent]:
        return security_events.recent(tx, _existing(tx, parsed).id)

    for event in read_store(config, query):
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(event.time))
        counted = (
            f"{event.messages} messages, {event.recipients} recipients, {event.fresh} new" if event.recipients else ""
        )
        typer.echo("\t".join([at, event.kind, event.network, event.app_password, counted, event.details]))
