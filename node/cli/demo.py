"""`waxseal demo`: one message's whole way, four times, on a node of its own; then a byte changes and nothing holds."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio
import typer
from rich.console import Console
from rich.table import Table

from node.anchor.keys import open_keys
from node.anchor.receipt import Receipt, parse
from node.anchor.steps import Result, Step, Trust, result
from node.anchor.verify import verify
from node.base.errors import Temporary
from node.cli.demo_mail import Kept, Mailroom
from node.cli.samples import demo_samples
from node.ipfs.cid import Cid
from node.net.chain.embedded import EmbeddedChain
from node.service.folders import Folders
from node.store import parts
from node.store.database import Database

START_SECONDS = 60.0
PATIENCE_SECONDS = 120.0
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Story:
    """What became of one message."""

    kept: Kept
    cids: tuple[str, ...]
    receipt: Receipt
    steps: tuple[Step, ...]
    changed: tuple[Step, ...]

    @property
    def holds(self) -> bool:
        """True when all steps asked for hold for the message, and the first does not for the changed one."""
        return result(self.steps) is Result.HOLDS and self.changed[0].holds is False


def demo(
    as_json: bool = typer.Option(False, "--json", help="Print the stories as JSON instead of a table."),
) -> None:
    """Send four messages through a node in a temporary folder, read them back, and prove and disprove them."""
    console = Console(highlight=False, stderr=as_json)
    with tempfile.TemporaryDirectory(prefix="waxseal-demo-") as folder, _node(Path(folder)) as facts:
        room = Mailroom(facts)
        samples = demo_samples(room.address(0), room.address(1))
        console.print("Sending a note, a spam, a phishing mail, and 12 MiB from a person with a wallet ...")
        kept = [room.send_and_read(sample) for sample in samples]
        console.print("Waiting for the attachment to move out and for the log to be anchored ...")
        stories = trio.run(_follow, Path(folder), kept, room)
    if as_json:
        typer.echo(json.dumps([_row(story) for story in stories]))
    else:
        _show(console, stories)
    good = all(story.holds and story.kept.is_same for story in stories) and any(story.cids for story in stories)
    if not good:
        console.print("[red]Something above is not as promised.[/]")
        raise typer.Exit(1)


@contextlib.contextmanager
def _node(folder: Path) -> Iterator[dict[str, Any]]:
    """A node in a process of its own; ended by signal."""
    command = [sys.executable, "-m", "node", "dev", "--dir", str(folder), "--ports", "auto", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own program
        try:
            assert process.stdout
            line = process.stdout.readline()
            if not line:
                raise Temporary("the node did not start; its own words stand above")
            yield json.loads(line)
        finally:
            process.send_signal(signal.SIGTERM)


async def _follow(folder: Path, kept: list[Kept], room: Mailroom) -> list[Story]:
    folders = Folders(folder)
    keys = open_keys(folders.keys, room.domain)
    async with Database.open(folders.database) as database, EmbeddedChain.open(folders.chain, None) as chain:
        trust = Trust(keys=(keys.log_key,), keepers=(keys.sender,), chains={chain.chain_id: chain})
        stories = []
        for one in kept:
            cids = await _cids(database, one) if one.is_large else ()
            again = await trio.to_thread.run_sync(room.read_again, one)
            receipt = await _receipt(room, one)
            changed = bytearray(one.content)
            changed[len(changed) // 2] ^= 1
            stories.append(
                Story(
                    again,
                    cids,
                    receipt,
                    await verify(one.content, receipt, trust),
                    await verify(bytes(changed), receipt, trust),
                )
            )
        return stories


async def _cids(database: Database, one: Kept) -> tuple[str, ...]:
    digest = hashlib.sha256(one.content).digest()
    with trio.move_on_after(PATIENCE_SECONDS):
        while True:
            found = await database.read(lambda tx: parts.of_message(tx, digest))
            if found and all(part.cid for part in found):
                return tuple(str(Cid.from_bytes(part.cid)) for part in found)
            await trio.sleep(POLL_SECONDS)
    return ()


async def _receipt(room: Mailroom, one: Kept) -> Receipt:
    """Ask for the receipt over HTTP, as the message's reader, until it leads to an anchor."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        receipt = parse(await trio.to_thread.run_sync(room.receipt, one))
        if receipt.anchors or time.monotonic() > deadline:
            return receipt
        await trio.sleep(POLL_SECONDS)


def _row(story: Story) -> dict[str, Any]:
    anchors = story.receipt.anchors
    return {
        "name": story.kept.name,
        "mailbox": story.kept.mailbox,
        "verdict": story.kept.verdict,
        "same_bytes": story.kept.is_same,
        "cids": list(story.cids),
        "log_index": story.receipt.index,
        "transaction": anchors[0].transaction if anchors else None,
        "steps": {step.name: step.holds for step in story.steps if step.asked},
        "changed": {step.name: step.holds for step in story.changed if step.asked},
    }


def _show(console: Console, stories: list[Story]) -> None:
    table = Table(title="One message's whole way, four times")
    for column in ("message", "kept in", "verdict", "read back", "log entry", "proof"):
        table.add_column(column)
    for story in stories:
        table.add_row(
            story.kept.name,
            story.kept.mailbox,
            story.kept.short_verdict,
            "byte for byte" if story.kept.is_same else "[red]differs[/]",
            str(story.receipt.index),
            "[green]all steps hold[/]" if story.holds else "[red]does not hold[/]",
        )
    console.print(table)
    for story in stories:
        for cid in story.cids:
            console.print(f"Attachment of the {story.kept.name}, sealed in the block store: {cid}")
    for place in {place for story in stories for place in story.receipt.anchors}:
        console.print(f"Anchored on {place.chain} in transaction {place.transaction}")
    console.print("\nThe steps for the last message:")
    for step in stories[-1].steps:
        console.print(f"  {step.number}. {step.words}")
    console.print("The same with one byte of each message changed:")
    for story in stories:
        words = "[green]caught[/]" if story.changed[0].holds is False else "[red]not caught[/]"
        console.print(f"  {story.kept.name}: {words}. {story.changed[0].words}", soft_wrap=True)
