"""`waxseal hold add|list|remove|export`: mail that must not be deleted for good."""

from __future__ import annotations

import time
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated

import trio
import typer

from node.anchor import audit
from node.base.address import parse_address
from node.base.errors import Permanent
from node.cli.settings import ConfigOption, load_settings, read_store, with_database, write_store
from node.service.stored_mail import open_mail
from node.store import accounts, holds, mailboxes
from node.store.blobs import Blobs
from node.store.database import Database, Reading, Writing
from node.store.holds import Hold, KeptBack

app = typer.Typer(help="Mail that must not be deleted for good while a legal hold lasts.", no_args_is_help=True)
PAGE = 100  # messages looked at together

NumberArgument = Annotated[int, typer.Argument(metavar="NUMBER", help="As `waxseal hold list` shows it.")]


@app.command()
def add(
    address: Annotated[str, typer.Argument(help="The person.")],
    mailbox: Annotated[str, typer.Option(help="One of their mailboxes alone.")] = "",
    reason: Annotated[str, typer.Option(help="What for: the matter, who asked.")] = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Keep from now on what is deleted there. The person sees their mail go as always."""

    def work(tx: Writing) -> int:
        person = accounts.find(tx, parse_address(address))
        if person is None:
            raise Permanent(f"{address} has no account; `waxseal account list` shows who has")
        box = mailboxes.find(tx, person.id, mailbox) if mailbox else None
        if mailbox and box is None:
            raise Permanent(f"{address} has no mailbox {mailbox}")
        place = (box.id, box.name) if box else (0, "")
        number = holds.add(tx, person.id, person.address, place, reason)
        details: dict[str, audit.Detail] = {"hold": number, "mailbox": place[1], "reason": reason}
        audit.record(tx, audit.Kind.LEGAL_HOLD_BEGAN, audit.OPERATOR, person.address, details)
        return number

    number = write_store(config, work)
    typer.echo(f"hold {number} on {address}; its end: waxseal hold remove {number}")


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print the holds, one a line: number, since, person, mailbox, messages deleted since, their octets, reason."""
    for hold in read_store(config, holds.listing):
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(hold.since))
        fields = [str(hold.id), since, hold.address, hold.mailbox or "*", str(hold.messages), str(hold.octets)]
        typer.echo("\t".join([*fields, hold.reason]))


@app.command()
def remove(number: NumberArgument, config: ConfigOption = Path("waxseal.toml")) -> None:
    """End a hold: what it kept is deleted for good within the hour, unless another hold keeps it, too."""

    def work(tx: Writing) -> Hold:
        hold = _existing(tx, number)
        holds.remove(tx, number)
        details: dict[str, audit.Detail] = {"hold": number, "mailbox": hold.mailbox, "deleted": hold.messages}
        audit.record(tx, audit.Kind.LEGAL_HOLD_ENDED, audit.OPERATOR, hold.address, details)
        return hold

    hold = write_store(config, work)
    typer.echo(f"hold {number} on {hold.address} is over; {hold.messages} deleted messages are let go")


@app.command()
def export(
    number: NumberArgument,
    folder: Annotated[Path, typer.Argument(help="Is made; a file for each message.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Write what was deleted under a hold into a folder: NUMBER-SHA256.eml, octet for octet as it came."""
    settings = load_settings(config)

    async def work(database: Database) -> int:
        await database.read(partial(_existing, number=number))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        written = last = 0
        async with open_mail(settings, database) as stored:
            while rows := await database.read(partial(holds.kept, id=number, after=last, limit=PAGE)):
                for one in rows:
                    await _write(stored, one, folder)
                last, written = rows[-1].id, written + len(rows)
        return written

    typer.echo(f"{with_database(settings, work)} messages written to {folder}")


async def _write(stored: Blobs, one: KeptBack, folder: Path) -> None:
    name = folder / f"{one.id}-{one.sha256.hex()}.eml"
    async with await trio.open_file(name, "wb") as file, aclosing(stored.stream(one.blob_id)) as chunks:
        async for chunk in chunks:
            await file.write(chunk)


def _existing(tx: Reading, number: int) -> Hold:
    hold = holds.get(tx, number)
    if hold is None:
        raise Permanent(f"there is no hold {number}; `waxseal hold list` shows which there are")
    return hold
