"""`waxseal anchors list|cost`: where the log's heads stand on chains, and what that costs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import trio
import typer
from rich.console import Console
from rich.table import Column, Table

from node.anchor.cost import BATCHES, GWEI, Cost, report
from node.base.config import Settings
from node.base.errors import WaxsealError
from node.cli.settings import ConfigOption, load_settings, with_database
from node.service.chains import open_for_reading
from node.service.folders import Folders
from node.store import anchors
from node.store.anchors import Anchor

PATIENCE_SECONDS = 10.0  # for each chain that is asked how far it is
MOST = 1_000_000  # anchors: one a minute for two years

app = typer.Typer(help="Where the log's heads stand on chains, and what that costs.", no_args_is_help=True)

ChainOption = Annotated[str, typer.Option(help="Only this chain, by its CAIP-2 name; all when left out.")]
JsonOption = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command("list")
def list_anchors(
    chain: ChainOption = "",
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 20,
    as_json: JsonOption = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """List the newest anchors: chain, size, block, confirmations, transaction, gas and fee."""
    settings = load_settings(config)
    found = _anchors(settings, chain)[:limit]
    heads = trio.run(_heads, settings, {anchor.chain for anchor in found if not anchor.confirmed})
    if as_json:
        typer.echo(json.dumps([_described(anchor, heads) for anchor in found]))
        return
    if not found:
        typer.echo("Nothing is anchored yet.")
        return
    table = Table(
        "chain", "entries", "block", "confirmations", "time", Column("transaction", overflow="fold"), "gas", "Gwei"
    )
    for anchor in found:
        time = f"{datetime.fromtimestamp(anchor.time, UTC):%Y-%m-%d %H:%M:%S}"
        place = (f"eip155:{anchor.chain}", str(anchor.size), str(anchor.block), _confirmations(anchor, heads), time)
        table.add_row(*place, anchor.tx_hash, str(anchor.gas or "?"), f"{anchor.fee / GWEI:.6g}" if anchor.gas else "?")
    Console().print(table)


@app.command()
def cost(
    price: Annotated[
        float, typer.Option(min=0, help="Price of one coin of the chain, in your currency: adds a column.")
    ] = 0,
    gwei: Annotated[
        float | None, typer.Option(min=0, help="Reckon with this price of one gas instead of what was paid.")
    ] = None,
    chain: ChainOption = "",
    as_json: JsonOption = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Reckon from this node's anchors what a message costs when 1, 100 or 10,000 share an anchor."""
    costs = report(_anchors(load_settings(config), chain), gwei)
    if as_json:
        typer.echo(json.dumps([_reckoned(one, price) for one in costs]))
        return
    if not costs:
        typer.echo("Nothing is anchored yet whose gas is known.")
        return
    for one in costs:
        _print_cost(one, price)


def _print_cost(one: Cost, price: float) -> None:
    typer.echo(
        f"eip155:{one.chain}: {one.anchors} anchors of {one.messages} entries; one takes {one.gas:,.0f} gas and "
        f"{one.fee:.10f} coins; {one.total:.10f} coins in all"
    )
    table = Table("messages an anchor", "gas a message", "coins a message", *(["your currency"] if price else []))
    for batch in BATCHES:
        gas, fee = one.per_message(batch)
        table.add_row(f"{batch:,}", f"{gas:,.2f}", f"{fee:.3g}", *([f"{fee * price:.3g}"] if price else []))
    Console().print(table)


def _reckoned(one: Cost, price: float) -> dict[str, object]:
    batches = []
    for batch in BATCHES:
        gas, fee = one.per_message(batch)
        batches.append({"messages": batch, "gas": gas, "coins": fee, **({"price": fee * price} if price else {})})
    return {
        "chain": f"eip155:{one.chain}",
        "anchors": one.anchors,
        "entries": one.messages,
        "gas_per_anchor": one.gas,
        "coins_per_anchor": one.fee,
        "coins_in_all": one.total,
        "per_message": batches,
    }


def _anchors(settings: Settings, chain: str) -> list[Anchor]:
    found = with_database(settings, lambda database: database.read(lambda tx: anchors.anchors(tx, MOST)))
    return [anchor for anchor in found if chain in {"", f"eip155:{anchor.chain}"}]


async def _heads(settings: Settings, chains: Iterable[int]) -> dict[int, int]:
    """How far each chain is; one that gives no answer is left out."""
    heads = {}
    for chain_id in chains:
        with trio.move_on_after(PATIENCE_SECONDS):
            try:
                async with open_for_reading(f"eip155:{chain_id}", settings, Folders(settings.data)) as chain:
                    heads[chain_id] = (await chain.head()).number
            except WaxsealError as error:
                typer.echo(f"eip155:{chain_id} cannot be asked: {error}", err=True)
    return heads


def _confirmations(anchor: Anchor, heads: dict[int, int]) -> str:
    if anchor.confirmed:
        return "final"
    head = heads.get(anchor.chain)
    return "provisional" if head is None else str(max(0, head - anchor.block + 1))


def _described(anchor: Anchor, heads: dict[int, int]) -> dict[str, object]:
    return {
        "chain": f"eip155:{anchor.chain}",
        "entries": anchor.size,
        "root": anchor.root.hex(),
        "contract": anchor.contract,
        "sender": anchor.sender or None,
        "transaction": anchor.tx_hash,
        "block": anchor.block,
        "time": anchor.time,
        "final": anchor.confirmed,
        "confirmations": None if anchor.confirmed else heads.get(anchor.chain, anchor.block - 1) - anchor.block + 1,
        "gas": anchor.gas or None,
        "fee_wei": anchor.fee if anchor.gas else None,
    }
