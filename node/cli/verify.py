"""`waxseal verify`: checks a message against its receipt, step by step, in words or JSON."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import trio
import typer

from node.anchor import domain_word, registry, steps
from node.anchor import receipt as receipts
from node.anchor import verify as verification
from node.anchor.cosignature import CosignatureKey
from node.anchor.keys import LogKeys
from node.anchor.log_source import LogSource
from node.anchor.note import MAX_SIZE, NoteKey
from node.anchor.receipt import Receipt
from node.anchor.steps import RegistryAt, Step, Trust
from node.base.config import Settings
from node.base.config_chains import check_address
from node.base.errors import ConfigError, Permanent, WaxsealError
from node.cli.settings import existing_keys, load_settings
from node.net.chain import embedded
from node.net.chain.embedded import EmbeddedChain
from node.net.chain.interface import Chain
from node.net.chain.quorum import open_quorums
from node.net.web_service import WebService
from node.service.chains import signer_of
from node.service.folders import Folders

VERSION = "waxseal.verification/1"
MARKS = {True: "holds", False: "DOES NOT HOLD", None: "not checked"}
UNREADABLE = 2
MAX_MESSAGE = 1 << 28  # octets


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says to check against."""

    config: Path | None
    keys: list[str]
    revoked: list[str]
    keepers: list[str]
    rpc: list[str]
    registry: str
    account: str
    later: Path | None
    log: str
    witnesses: list[str]
    needed: int


def verify(
    message: Annotated[Path, typer.Argument(help="The message, as the node keeps it, or exported by a mail client.")],
    receipt: Annotated[Path, typer.Option("--receipt", "-r", help="Its receipt (JSON).")],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Settings of the node whose log key and chain to check against."),
    ] = None,
    log_key: Annotated[
        list[str] | None,
        typer.Option(help="The log's public key, as its operator's `waxseal log-key` prints it; repeat."),
    ] = None,
    revoked: Annotated[list[str] | None, typer.Option(help="A key of the log that counts no more; repeat.")] = None,
    keeper: Annotated[
        list[str] | None, typer.Option(help="An account that anchors, as the log's operator names it; repeat.")
    ] = None,
    rpc: Annotated[
        list[str] | None,
        typer.Option(help="A JSON-RPC server of a chain; repeat: two thirds of a chain's servers must agree."),
    ] = None,
    registry_at: Annotated[
        str, typer.Option("--registry", help="Look up the log's key: eip155:1, or eip155:1:0x... for another contract.")
    ] = "",
    account: Annotated[
        str,
        typer.Option(help="Whose registration counts: 0x..., or dns: whom the log's domain names. Else the keeper's."),
    ] = "",
    later: Annotated[
        Path | None, typer.Option(help="A file with a later checkpoint of the log, with or without its proof.")
    ] = None,
    log: Annotated[
        str, typer.Option(help="The log's address, https://host/log: its newest checkpoint, and proofs.")
    ] = "",
    witness: Annotated[list[str] | None, typer.Option(help="A witness's public key; repeat.")] = None,
    witnesses: Annotated[int, typer.Option(help="How many of them must have cosigned; 0: all.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="The steps as JSON.")] = False,
) -> None:
    """Check a message against its receipt, in eight steps.

    Exit code 0: all that were asked for hold; 1: one does not hold; 2: unreadable; 3: not all could be checked.
    """
    options = Options(
        *(config, log_key or [], revoked or [], keeper or [], rpc or [], registry_at, account, later, log),
        *(witness or [], witnesses),
    )
    try:
        content, claim = _read(message, MAX_MESSAGE), receipts.parse(_read(receipt, receipts.MAX_BYTES))
        found = trio.run(_verify, content, claim, options)
    except WaxsealError as error:
        print(f"waxseal: {error}", file=sys.stderr)
        raise typer.Exit(UNREADABLE) from None
    code = steps.result(found)
    if as_json:
        typer.echo(json.dumps(report(found), ensure_ascii=False))
    else:
        for step in found:
            typer.echo(f"{step.number}. {step.name}: {MARKS[step.holds]}. {step.words}")
    if code:
        raise typer.Exit(int(code))


def report(found: tuple[Step, ...]) -> dict[str, object]:
    """The steps as JSON says them."""
    facts = [
        {"number": step.number, "name": step.name, "holds": step.holds, "asked": step.asked, "words": step.words}
        for step in found
    ]
    return {"version": VERSION, "exit": int(steps.result(found)), "steps": facts}


def _read(file: Path, limit: int) -> bytes:
    try:
        with file.open("rb") as opened:
            content = opened.read(limit + 1)
    except OSError as error:
        raise Permanent(f"cannot read {file}: {error.strerror}") from None
    if len(content) > limit:
        raise Permanent(f"{file} has more than {limit} octets")
    return content


async def _verify(content: bytes, claim: Receipt, options: Options) -> tuple[Step, ...]:
    async with _trust(claim, options) as trust:
        return await verification.verify(content, claim, trust)


@asynccontextmanager
async def _trust(claim: Receipt, options: Options) -> AsyncIterator[Trust]:
    where = registry_of(options.registry, "" if options.account == "dns" else options.account)
    if where and options.account == "dns":
        where = replace(where, account=await _of_domain(claim.origin, where.chain_id))
    keys, keepers = [NoteKey.parse(text) for text in options.keys], options.keepers
    for account in keepers:
        _account(account, "--keeper")
    for url in options.rpc:
        _check_address(url, "--rpc")
    if options.needed > len(options.witnesses):
        raise Permanent(f"--witnesses {options.needed} asks for more than the {len(options.witnesses)} that are named")
    wanted = {place.chain_id for place in claim.anchors} | ({where.chain_id} if where else set())
    async with AsyncExitStack() as stack:
        settings = load_settings(options.config) if options.config else None
        servers = options.rpc or (_own_servers(settings) if settings else [])
        chains: dict[int, Chain] = dict(await stack.enter_async_context(open_quorums(servers, wanted)))
        if settings is not None:
            own = existing_keys(settings)
            keys, keepers = [*keys, *own.log_keys], keepers or _own_accounts(settings, own)
            chain = await stack.enter_async_context(EmbeddedChain.open(Folders(settings.data).chain, None))
            chains.setdefault(embedded.CHAIN_ID, chain)
        yield Trust(
            keys=tuple(keys),
            revoked=tuple(NoteKey.parse(text) for text in options.revoked),
            keepers=tuple(keepers),
            chains=chains,
            registry=where,
            later=_read(options.later, 2 * MAX_SIZE).decode("utf-8", "replace") if options.later else "",
            log=await _log(stack, options.log) if options.log else None,
            witnesses=tuple(CosignatureKey.parse(text) for text in options.witnesses),
            witnesses_needed=options.needed,
        )


def _own_servers(settings: Settings) -> list[str]:
    """Whom the node itself asks about the chains it anchors on."""
    return [url for chain in settings.anchor.chains.values() for url in chain.rpc]


def _own_accounts(settings: Settings, keys: LogKeys) -> list[str]:
    """The accounts that anchor for this node; one whose key is not at hand here is left out."""
    found = [keys.sender]
    for name, chain in settings.anchor.chains.items():
        with suppress(ConfigError):
            found.append(signer_of(name, chain, keys).address)
    return list(dict.fromkeys(found))


async def _log(stack: AsyncExitStack, url: str) -> LogSource:
    _check_address(url, "--log")
    return LogSource(await stack.enter_async_context(WebService.open(url, "the log")))


async def _of_domain(origin: str, chain_id: int) -> str:
    """The account whose registrations a log's domain stands by.

    Raises:
        Permanent: it names none, or several.
        Temporary: its name servers do not answer.
    """
    accounts = (await domain_word.look_up(origin)).on(chain_id)
    if len(accounts) != 1:
        raise Permanent(
            f"the domain of {origin} names {len(accounts) or 'no'} account{'s' if accounts else ''} on "
            f"eip155:{chain_id}: name one with --account 0x..."
        )
    return accounts[0]


def registry_of(text: str, account: str) -> RegistryAt | None:
    """Where `--registry` points.

    Raises:
        Permanent: to nowhere.
    """
    if not text:
        return None
    match = re.fullmatch(r"eip155:([1-9][0-9]{0,18})(?::(0x[0-9a-fA-F]{40}))?", text)
    if not match:
        raise Permanent("--registry is eip155:1, or eip155:1:0x... where the contract has another address")
    return RegistryAt(int(match[1]), match[2] or registry.ADDRESS, _account(account, "--account"))


def _check_address(url: str, option: str) -> None:
    """Refuse what is no web address, or would carry questions through other networks unsealed."""
    try:
        check_address(option, url)
    except ValueError as error:
        raise Permanent(str(error)) from None


def _account(text: str, option: str) -> str:
    if text and not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise Permanent(f"{option} is an account: 0x and 40 hexadecimal digits")
    return text
