"""`waxseal registry show|register|rotate|revoke|offer|accept`: which key signs a log, on whose word, since when."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import trio
import typer

from node.anchor import domain_word, registry
from node.anchor.domain_word import Account, Word
from node.anchor.keys import LogKeys
from node.anchor.note import NoteKey
from node.anchor.registry import ADDRESS, Period, Registration
from node.anchor.steps import utc
from node.base.address import normalize_domain
from node.base.errors import Permanent
from node.cli.chain_options import ChainOption, RpcOption, reading
from node.cli.settings import ConfigOption, existing_keys, load_settings
from node.net.chain.interface import Chain, TxResult
from node.service.chains import EMBEDDED, number_of, open_for_sending
from node.service.folders import Folders
from node.store.database import Database

app = typer.Typer(help="The log's keys in the Registry contract of a chain.", no_args_is_help=True)

NOT_THERE = 1

AccountOption = Annotated[
    str, typer.Option(help="Whose registration, where its owner is not the account that registered.")
]


@app.command()
def show(
    origin: Annotated[str, typer.Argument(help="A log, like mx.example.org/log; left out: this node's.")] = "",
    chain: ChainOption = EMBEDDED,
    rpc: RpcOption = None,
    account: Annotated[str, typer.Option(help="Whose registration; left out: the domain's, or the first one's.")] = "",
    block: Annotated[int | None, typer.Option(help="The key in force in this block; left out: now.", min=0)] = None,
    dns: Annotated[bool, typer.Option("--dns", help="Ask the log's domain which account is its own.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Show which keys are registered for a log, and from which block to which. Exit code 1: none."""

    async def work() -> tuple[Registration | None, Word | None]:
        async with reading(chain, rpc or [], config) as opened:
            word = await domain_word.look_up(name) if dns else None
            said = word.on(opened.chain_id) if word else ()
            who = account or (said[0] if said else own)
            return await registry.lookup(opened, ADDRESS, name, block, account=who or None), word

    name, own = _whose(origin, account, config)
    found, word = trio.run(work)
    if as_json:
        typer.echo(json.dumps(_report(found, word, chain), ensure_ascii=False))
    else:
        for line in _lines(name, found, word, chain):
            typer.echo(line)
    if found is None:
        raise typer.Exit(NOT_THERE)


@app.command()
def register(chain: ChainOption = EMBEDDED, config: ConfigOption = Path("waxseal.toml")) -> None:
    """Register this node's log key with the keeper's account. A running node does it itself where it anchors."""

    async def work(opened: Chain, keys: LogKeys) -> TxResult:
        await registry.CONTRACT.deploy(opened)
        return await registry.register(opened, ADDRESS, keys.origin, keys.log_key.public)

    keys, sender, result = _sent(work, chain, config)
    typer.echo(f"{keys.log_key} is registered since block {result.block} ({result.gas} gas)")
    typer.echo(domain_word.record(_host(keys.origin), Account(number_of(chain), sender)))


@app.command()
def rotate(
    key: Annotated[
        str, typer.Argument(help="The next key, as `waxseal log-key` prints it; left out: this node's.")
    ] = "",
    account: AccountOption = "",
    chain: ChainOption = EMBEDDED,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Put this node's present log key in force instead of the registered one, which keeps its past."""

    async def work(opened: Chain, keys: LogKeys) -> TxResult:
        after = _key(key, keys)
        found = await _own(opened, keys, account)
        if found.key == after:
            raise Permanent(
                "that key is registered and in force: give the log a new one first, `waxseal log-key rotate`"
            )
        return await registry.rotate(opened, ADDRESS, keys.origin, found.newest.key, after, account=found.account)

    keys, _, result = _sent(work, chain, config)
    typer.echo(f"{NoteKey(keys.origin, _key(key, keys))} is in force since block {result.block} ({result.gas} gas)")


@app.command()
def revoke(
    account: AccountOption = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    chain: ChainOption = EMBEDDED,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Take the registered key out of force, for good: it leaked. What was anchored before stays proved."""
    if not yes:
        typer.confirm(
            "Receipts whose anchor is younger will not hold until a new key is in force. Revoke it?", abort=True
        )

    async def work(opened: Chain, keys: LogKeys) -> TxResult:
        found = await _own(opened, keys, account)
        if not found.key:
            raise Permanent("no key of this log is in force: there is nothing to revoke")
        return await registry.revoke(opened, ADDRESS, keys.origin, found.key, account=found.account)

    _, _, result = _sent(work, chain, config)
    typer.echo(f"no key of this log is in force since block {result.block} ({result.gas} gas)")
    typer.echo("give the log a new key: waxseal log-key rotate --overlap-days 0; then: waxseal registry rotate")


@app.command()
def offer(
    to: Annotated[
        str, typer.Argument(help="The account that shall own the registration; 0x0...0 withdraws the offer.")
    ],
    account: AccountOption = "",
    chain: ChainOption = EMBEDDED,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Offer the registration to another account, which has to accept. It stays registered under the old one's name."""

    async def work(opened: Chain, keys: LogKeys) -> TxResult:
        found = await _own(opened, keys, account)
        return await registry.offer(opened, ADDRESS, keys.origin, to, account=found.account)

    _, _, result = _sent(work, chain, config)
    typer.echo(f"offered to {to} in block {result.block}; it takes over with `waxseal registry accept`")


@app.command()
def accept(
    account: Annotated[str, typer.Argument(help="The account under which the log is registered.")],
    chain: ChainOption = EMBEDDED,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Take over this log's registration, which another account offered to this node's keeper."""

    async def work(opened: Chain, keys: LogKeys) -> TxResult:
        return await registry.accept(opened, ADDRESS, keys.origin, account)

    _, sender, result = _sent(work, chain, config)
    typer.echo(f"{sender} owns the registration since block {result.block}; name the account with --account {account}")


def _sent(
    work: Callable[[Chain, LogKeys], Awaitable[TxResult]], chain: str, config: Path
) -> tuple[LogKeys, str, TxResult]:
    """Do `work` with the chain opened in the keeper's name, beside a running node too."""
    settings = load_settings(config)
    keys, folders = existing_keys(settings), Folders(settings.data)

    async def run() -> tuple[str, TxResult]:
        async with (
            Database.open(folders.database) as database,
            open_for_sending(chain, settings, folders, database, keys) as opened,
        ):
            return str(opened.sender), await work(opened, keys)

    return keys, *trio.run(run)


def _whose(origin: str, account: str, config: Path) -> tuple[str, str]:
    """The log's name, and the account to ask for when nobody names one: the keeper's for this node's own log."""
    if origin:
        return origin, ""
    keys = existing_keys(load_settings(config))
    return keys.origin, account or keys.sender


async def _own(opened: Chain, keys: LogKeys, account: str) -> Registration:
    found = await registry.lookup(opened, ADDRESS, keys.origin, account=account or opened.sender)
    if found is None:
        raise Permanent(f"{account or opened.sender} has not registered {keys.origin}: waxseal registry register")
    return found


def _key(text: str, keys: LogKeys) -> bytes:
    key = NoteKey.parse(text) if text else keys.log_key
    if key.name != keys.origin:
        raise Permanent(f"that key is of the log {key.name}, this node's is {keys.origin}")
    return key.public


def _host(origin: str) -> str:
    return normalize_domain(origin.partition("/")[0])


def _lines(origin: str, found: Registration | None, word: Word | None, chain: str) -> list[str]:
    if found is None:
        lines = [f"nobody, or not that account, has registered a key for {origin} on {chain}"]
        return lines + _said(word, None, chain)
    lines = [
        f"{found.origin}, registered by {found.account}, Registry {ADDRESS} on {chain}",
        *([f"now owned by {found.owner}"] if found.owner != found.account else []),
        *_said(word, found, chain),
        *(_line(found.origin, period, found.key) for period in found.periods),
    ]
    if not found.key:
        lines.append("no key is in force")
    return lines


def _said(word: Word | None, found: Registration | None, chain: str) -> list[str]:
    if word is None:
        return []
    accounts = word.on(number_of(chain))
    if not accounts:
        return [f"the domain names no account on {chain}"]
    vouched = "the resolver vouches for the answer" if word.vouched else "nobody vouches for the answer (no DNSSEC)"
    yes = found is not None and found.account in accounts
    return [f"the domain says: {', '.join(accounts)}{'' if yes else ', which is another account'}; {vouched}"]


def _line(origin: str, period: Period, key: bytes) -> str:
    end = "in force"
    if period.until is not None and period.until_time is not None:
        verb = "revoked" if period.revoked else "gave way"
        end = f"{verb} in block {period.until} ({utc(period.until_time)})"
    mark = "*" if period.key == key else " "
    return f"{mark} {NoteKey(origin, period.key)}  since block {period.since} ({utc(period.since_time)}), {end}"


def _report(found: Registration | None, word: Word | None, chain: str) -> dict[str, Any]:
    told: dict[str, Any] = {"chain": chain, "contract": ADDRESS, "registration": None}
    if found is not None:
        periods = [asdict(period) | {"key": period.key.hex()} for period in found.periods]
        told["registration"] = asdict(found) | {"key": found.key.hex() or None, "periods": periods}
    if word is not None:
        told["domain"] = {"accounts": [str(account) for account in word.accounts], "vouched": word.vouched}
    return told
