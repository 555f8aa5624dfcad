"""What `waxseal doctor` says about the chains that the log is anchored on. Nothing is signed, nothing is sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import trio

from node.anchor import tree_heads
from node.base.config import Settings
from node.base.config_anchor import AnchorChain
from node.base.errors import ConfigError, WaxsealError
from node.cli.settings import existing_keys
from node.net.chain.jsonrpc import JsonRpcChain
from node.service.chains import contract_of, number_of, signer_of

PATIENCE_SECONDS = 10.0
ANCHORS = 100  # that the balance should be enough for
ANCHOR_GAS = 40_000
STALE_SECONDS = 3600.0  # a chain whose newest block is so old hangs, or its server does
COIN, GWEI = 10**18, 10**9


@dataclass(frozen=True, slots=True)
class Answer:
    """One thing that was looked at; `fine` None: look at it."""

    what: str
    fine: bool | None
    words: str


def ask_chains(settings: Settings) -> Iterator[Answer]:
    """Ask each server of each chain, and look at the account and the contract."""
    if not settings.anchor.enabled:
        return
    for name, chain in settings.anchor.chains.items():
        what = f"chain {name}"
        reached = None
        for url in chain.rpc:
            answer = trio.run(_server, name, url)
            yield Answer(what, *answer)
            reached = reached or (url if answer[0] is not False else None)
        try:
            if reached:
                yield from (Answer(what, *found) for found in trio.run(_account, name, chain, reached, settings))
        except ConfigError as error:
            yield Answer(what, False, str(error))


async def _server(name: str, url: str) -> tuple[bool | None, str]:
    """Reachable, the right chain, and not hanging behind."""
    host = urlsplit(url).hostname
    with trio.move_on_after(PATIENCE_SECONDS):
        try:
            async with JsonRpcChain.open(url, None, number_of(name)) as chain:
                head = await chain.head()
        except WaxsealError as error:
            return False, str(error)
        age = time.time() - head.time
        if age > STALE_SECONDS:
            return None, f"{host}: block {head.number} is its newest, and {age / 3600:.1f} hours old"
        return True, f"{host} answers, block {head.number}"
    return False, f"{host} gives no answer within {PATIENCE_SECONDS:.0f} s"


async def _account(name: str, chain: AnchorChain, url: str, settings: Settings) -> list[tuple[bool | None, str]]:
    """Enough money for some anchors, and the contract is ours."""
    signer, contract = signer_of(name, chain, existing_keys(settings)), contract_of(name, chain)
    with trio.move_on_after(PATIENCE_SECONDS):
        try:
            async with JsonRpcChain.open(url, None, number_of(name)) as opened:
                return [
                    await _money(opened, signer.address, chain),
                    await _contract(opened, contract),
                ]
        except WaxsealError as error:
            return [(False, str(error))]
    return [(False, f"no answer within {PATIENCE_SECONDS:.0f} s")]


async def _money(chain: JsonRpcChain, address: str, settings: AnchorChain) -> tuple[bool | None, str]:
    market, balance = await chain.market(), await chain.balance(address)
    price = market.base + market.tip
    enough = balance // (ANCHOR_GAS * price) if price else ANCHORS
    words = f"{address} has {balance / COIN:.6f}, enough for {enough} anchors at {price / GWEI:.3g} Gwei"
    if price > settings.max_fee_gwei * GWEI:
        return None, f"{words}; that is over max_fee_gwei, anchors wait until gas is cheaper"
    if enough < ANCHORS:
        return (None if enough else False), f"{words}: send it some"
    return True, words


async def _contract(chain: JsonRpcChain, contract: str | None) -> tuple[bool | None, str]:
    if contract is None:
        return True, "the contract is made by the keeper's first anchor, where it is not there yet"
    if await tree_heads.is_there(chain, contract):
        return True, f"TreeHeads stands at {contract}"
    return False, f'what stands at {contract} is not TreeHeads: name another contract, or write "deploy"'
