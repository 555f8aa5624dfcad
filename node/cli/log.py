"""`waxseal log show|check|proof|consistency`: the transparency log as it is stored, and what it proves."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from node.anchor import checkpoint, checkup, proof
from node.anchor.checkpoint import Checkpoint
from node.anchor.checkup import Finding
from node.anchor.entries_again import entries_again
from node.anchor.log import Log
from node.anchor.proof import Proof
from node.base.errors import Permanent
from node.cli.settings import ConfigOption, load_settings, with_database
from node.store import packs, tree
from node.store.database import Database, Reading

app = typer.Typer(help="The transparency log: what it holds, whether it is whole, its proofs.", no_args_is_help=True)

DAMAGED = 1


@app.command()
def show(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Show how long the log is, what was signed last, and where its tiles lie."""

    async def work(database: Database) -> dict[str, Any]:
        return await database.read(_facts)

    facts = with_database(load_settings(config), work)
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        typer.echo(f"{name.replace('_', ' ')}: {value}")


@app.command()
def check(
    repair: Annotated[bool, typer.Option("--repair", help="Make damaged tiles again from the entries.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Read the whole log and compare every tile, row and signed root with the tree. Exit code 1: something is wrong.

    A running node goes on meanwhile. About four seconds for a million entries.
    """
    left = with_database(load_settings(config), lambda database: _check(database, repair))
    if left:
        raise typer.Exit(DAMAGED)


@app.command("proof")
def inclusion(
    index: Annotated[int, typer.Argument(help="An entry of the log, from 0.", min=0)],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print the proof that an entry stands in the newest signed tree (C2SP tlog-proof, a `.tlog-proof` file)."""

    async def work(database: Database) -> str:
        return await database.read(lambda tx: _inclusion(tx, index))

    typer.echo(with_database(load_settings(config), work), nl=False)


@app.command()
def consistency(
    old: Annotated[int, typer.Argument(help="Size of the smaller tree, in entries.", min=1)],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print the proof that the newest signed tree continues an older one: hashes in base64, blank line, checkpoint.

    RFC 9162 §2.1.4.1.
    """

    async def work(database: Database) -> str:
        return await database.read(lambda tx: _consistency(tx, old))

    typer.echo(with_database(load_settings(config), work), nl=False)


async def _check(database: Database, repair: bool) -> int:
    """Say what is wrong; returns how many things still are."""
    left = 0
    for finding in await checkup.check(database):
        is_repaired = repair and await checkup.repair(database, finding, entries_again)
        left += not is_repaired
        typer.echo(_line(finding, repair, is_repaired))
    if not left:
        typer.echo(f"the log is whole: {await database.read(tree.size)} entries")
    return left


def _line(finding: Finding, repair: bool, is_repaired: bool) -> str:
    if is_repaired:
        advice = "repaired"
    elif finding.pack is None:
        advice = "restore the newest backup"
    elif repair:
        advice = "what it is made of is gone, too: restore `blobs/` from a backup, then check again"
    else:
        advice = "run `waxseal log check --repair`"
    return f"{finding.where}: {finding.what}; {advice}"


def _facts(tx: Reading) -> dict[str, Any]:
    head, size = _signed(tx), tree.size(tx)
    return {
        "entries": size,
        "root": base64.b64encode(Log().root(tx, size)).decode(),
        "signed_entries": head[0].size if head else 0,
        "full_tiles_in_files": {str(level): packs.end(tx, level) for level in packs.levels(tx) if level >= 0},
        "bundles_in_files": packs.end(tx, -1),
    }


def _signed(tx: Reading) -> tuple[Checkpoint, str] | None:
    for note in tree.newest_notes(tx, 1):
        text = note.decode()
        return checkpoint.read(text), text
    return None


def _newest(tx: Reading, wanted: int) -> tuple[Checkpoint, str]:
    signed = _signed(tx)
    if signed is None or signed[0].size < wanted:
        have = signed[0].size if signed else 0
        raise Permanent(f"the newest checkpoint has {have} entries, and {wanted} are needed: wait for the next one")
    return signed


def _inclusion(tx: Reading, index: int) -> str:
    head, signed = _newest(tx, index + 1)
    text = Proof(index, tuple(Log().inclusion_proof(tx, index, head.size)), signed).text
    proof.parse(text)
    return text


def _consistency(tx: Reading, old: int) -> str:
    head, signed = _newest(tx, old)
    hashes = Log().consistency_proof(tx, old, head.size)
    return "".join(f"{base64.b64encode(value).decode()}\n" for value in hashes) + f"\n{signed}"
