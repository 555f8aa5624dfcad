"""`waxseal receipt`: the proof that a message was accepted, as a file that anybody can check."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Annotated

import trio
import typer

from node.anchor import receipt as receipts
from node.anchor.keys import LogKeys
from node.anchor.receipt import Receipt
from node.base.errors import Permanent, Temporary
from node.cli.settings import ConfigOption, existing_keys, load_settings, with_database
from node.store.database import Database

POLL_SECONDS = 0.25  # between two looks for an anchor that the running node makes
PATIENCE_SECONDS = 180.0


def receipt(
    message: Annotated[str, typer.Argument(help="The message's file, or its SHA-256 in hex.")],
    anchored: Annotated[bool, typer.Option("--anchored", help="Wait until it is anchored on the chain.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print a message's receipt as JSON; `waxseal verify` checks it."""
    settings = load_settings(config)
    keys = existing_keys(settings)
    digest = _digest(message)
    made = with_database(settings, lambda database: _make(database, digest, keys, anchored))
    typer.echo(made.to_json(), nl=False)


def _digest(message: str) -> bytes:
    if re.fullmatch(r"[0-9a-fA-F]{64}", message):
        return bytes.fromhex(message)
    try:
        return hashlib.sha256(Path(message).read_bytes()).digest()
    except OSError as error:
        raise Permanent(f"{message} is neither a readable file nor a SHA-256: {error.strerror}") from None


async def _make(database: Database, digest: bytes, keys: LogKeys, anchored: bool) -> Receipt:
    with trio.move_on_after(PATIENCE_SECONDS):
        while True:
            made = await database.read(lambda tx: receipts.make(tx, digest, keys))
            if made is None:
                raise Permanent(
                    "this node has accepted no such message; export it whole from the mail client, headers included, "
                    "with not one byte changed"
                )
            if made.anchors or not anchored:
                return made
            await trio.sleep(POLL_SECONDS)
    raise Temporary(f"not anchored within {PATIENCE_SECONDS:.0f} s; is the node running, with anchor.enabled?")
