"""`waxseal held list|show|release|drop`: mail that was accepted and is kept back from the mailboxes."""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from node.base.errors import Permanent
from node.cli.settings import ConfigOption, load_settings, with_database
from node.flow.held import drop as give_up
from node.flow.held import release as set_free
from node.service.stored_mail import open_mail
from node.store import held
from node.store.database import Database
from node.store.held import Held

app = typer.Typer(help="Mail that is held back until you decide.", no_args_is_help=True)
PAGE = 500  # rows read at a time
_SHOWN = 16 << 10  # octets of a header

Numbers = Annotated[list[int], typer.Argument(metavar="NUMBERS...", help="As `waxseal held list` shows them.")]


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print held messages, one a line: number, received (UTC), from, to, subject, reason, days left."""
    now = time.time()

    async def work(database: Database) -> None:
        after = 0
        while rows := await database.read(partial(held.listing, after=after, limit=PAGE)):
            for message in rows:
                left = max(0, round((message.expires - now) / 86400))
                fields = [str(message.id), *_words(message), message.verdict, f"{left} days"]
                typer.echo("\t".join(fields))
            after = rows[-1].id

    with_database(load_settings(config), work)


def _words(message: Held) -> tuple[str, ...]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(message.received))
    who = message.author or message.sender or "<>"
    return at, who, ",".join(message.recipients.values()), message.subject


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="As `waxseal held list` shows it.")],
    raw: Annotated[bool, typer.Option("--raw", help="Print the message itself, octet for octet.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print one held message: what is known of it, why it is held, and its header."""
    settings = load_settings(config)

    async def work(database: Database) -> tuple[Held, bytes]:
        message = await database.read(lambda tx: held.get(tx, number))
        if message is None:
            raise Permanent(f"there is no held message {number}; `waxseal held list` shows which there are")
        async with open_mail(settings, database) as stored:  # a header needs no attachment that may be out of reach
            return message, await stored.read(message.blob_id, 0, None if raw else _SHOWN)

    message, content = with_database(settings, work)
    if raw:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
        return
    at, author, recipients, subject = _words(message)
    expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(message.expires))
    for name, value in (
        ("number", number),
        ("received", at),
        ("until", expires),
        ("from", author),
        ("envelope", message.sender or "<>"),
        ("to", recipients),
        ("subject", subject),
        ("octets", message.size),
        ("verdict", message.verdict),
        ("why", message.why),
    ):
        typer.echo(f"{name}: {value}")
    head = content.partition(b"\r\n\r\n")[0][:_SHOWN].decode("utf-8", "replace")
    lines = ("".join(c if c.isprintable() or c == "\t" else "?" for c in line) for line in head.splitlines())
    typer.echo("\n" + "\n".join(lines))


@app.command()
def release(
    numbers: Numbers,
    junk: Annotated[bool, typer.Option("--junk", help="Into Junk instead of the inbox.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Put held messages into the mailboxes they were meant for."""
    folder = "\\Junk" if junk else ""

    async def work(database: Database) -> None:
        for number in numbers:
            reached = await database.write(partial(set_free, number=number, folder=folder))
            typer.echo(f"{number} released to {', '.join(reached)}")

    with_database(load_settings(config), work)


@app.command()
def drop(numbers: Numbers, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Give held messages up for good; nobody is told."""

    async def work(database: Database) -> None:
        for number in numbers:
            message = await database.write(partial(give_up, number=number))
            typer.echo(f"{number} dropped: {message.author or message.sender or '<>'}: {message.subject}")

    with_database(load_settings(config), work)
