"""`waxseal learn spam|ham|status|undo|export|reset`: what the node and its people were taught."""

from __future__ import annotations

import base64
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ai.classifier import Classifier
from ai.heads import NODE, PERSON, Head, HeadError, Policy
from ai.lessons import Facts, facts_of, unpack_facts
from ai.locate import find_model
from ai.manifest import ModelError
from ai.teachers import Source
from node.anchor import audit
from node.base.address import parse_address
from node.base.config import Settings
from node.base.errors import ConfigError, Permanent
from node.checks.learned import log_odds
from node.cli.settings import ConfigOption, load_settings, read_store, with_database
from node.flow.teaching import lesson, remake, teach
from node.store import accounts, heads, lessons
from node.store.database import Database, Reading, Writing
from node.store.heads import Stored
from node.store.lessons import Kept

app = typer.Typer(help="What the node and its people were taught about spam.", no_args_is_help=True)

LOOKED_AT = 256 << 10  # octets of a message, as many as the node looks at

AccountOption = Annotated[str, typer.Option("--account", help="A person's own head; left out: the node's.")]
FilesArgument = Annotated[
    list[Path], typer.Argument(help="Messages (RFC 5322), one a file.", exists=True, dir_okay=False)
]


@app.command()
def spam(files: FilesArgument, account: AccountOption = "", config: ConfigOption = Path("waxseal.toml")) -> None:
    """Teach that these messages are spam; a running node knows within seconds."""
    _teach(files, True, account, load_settings(config))


@app.command()
def ham(files: FilesArgument, account: AccountOption = "", config: ConfigOption = Path("waxseal.toml")) -> None:
    """Teach that these messages are wanted."""
    _teach(files, False, account, load_settings(config))


def _teach(files: Sequence[Path], is_spam: bool, account: str, settings: Settings) -> None:
    read = list(_facts(files, settings))

    async def work(database: Database) -> int:
        owner = await database.read(partial(_owner, account=account))

        def keep(tx: Writing) -> int:
            given = (lesson(owner, digest, is_spam, Source.ADMINISTRATOR, facts) for digest, facts in read)
            return sum([teach(tx, one) for one in given])

        number = await database.write(keep)
        await _remake(database, owner, settings)
        return number

    new = with_database(settings, work)
    typer.echo(f"{new} of {len(read)} messages taught as {'spam' if is_spam else 'ham'}")


def _facts(files: Sequence[Path], settings: Settings) -> Iterator[tuple[bytes, Facts]]:
    """SHA-256 and facts of each file; without a model a lesson counts as if the model had been undecided."""
    classifier = _classifier(settings)
    for file in files:
        try:
            content = file.read_bytes()
        except OSError as error:
            raise ConfigError(f"cannot read {file}: {error.strerror}") from None
        looked_at = content[:LOOKED_AT]
        excess = 0.0
        if classifier:
            junk_at = settings.classifier.junk_at
            threshold = classifier.manifest.junk if junk_at is None else junk_at
            excess = classifier.score(looked_at).margin - log_odds(threshold)
        yield hashlib.sha256(content).digest(), facts_of(looked_at, excess)


def _classifier(settings: Settings) -> Classifier | None:
    directory = find_model(settings.classifier.model)
    try:
        return Classifier.load(directory) if directory else None
    except ModelError as error:
        typer.echo(f"taught without the model: {error}", err=True)
        return None


@app.command()
def status(account: AccountOption = "", config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print lessons by source and kind, and how large the head is that came of them."""

    def query(tx: Reading) -> tuple[list[tuple[str, bool, int, int, int]], Stored | None]:
        owner = _owner(tx, account)
        return lessons.tally(tx, owner), heads.get(tx, owner)

    tally, stored = read_store(config, query)
    for source, is_spam, number, first, last in tally:
        period = f"{_day(first)} to {_day(last)}"
        typer.echo("\t".join([source, "spam" if is_spam else "ham", f"{number} lessons", period]))
    typer.echo(_described(stored, PERSON if account else NODE))


def _described(stored: Stored | None, policy: Policy) -> str:
    if stored is None or not stored.content:
        return "head: empty"
    try:
        head = Head.from_bytes(stored.content, policy)
    except HeadError as error:
        return f"head: to be made again ({error})"
    return f"head: {head.lessons} lessons changed it, {len(head)} weights, {len(stored.content)} octets"


def _day(unix: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(unix))


@app.command()
def undo(
    message: Annotated[str, typer.Argument(help="SHA-256 of the message in hex (see export); the last lesson.")] = "",
    account: AccountOption = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Take a lesson back, as if it had never been given."""
    settings = load_settings(config)
    try:
        digest = bytes.fromhex(message) if message else None
    except ValueError:
        raise typer.BadParameter(f"{message!r} is no SHA-256 in hex") from None

    async def work(database: Database) -> Kept | None:
        owner = await database.read(partial(_owner, account=account))
        gone = await database.write(partial(lessons.take_back, account_id=owner, sha256=digest))
        await _remake(database, owner, settings)
        return gone

    gone = with_database(settings, work)
    if gone is None:
        raise Permanent("there is no such lesson; `waxseal learn export` lists them")
    typer.echo(f"took back {gone.source} {'spam' if gone.is_spam else 'ham'} {gone.sha256.hex()}")


@app.command()
def export(account: AccountOption = "", config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print an owner's lessons as JSON lines, oldest first. They hold no text."""

    async def work(database: Database) -> None:
        owner, last = await database.read(partial(_owner, account=account)), 0
        while page := await database.read(partial(lessons.own, account_id=owner, last=last)):
            for kept in page:
                typer.echo(json.dumps(_row(kept, account)))
            last = page[-1].id

    with_database(load_settings(config), work)


def _row(kept: Kept, account: str) -> dict[str, object]:
    facts = unpack_facts(kept.facts)
    return {
        "account": account or None,
        "sha256": kept.sha256.hex(),
        "label": "spam" if kept.is_spam else "ham",
        "source": kept.source,
        "time": kept.time,
        "excess": round(facts.excess, 4) if facts else None,
        "scheme": kept.scheme,
        "facts": base64.b64encode(kept.facts).decode(),
    }


@app.command()
def reset(account: AccountOption = "", config: ConfigOption = Path("waxseal.toml")) -> None:
    """Forget an owner's lessons and empty the head. The node's: people keep theirs, which count there no more."""
    settings = load_settings(config)

    async def work(database: Database) -> int:
        owner = await database.read(partial(_owner, account=account))

        def forget(tx: Writing) -> int:
            audit.record(tx, audit.Kind.LEARNED_RESET, audit.OPERATOR, account)
            return lessons.reset(tx, account_id=owner)

        number = await database.write(forget)
        await _remake(database, owner, settings)
        return number

    typer.echo(f"forgot {with_database(settings, work)} lessons")


def _owner(tx: Reading, account: str) -> int | None:
    if not account:
        return None
    found = accounts.find(tx, parse_address(account))
    if found is None:
        raise Permanent(f"{account} has no account; `waxseal account list` shows who has")
    return found.id


async def _remake(database: Database, owner: int | None, settings: Settings) -> None:
    """The owner's head and the node's, which learns of everybody."""
    if owner is not None:
        await remake(database, owner)
    await remake(database, None, from_people=settings.learning.from_people)
