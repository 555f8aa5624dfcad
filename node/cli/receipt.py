"""`waxseal receipt`: the proof that a message was accepted, as a file that anybody can check; of one, or of many."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated

import trio
import typer

from node.anchor import exported, message_leaves
from node.anchor import receipt as receipts
from node.anchor.keys import LogKeys
from node.anchor.log import Log
from node.anchor.receipt import Receipt
from node.base.address import Address, parse_address
from node.base.errors import Permanent, Temporary
from node.cli.settings import ConfigOption, existing_keys, load_settings, with_database
from node.flow import receipt_letter
from node.store import accounts, mailboxes, message_digests
from node.store.database import Database, Reading, Writing

POLL_SECONDS = 0.25  # between two looks for an anchor that the running node makes
PATIENCE_SECONDS = 180.0
MAX_MANY = 100_000  # receipts at once
VERIFIER = "waxseal_verify.py"
NO_SUCH = (
    "this node has accepted no such message; export it whole from the mail client, headers included, "
    "with not one byte changed"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which receipts: one digest with what was undone to find it, and the message's name for people."""

    digest: bytes
    name: str
    rules: tuple[str, ...] = ()


def receipt(
    messages: Annotated[
        list[str] | None, typer.Argument(help="The messages' files, or their SHA-256 in hex.", show_default=False)
    ] = None,
    mailbox: Annotated[
        str, typer.Option(help="All messages of ann@example.org, or of one folder: ann@example.org/Work.")
    ] = "",
    since: Annotated[str, typer.Option(help="Of a mailbox only what came since then: 2026-11-21 (UTC).")] = "",
    output: Annotated[Path | None, typer.Option(help="Write each receipt into this folder, as SHA-256.json.")] = None,
    mail_to: Annotated[str, typer.Option(help="Mail the receipts to this address instead of printing them.")] = "",
    with_verifier: Annotated[
        Path | None, typer.Option(help="Write the verifier in one file, which needs Python alone, into this folder.")
    ] = None,
    anchored: Annotated[bool, typer.Option("--anchored", help="Wait until all are anchored on a chain.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print a message's receipt as JSON, or write those of many; `waxseal verify` checks them."""
    if with_verifier is not None:
        _write(with_verifier, VERIFIER, verifier())
    if not messages and not mailbox:
        if with_verifier is None:
            raise Permanent("name a message's file or its SHA-256, or a mailbox with --mailbox")
        return
    reader = parse_address(mail_to) if mail_to else None
    settings = load_settings(config)
    keys = existing_keys(settings)

    async def work(database: Database) -> list[Receipt]:
        wanted = await _wanted(database, messages or [], mailbox, _moment(since))
        if len(wanted) != 1 and output is None and reader is None:
            raise Permanent(
                f"{len(wanted)} receipts: name a folder for them with --output, or an address with --mail-to"
            )
        found = [await _make(database, one, keys, anchored) for one in wanted]
        if reader is not None:
            await _mail(database, found, settings.hostname, reader)
        return found

    _tell(with_database(settings, work), output, reader)


def _tell(made: list[Receipt], output: Path | None, reader: Address | None) -> None:
    for one in made:
        if output is not None:
            _write(output, f"{one.sha256}.json", one.to_json())
        elif reader is None:
            typer.echo(one.to_json(), nl=False)
    places = [f"in {output}" if output else "", f"mailed to {reader}" if reader else ""]
    if any(places):
        typer.echo(f"{len(made)} receipts {' and '.join(filter(None, places))}", err=True)


def verifier() -> str:
    """The text of the verifier in one file."""
    return resources.files("node.anchor.standalone").joinpath(VERIFIER).read_text("utf-8")


async def _wanted(database: Database, texts: list[str], mailbox: str, since: int) -> list[Wanted]:
    wanted = [await _one(database, text) for text in texts]
    if mailbox:
        found = await database.read(lambda tx: _in_mailbox(tx, mailbox, since))
        wanted += [Wanted(digest, digest.hex()) for digest in dict.fromkeys(found)]
    return wanted


async def _one(database: Database, text: str) -> Wanted:
    """A message by its SHA-256 or file; what mail clients change on export is undone until the log knows the bytes."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return Wanted(bytes.fromhex(text), text)
    try:
        content = await trio.Path(text).read_bytes()
    except OSError as error:
        raise Permanent(f"{text} is neither a readable file nor a SHA-256: {error.strerror}") from None
    for way in exported.ways(content):
        digest = hashlib.sha256(way.content).digest()
        if await database.read(lambda tx, at=digest: message_leaves.find(tx, at)):  # type: ignore[misc]
            return Wanted(digest, text, way.rules)
    return Wanted(hashlib.sha256(content).digest(), text)


def _in_mailbox(tx: Reading, text: str, since: int) -> list[bytes]:
    address, _, folder = text.partition("/")
    account = accounts.find(tx, parse_address(address))
    if account is None:
        raise Permanent(f"nobody here has the address {address}; `waxseal account list` names those who live here")
    if folder:
        one = mailboxes.find(tx, account.id, folder)
        if one is None:
            raise Permanent(f"{address} has no mailbox {folder}")
        folders: Iterable[mailboxes.Mailbox] = [one]
    else:
        folders = mailboxes.listing(tx, account.id)
    found = [digest for one in folders for digest in message_digests.since(tx, one.id, since, MAX_MANY + 1)]
    if len(found) > MAX_MANY:
        raise Permanent(f"more than {MAX_MANY} messages: take fewer with --since, or one folder")
    return [digest for digest in found if message_leaves.find(tx, digest)]


def _moment(text: str) -> int:
    try:
        return int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()) if text else 0
    except ValueError:
        raise Permanent(f"{text[:40]!r} is no day: write it like 2026-11-21") from None


async def _make(database: Database, wanted: Wanted, keys: LogKeys, anchored: bool) -> Receipt:
    if wanted.rules:
        undone = ", ".join(f"{rule} ({exported.RULES[rule]})" for rule in wanted.rules)
        typer.echo(f"{wanted.name} is not byte for byte what this node keeps; undone: {undone}", err=True)
    with trio.move_on_after(PATIENCE_SECONDS):
        while True:
            made = await database.read(lambda tx: receipts.make(tx, wanted.digest, keys))
            if made is None:
                raise Permanent(NO_SUCH)
            if made.anchors or not anchored:
                return made
            await trio.sleep(POLL_SECONDS)
    raise Temporary(f"not anchored within {PATIENCE_SECONDS:.0f} s; is the node running, with anchor.enabled?")


async def _mail(database: Database, made: list[Receipt], host: str, reader: Address) -> None:
    def work(tx: Writing) -> None:
        for one in made:
            receipt_letter.send(tx, one, host, reader, log=Log(), time=int(time.time()))

    await database.write(work)


def _write(folder: Path, name: str, content: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    except OSError as error:
        raise Permanent(f"cannot write {folder / name}: {error.strerror}") from None
