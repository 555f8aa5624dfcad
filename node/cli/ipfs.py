"""`waxseal ipfs status|repair|gc|export|import`: the block store, its replicas, and what is in it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, Any, BinaryIO, TypeVar

import trio
import typer
from rich.console import Console
from rich.table import Column, Table

from node.base.config import Settings
from node.base.errors import Permanent, WaxsealError
from node.cli.progress import progress
from node.cli.settings import ConfigOption, load_settings, with_database
from node.ipfs import archive
from node.ipfs.blockstore import LocalBlocks
from node.ipfs.cid import Cid
from node.ipfs.repair import Repair, Report
from node.ipfs.replication import Replication
from node.net.ipfs.kubo import Kubo
from node.net.ipfs.pinning import PinningService
from node.service.folders import Folders
from node.service.stores import Stores, open_stores
from node.store import replicas, trees
from node.store.database import Database
from node.store.replicas import Standing

T = TypeVar("T")
SHOWN = 20  # lost blocks named

app = typer.Typer(help="The block store of sealed attachments (docs/ipfs.md).", no_args_is_help=True)


def _with_stores(settings: Settings, work: Callable[[Database, Stores], Awaitable[T]]) -> T:
    async def run(database: Database) -> T:
        async with open_stores(settings.ipfs, Folders(settings.data).blocks) as stores:
            return await work(database, stores)

    return with_database(settings, run)


async def _roots(database: Database) -> list[bytes]:
    return await database.read(trees.roots)


@app.command()
def status(
    ask: Annotated[bool, typer.Option(help="Ask daemons and services how they are.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Say what lies here, what waits for which replica, and who answers."""
    settings = load_settings(config)
    found = _with_stores(settings, partial(_status, ask=ask))
    if as_json:
        typer.echo(json.dumps(found))
        return
    own = found["store"]
    typer.echo(
        f"{own['trees']} sealed trees; here {own['blocks']} blocks, {own['octets'] >> 20} MiB ({settings.ipfs.store})"
    )
    table = Table("place", "held", "waiting", "oldest", "to be dropped", Column("how it is", overflow="fold"))
    for place in found["places"]:
        oldest = "" if place["oldest_seconds"] is None else f"{place['oldest_seconds'] // 60} min"
        numbers = (str(place["held"]), str(place["waiting"]), oldest, str(place["going"]))
        table.add_row(place["place"], *numbers, place["word"] or place["error"])
    if found["places"]:
        Console().print(table)
    else:
        typer.echo("No replicas: nothing leaves this machine ([ipfs] in the settings changes that).")


async def _status(database: Database, stores: Stores, *, ask: bool) -> dict[str, Any]:
    blocks = len([cid async for cid in stores.local.ids()])
    octets = await stores.local.size() if isinstance(stores.local, LocalBlocks) else 0
    places = []
    for place in stores.services:
        standing = await database.read(partial(replicas.standing, place=place.name))
        places.append(_described(standing, await _word(place) if ask else ""))
    return {"store": {"trees": len(await _roots(database)), "blocks": blocks, "octets": octets}, "places": places}


async def _word(place: Kubo | PinningService) -> str:
    try:
        return await place.hello()
    except WaxsealError as error:
        return str(error)


def _described(standing: Standing, word: str) -> dict[str, object]:
    return {
        "place": standing.place,
        "held": standing.held,
        "waiting": standing.waiting,
        "going": standing.going,
        "oldest_seconds": None if standing.oldest is None else max(0, int(time.time()) - standing.oldest),
        "error": standing.error,
        "word": word,
    }


@app.command()
def repair(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Look at every block and every replica; fetch what is missing or damaged here, send again what others lost.

    Exit status 1 where blocks are lost: nobody has them.
    """
    report, lost = _with_stores(load_settings(config), _repair)
    typer.echo(
        f"{report.trees} trees: {report.blocks} blocks good ({report.octets >> 20} MiB), {report.repaired} repaired, "
        f"{report.elsewhere} only with replicas, {report.lost_blocks} lost"
    )
    for name, count in lost.items():
        typer.echo(f"{name}: {count}")
    for cid in report.lost[:SHOWN]:
        typer.echo(f"lost: {cid}", err=True)
    if report.lost_blocks:
        typer.echo("Restore <data>/blocks from a backup, or import an archive that has them.", err=True)
        raise typer.Exit(1)


async def _repair(database: Database, stores: Stores) -> tuple[Report, dict[str, str]]:
    copies = 0 if stores.policy.keep_local else stores.policy.copies
    with progress("Trees", len(await _roots(database))) as moved:
        look = Repair(database, stores.blocks, copies=copies, moved=lambda report: moved(report.trees))
        report = await look.run()
    replication = Replication(database, stores.blocks, stores.places, stores.policy)
    lost = {}
    for place in stores.places:
        try:
            count = await replication.recheck(place)
            lost[place.name] = (
                "holds all it confirmed" if not count else f"lost {count} trees, which will be sent again"
            )
        except WaxsealError as error:
            lost[place.name] = str(error)
    return report, lost


@app.command()
def gc(
    older_than_hours: Annotated[
        float, typer.Option(min=1, help="Younger blocks stay: the running node may be writing them.")
    ] = 24,
    daemons: Annotated[
        bool, typer.Option("--daemons", help="Also have each Kubo daemon remove what nothing pinned needs.")
    ] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Remove blocks that no message needs. The node does so itself; this finds what a crash or an import left."""
    removed = _with_stores(
        load_settings(config), partial(_gc, before=time.time() - older_than_hours * 3600, daemons=daemons)
    )
    for name, count in removed.items():
        typer.echo(f"{name}: {count} blocks removed")


async def _gc(database: Database, stores: Stores, *, before: float, daemons: bool) -> dict[str, int]:
    removed = {}
    if isinstance(stores.local, LocalBlocks):
        done = 0
        with progress("Trees", len(await _roots(database))) as moved:

            def step() -> None:
                nonlocal done
                done += 1
                moved(done)

            collect = archive.collect_old(database, stores.blocks.get, stores.local, before, step)
            removed["here"] = await collect
    if daemons:
        for kubo in stores.kubos:
            removed[kubo.name] = await kubo.repo_gc()
    return removed


@app.command("export")
def export(
    file: Annotated[Path, typer.Argument(help="The archive to write: CARv1, as `ipfs dag import` reads it.")],
    cid: Annotated[list[str], typer.Option(help="Only this tree; may be repeated. All when left out.")] = [],  # noqa: B006
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Write sealed attachments into an archive. They stay sealed: `keys/attachments.key` is not in it."""
    if file.exists():
        raise Permanent(f"{file} is there already: name another file")
    size, trees = _with_stores(load_settings(config), partial(_export, file=file, only=[Cid.parse(one) for one in cid]))
    typer.echo(f"{trees} trees, {size} octets in {file}")


async def _export(database: Database, stores: Stores, *, file: Path, only: list[Cid]) -> tuple[int, int]:
    known = list(dict.fromkeys(Cid.from_bytes(root) for root in await _roots(database)))
    if strange := [one for one in only if one not in known]:
        raise Permanent(f"no message holds {strange[0]}")
    roots, done, size = only or known, 0, 0
    unfinished = file.with_name(file.name + ".part")
    try:
        with progress("Trees", len(roots)) as moved, _private(unfinished) as out:

            def step() -> None:
                nonlocal done
                done += 1
                moved(done)

            async with aclosing(archive.export(stores.blocks.get, roots, step)) as pieces:
                async for piece in pieces:
                    size += out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        unfinished.rename(file)
    except OSError as error:
        raise Permanent(f"cannot write {file}: {error.strerror or error}") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return size, len(roots)


def _private(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


@app.command("import")
def take(
    file: Annotated[Path, typer.Argument(help="A CARv1 archive.")],
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Store the blocks of an archive, each checked. What no message needs goes with the next `gc`."""
    taken, needed = _with_stores(load_settings(config), partial(_take, file=file))
    typer.echo(
        f"{taken.blocks} blocks, {taken.octets} octets; {needed} of {len(taken.roots)} roots belong to messages here"
    )


async def _take(database: Database, stores: Stores, *, file: Path) -> tuple[archive.Taken, int]:
    try:
        total = (await trio.Path(file).stat()).st_size
    except OSError as error:
        raise Permanent(f"cannot read {file}: {error.strerror}") from None
    with progress("Octets", total) as moved:
        taken = await archive.take(file, stores.local, moved)
    known = set(await _roots(database))
    return taken, sum(bytes(root) in known for root in taken.roots)
