"""`waxseal account passkeys|remove-passkey`: what people log in with, when they lost it, for whoever runs the node."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from node.anchor import audit
from node.auth.ways_in import count
from node.base.address import Address, parse_address
from node.base.errors import Permanent
from node.cli.settings import ConfigOption, read_store, write_store
from node.store import accounts, passkeys, web_sessions
from node.store.accounts import Account
from node.store.passkeys import Passkey
from node.store.transaction import Reading, Writing


def listing(
    address: Annotated[str, typer.Argument(help="Whose account.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print somebody's passkeys, one a line: number, name, where it is kept, day it was added, last login (UTC)."""
    parsed = parse_address(address)

    def query(tx: Reading) -> list[Passkey]:
        return passkeys.of_account(tx, _existing(tx, parsed).id)

    for row in read_store(config, query):
        kept = "synced" if row.is_synced else "one device"
        used = "never" if row.last_used is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(row.last_used))
        added = time.strftime("%Y-%m-%d", time.gmtime(row.created))
        typer.echo("\t".join([str(row.id), row.name, kept, added, used]))


def remove(
    address: Annotated[str, typer.Argument(help="Whose account.")],
    numbers: Annotated[list[int], typer.Argument(metavar="NUMBERS...", help="As `passkeys` prints them.", min=1)],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Let passkeys log in to an account no longer, and end its browser sessions."""
    parsed = parse_address(address)

    def work(tx: Writing) -> tuple[list[str], int]:
        account = _existing(tx, parsed)
        gone = [_removed(tx, account, number) for number in dict.fromkeys(numbers)]
        web_sessions.remove_all(tx, account.id)  # one of them may have been opened with the lost passkey
        return gone, count(tx, account.id)

    names, others = write_store(config, work)
    typer.echo(f"{', '.join(names)}: may log in as {parsed} no longer")
    if not others:
        typer.echo(
            "Nothing is left to log in to the pages with: see `waxseal account wallet`; app passwords still work"
        )


def _removed(tx: Writing, account: Account, number: int) -> str:
    gone = passkeys.remove(tx, account.id, number)
    if gone is None:
        raise Permanent(f"{account.address} has no passkey {number}; `waxseal account passkeys` shows which there are")
    audit.record(tx, audit.Kind.PASSKEY_REMOVED, audit.OPERATOR, account.address, {"name": gone.name})
    return gone.name


def _existing(tx: Reading, address: Address) -> Account:
    account = accounts.find(tx, address)
    if account is None:
        raise Permanent(f"{address} has no account; `waxseal account list` shows who has")
    return account
