"""`waxseal audit list|show|verify|export`: administrative and security events, with their proofs."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Annotated

import typer

from node.anchor import audit_trail, events
from node.anchor.audit_trail import Check, TrailError
from node.anchor.events import Kind
from node.anchor.log import Log
from node.anchor.note import NoteKey
from node.base.config import Settings
from node.base.errors import Permanent
from node.cli.settings import ConfigOption, existing_keys, load_settings, with_database
from node.store import audit_events
from node.store.audit_events import StoredEvent, Wanted
from node.store.database import Database

app = typer.Typer(help="What was done and noticed on this node (docs/proof.md).", no_args_is_help=True)
PAGE = 500

KindOption = Annotated[str, typer.Option("--kind", help="Only these, such as login or gate-set.")]
ActorOption = Annotated[str, typer.Option("--actor", help="Only what this address did; or operator, or node.")]
SubjectOption = Annotated[str, typer.Option("--subject", help="Only what is about this address, domain or network.")]
SinceOption = Annotated[str, typer.Option("--since", help="From this moment on (UTC): 2026-11-21, or with T12:00:00.")]
UntilOption = Annotated[str, typer.Option("--until", help="Up to this moment (UTC).")]


@app.command("list")
def listing(
    kind: KindOption = "",
    actor: ActorOption = "",
    subject: SubjectOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print events, one a line, oldest first: number, time (UTC), kind, actor, subject, details."""
    wanted = _wanted(kind, actor, subject, since, until)

    async def work(database: Database) -> None:
        after = 0
        while rows := await database.read(partial(audit_events.listing, wanted=wanted, after=after, limit=PAGE)):
            for row in rows:
                details = " ".join(f"{name}={value}" for name, value in events.parse(row.document).details.items())
                typer.echo("\t".join([str(row.number), _moment(row.time), row.kind, row.actor, row.subject, details]))
            after = rows[-1].number

    with_database(load_settings(config), work)


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="As `waxseal audit list` shows it.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print one event: what it says, and what its entry in the log is made of."""

    async def work(database: Database) -> tuple[StoredEvent | None, int]:
        return await database.read(lambda tx: (audit_events.get(tx, number), Log().size(tx)))

    row, size = with_database(load_settings(config), work)
    if row is None:
        raise Permanent(f"there is no event {number}; `waxseal audit list` shows which there are")
    event = events.parse(row.document)
    leaf = event.leaf(row.salt)
    shown = {
        "number": event.number,
        "time": _moment(event.time),
        "kind": event.kind.value,
        "actor": event.actor,
        "subject": event.subject,
        **event.details,
        "document": row.document.decode(),
        "salt": row.salt.hex(),
        "entry": f"{row.index} of {size}: {leaf.entry.hex()}",
    }
    for name, value in shown.items():
        typer.echo(f"{name}: {value}")


@app.command()
def export(
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The file; left out: standard output.")] = None,
    kind: KindOption = "",
    actor: ActorOption = "",
    subject: SubjectOption = "",
    since: SinceOption = "",
    until: UntilOption = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Write events as JSON Lines with proofs; `waxseal audit verify FILE --log-key KEY` checks them anywhere."""
    settings, wanted = load_settings(config), _wanted(kind, actor, subject, since, until)
    if output is None:
        _export(settings, wanted, sys.stdout)
        return
    try:
        with open(output, "x", encoding="utf-8", opener=partial(os.open, mode=0o600)) as file:
            count = _export(settings, wanted, file)
    except OSError as error:
        raise Permanent(f"cannot write {output}: {error.strerror}") from None
    typer.echo(f"{count} events written to {output}", err=True)


def _export(settings: Settings, wanted: Wanted, file: IO[str]) -> int:
    keys = existing_keys(settings)

    async def work(database: Database) -> int:
        head, signed = await database.read(lambda tx: audit_trail.head(tx, keys))
        after = count = 0
        while rows := await database.read(partial(audit_events.listing, wanted=wanted, after=after, limit=PAGE)):
            after = rows[-1].number
            old = [row for row in rows if row.index < head.size]  # the others came a moment ago
            for line in await database.read(
                lambda tx, old=old: [audit_trail.exported(tx, row, head.size, signed) for row in old]  # type: ignore[misc]
            ):
                file.write(json.dumps(line.model_dump(), ensure_ascii=False) + "\n")
                count += 1
        return count

    return with_database(settings, work)


@app.command()
def verify(
    file: Annotated[Path | None, typer.Argument(help="An export; left out: this node's own database.")] = None,
    log_key: Annotated[str, typer.Option(help="With FILE: the log's key, as `waxseal log-key` prints it.")] = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Check that every event stands in the log as it was written, that none was changed, and that none is missing.

    Exit code 0: all of it holds; 1: something does not, which is named.
    """
    faults, words = _verify_file(file, log_key) if file else _verify_store(load_settings(config))
    for fault in faults:
        typer.echo(f"DOES NOT HOLD: {fault}")
    typer.echo(words)
    if faults:
        raise typer.Exit(1)


def _verify_store(settings: Settings) -> tuple[list[str], str]:
    check = Check(existing_keys(settings).log_keys)

    async def work(database: Database) -> None:
        await database.read(check.begin)
        while await database.read(check.events):
            pass
        while await database.read(check.entries):
            pass

    with_database(settings, work)
    faults = [*check.faults, *([f"and {check.more} faults more"] if check.more else [])]
    covered = f"the signed checkpoint covers {check.signed} of {check.size} entries"
    if check.signed < check.size:
        covered += "; what is newer is compared with the log alone"
    return faults, f"{check.checked} events checked, {check.forgotten} messages forgotten; {covered}"


def _verify_file(file: Path, log_key: str) -> tuple[list[str], str]:
    if not log_key:
        raise Permanent("name the log's key with --log-key: its operator publishes what `waxseal log-key` prints")
    key, faults, numbers, more = NoteKey.parse(log_key), list[str](), list[int](), 0
    try:
        with file.open("r", encoding="utf-8", errors="replace", newline="\n") as lines:
            place = 0
            while line := lines.readline(audit_trail.MAX_LINE + 1):
                place += 1
                try:
                    event, _ = audit_trail.read(line, key)
                    numbers.append(event.number)
                except TrailError as error:
                    more += len(faults) >= audit_trail.MAX_FAULTS
                    faults = [*faults, f"line {place}: {error}"] if len(faults) < audit_trail.MAX_FAULTS else faults
    except OSError as error:
        raise Permanent(f"cannot read {file}: {error.strerror}") from None
    gaps = list(audit_trail.missing(numbers))
    told = f"{len(numbers)} events hold" + (f" (numbers {numbers[0]} to {numbers[-1]})" if numbers else "")
    if gaps:
        told += "; not in this file, be it by a filter or by somebody's hand: " + "; ".join(gaps[:20])
    return [*faults, *([f"and {more} faults more"] if more else [])], told


def _wanted(kind: str, actor: str, subject: str, since: str, until: str) -> Wanted:
    if kind and kind not in set(Kind):
        raise typer.BadParameter(f"there is no kind {kind!r}; choose of: {', '.join(Kind)}")
    return Wanted(kind, actor, subject, _seconds(since, 0), _seconds(until, 1 << 62))


def _seconds(text: str, otherwise: int) -> int:
    if not text:
        return otherwise
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no moment: write 2026-11-21, or 2026-11-21T12:00:00") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _moment(seconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return str(seconds)
