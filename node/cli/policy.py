"""`waxseal policy list|show|verify`: by which rules mail was judged, and what a chain has of them."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated

import trio
import typer

from node.anchor import governance, policy
from node.anchor.governance import ADDRESS, Publication
from node.anchor.policy import Policy
from node.anchor.steps import utc
from node.base.errors import Permanent
from node.cli.chain_options import ChainOption, RpcOption, reading
from node.cli.settings import ConfigOption, existing_keys, load_settings, read_store, with_database
from node.service.chains import EMBEDDED

app = typer.Typer(help="The policies that decided about mail, and their hashes on a chain.", no_args_is_help=True)

NOT_HELD = 1
MAX_DOCUMENT = 1 << 20  # octets


@app.command("list")
def listing(config: ConfigOption = Path("waxseal.toml")) -> None:
    """Print the policies, oldest first, one a line: number, hash, and since when it was in force."""
    for one in read_store(config, policy.listing):
        typer.echo(f"{one.number}\t{one.hash.hex()}\t{utc(one.since)}")


@app.command()
def show(
    hash: Annotated[str, typer.Argument(help="Its SHA-256 in hex; left out: the one in force.")] = "",
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Print a policy's document, which `policy verify` takes."""
    wanted = _hash(hash) if hash else None
    settings = load_settings(config)
    found: Policy | None = with_database(
        settings,
        lambda database: database.read(lambda tx: policy.get(tx, wanted) if wanted else policy.current(tx)),
    )
    if found is None:
        raise Permanent("there is no such policy here: waxseal policy list" if hash else "start the node once first")
    typer.echo(found.document)


@app.command()
def verify(
    document: Annotated[str, typer.Argument(help="The document's file, or its SHA-256 in hex.")],
    sender: Annotated[str, typer.Option(help="The account that published it; left out: this node's keeper.")] = "",
    block: Annotated[int | None, typer.Option(help="Was it in force in this block?", min=0)] = None,
    chain: ChainOption = EMBEDDED,
    rpc: RpcOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    config: ConfigOption = Path("waxseal.toml"),
) -> None:
    """Check that a chain holds a policy's hash: in force from which block to which. Exit code 1: it does not hold."""

    async def work() -> list[Publication]:
        async with reading(chain, rpc or [], config) as opened:
            return [one for one in await governance.published(opened, ADDRESS, who) if one.policy == wanted]

    wanted = _hash(document)
    who = _account(sender) if sender else existing_keys(load_settings(config)).sender
    found = trio.run(work)
    holds = any(block is None or (one.block <= block and (one.until is None or block < one.until)) for one in found)
    if as_json:
        times = [{"since": one.block, "time": one.time, "until": one.until} for one in found]
        told = {"policy": wanted.hex(), "chain": chain, "contract": ADDRESS, "sender": who, "in_force": times}
        typer.echo(json.dumps({**told, "holds": holds}))
    else:
        for line in _words(wanted, who, chain, found):
            typer.echo(line)
        if found and not holds:
            typer.echo(f"it was not in force in block {block}")
    if not holds:
        raise typer.Exit(NOT_HELD)


def _words(wanted: bytes, who: str, chain: str, found: list[Publication]) -> list[str]:
    if not found:
        return [f"{who} has not published the policy {wanted.hex()} on {chain}"]
    return [
        f"the policy {wanted.hex()} was published by {who} on {chain}, Governance {ADDRESS}:",
        *(
            f"in force since block {one.block} ({utc(one.time)}), "
            + ("until now" if one.until is None else f"until block {one.until}")
            for one in found
        ),
    ]


def _hash(text: str) -> bytes:
    """The SHA-256 that is given, or of the policy in the file that is; a newline behind it is a terminal's."""
    if re.fullmatch(r"[0-9a-fA-F]{64}", text):
        return bytes.fromhex(text)
    try:
        with Path(text).open("rb") as file:
            content = file.read(MAX_DOCUMENT + 1)
    except OSError as error:
        raise Permanent(f"{text} is neither a readable file nor a SHA-256: {error.strerror}") from None
    if len(content) > MAX_DOCUMENT:
        raise Permanent(f"{text} has more than {MAX_DOCUMENT} octets: no policy has")
    content = content.removesuffix(b"\n")
    policy.parse(content)
    return hashlib.sha256(content).digest()


def _account(text: str) -> str:
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise Permanent("--sender is an account: 0x and 40 hexadecimal digits")
    return text
