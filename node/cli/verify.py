"""`waxseal verify`: checks a message against its receipt, step by step, in words or JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import trio
import typer

from node.anchor import receipt as receipts
from node.anchor.note import NoteKey
from node.anchor.receipt import Receipt
from node.anchor.verify import Step
from node.anchor.verify import verify as take_steps
from node.base.config import Settings
from node.base.errors import Permanent
from node.cli.settings import existing_keys, load_settings
from node.net.chain.embedded import EmbeddedChain
from node.service.folders import Folders

MARKS = {True: "holds", False: "DOES NOT HOLD", None: "not checked"}
DOES_NOT_HOLD, INCOMPLETE = 1, 3


def verify(
    message: Annotated[Path, typer.Argument(help="The message, every byte as the node keeps it.")],
    receipt: Annotated[Path, typer.Option("--receipt", "-r", help="Its receipt (JSON).")],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Settings of the node whose log key and chain to check against."),
    ] = None,
    log_key: Annotated[
        str, typer.Option(help="The log's public key, as its operator's `waxseal log-key` prints it.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The steps as JSON.")] = False,
) -> None:
    """Check a message against its receipt. Exit code 0: all four hold; 1: one does not; 3: not all could be checked."""
    content, claim = _read(message), receipts.parse(_read(receipt))
    settings = load_settings(config) if config else None
    steps = trio.run(_verify, content, claim, settings, log_key)
    if as_json:
        typer.echo(json.dumps([asdict(step) for step in steps], ensure_ascii=False))
    else:
        for step in steps:
            typer.echo(f"{step.number}. {step.name}: {MARKS[step.holds]}. {step.words}")
    if any(step.holds is False for step in steps):
        raise typer.Exit(DOES_NOT_HOLD)
    if any(step.holds is None for step in steps):
        raise typer.Exit(INCOMPLETE)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Permanent(f"cannot read {file}: {error.strerror}") from None


async def _verify(content: bytes, claim: Receipt, settings: Settings | None, log_key: str) -> tuple[Step, ...]:
    if settings is None:
        return await take_steps(content, claim, None, NoteKey.parse(log_key) if log_key else None)
    keys = existing_keys(settings)
    async with EmbeddedChain.open(Folders(settings.data).chain, None) as chain:
        return await take_steps(content, claim, chain, keys.log_key, sender=keys.sender)
