"""A whole node whose log goes to several chains, of which one works: mail flows, and the one that works has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import structlog
import trio

from node.anchor import registry, tree_heads
from node.base.config import Settings
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.transaction import address_of
from node.store import anchors

pytestmark = pytest.mark.anyio

KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # every anvil's first
DEAD = "http://127.0.0.1:9"


async def test_mail_comes_in_and_is_anchored_where_that_works(
    open_node: Callable[..., Any],
    plan: Callable[..., Settings],
    note: bytes,
    anvil: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANCHOR_KEY", KEY)
    works = {"rpc": [DEAD, anvil], "key_variable": "ANCHOR_KEY", "every_messages": 1, "confirmations": 1}
    chains = {"eip155:1": {"rpc": [DEAD]}, "eip155:10": {"rpc": [anvil]}, "eip155:31337": works}
    chains["eip155:5"] = {"rpc": [anvil], "key_variable": "NOT_SET"}
    settings = plan(anchor={"every_seconds": 1, "every_messages": 1, "chain": "none", "chains": chains})
    with structlog.testing.capture_logs() as lines:
        async with open_node(settings) as house:
            await house.deliver(note)
            with trio.fail_after(60):
                while not (found := await house.running.rooms.database.read(anchors.anchors)):  # noqa: ASYNC110
                    await trio.sleep(0.05)
                while "keeper.registered" not in {line["event"] for line in lines}:  # noqa: ASYNC110
                    await trio.sleep(0.05)
            assert len(await house.inbox()) == 1
    told = [(line["event"], line.get("chain")) for line in lines]
    assert ("keeper.not_anchored", "eip155:1") in told
    assert ("keeper.not_anchored", "eip155:10") in told  # another chain answers there
    assert ("chain.off", "eip155:5") in told
    assert KEY not in str(lines)
    assert {anchor.chain for anchor in found} == {31337}
    async with JsonRpcChain.open(anvil, None, 31337) as chain:
        account = address_of(bytes.fromhex(KEY))
        stored = await tree_heads.read_head(chain, found[-1].contract, account)
        assert stored.size >= found[-1].size
        origin = house.running.rooms.keys.origin
        claimed = await registry.lookup(chain, registry.ADDRESS, origin, account=account)
        assert claimed is not None
        assert claimed.key == house.running.rooms.keys.log_key.public
