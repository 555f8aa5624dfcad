"""Chains whose servers lie, hang behind, or reorganise: what library and stand-alone verifier make of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import trio

from node.anchor.steps import Step
from node.anchor.verify import verify
from node.net.chain.quorum import open_quorums

pytestmark = pytest.mark.anyio

Change = Callable[[str, Any], Any]


class Servers:
    """anvil behind servers that answer in its name, each with one habit."""

    def __init__(self, world: Any, alone: Any, serve: Any, ask: Any, stack: ExitStack) -> None:
        self._world, self._alone, self._serve, self._ask, self._stack = world, alone, serve, ask, stack

    def that(self, change: Change) -> str:
        """The URL of a server that changes results: `change(method, result)`."""

        def answer(_: str, body: bytes) -> bytes:
            asked = json.loads(body)
            try:
                found = self._ask(self._world.url, asked["method"], *asked["params"])
                content = {"result": change(asked["method"], found)}
            except AssertionError as refusal:
                content = {"error": {"code": -32000, "message": str(refusal)}}
            return json.dumps({"jsonrpc": "2.0", "id": asked["id"], **content}).encode()

        return str(self._stack.enter_context(self._serve(answer)))

    async def sixth(self, *urls: str, receipt: Any = None) -> Step:
        """What step 6 says of these servers; both verifiers must agree."""
        claim = receipt or self._world.receipt
        async with open_quorums(urls, {31337}) as chains:
            trust = self._world.trust(chains=dict(chains))
            step = (await verify(self._world.message, claim, trust))[5]
        options = ["--log-key", str(self._world.keys.log_key), "--keeper", self._world.keys.sender]
        options += [part for url in urls for part in ("--rpc", url)]
        other = await trio.to_thread.run_sync(lambda: self._alone.ask(self._world.message, claim.to_json(), *options))
        assert other["holds"][5] == step.holds, (other["words"][5], step.words)
        return step


@pytest.fixture
def servers(public: Any, alone: Any, serve: Any, ask_chain: Any) -> Any:
    with ExitStack() as stack:
        yield Servers(public, alone, serve, ask_chain, stack)


def honest(method: str, result: Any) -> Any:
    return result


def another_root(method: str, result: Any) -> Any:
    """Lies about the root that the contract stored: in its state and in its event."""
    if method == "eth_call":
        return result[:66] + "ab" * 32 + result[130:]
    return [entry | {"data": "0x" + "ab" * 32} for entry in result] if method == "eth_getLogs" else result


def no_state(method: str, result: Any) -> Any:
    """Has pruned old states, and lies in nothing."""
    if method == "eth_call":
        raise AssertionError("missing trie node")
    return result


def eager(method: str, result: Any) -> Any:
    """Calls every block final."""
    return result | {"number": hex(10**6)} if method == "eth_getBlockByNumber" else result


def young(method: str, result: Any) -> Any:
    """Calls nothing final but the genesis block."""
    return result | {"number": "0x0"} if method == "eth_getBlockByNumber" else result


def other_code(method: str, result: Any) -> Any:
    return "0x6001" if method == "eth_getCode" else result


def nonsense(method: str, result: Any) -> Any:
    return {"deep": [1, 2, 3]} if method != "eth_chainId" else result


async def test_one_liar_of_three_is_outvoted_and_named(servers: Any, public: Any) -> None:
    liar = servers.that(another_root)
    step = await servers.sixth(public.url, servers.that(honest), liar)
    assert step.holds is True
    assert step.words.count("was outvoted") == 1
    assert "(server 3) answered otherwise" in step.words


@pytest.mark.parametrize("lie", [another_root, other_code, nonsense, eager, young, no_state])
async def test_no_single_server_of_three_changes_the_answer(servers: Any, public: Any, lie: Change) -> None:
    assert (await servers.sixth(public.url, servers.that(honest), servers.that(lie))).holds is True


async def test_two_that_contradict_prove_nothing(servers: Any, public: Any) -> None:
    step = await servers.sixth(public.url, servers.that(another_root))
    assert (step.holds, "contradict each other" in step.words) == (None, True)
    step = await servers.sixth(public.url, servers.that(another_root), servers.that(other_code))
    assert step.holds is None or "outvoted" in step.words


async def test_two_liars_of_three_win(servers: Any, public: Any) -> None:
    """What two thirds say is believed: that is the bound of it, and documented."""
    step = await servers.sixth(public.url, servers.that(another_root), servers.that(another_root))
    assert (step.holds, "another root" in step.words) == (False, True)


async def test_one_alone_is_its_bare_word(servers: Any) -> None:
    assert (await servers.sixth(servers.that(another_root))).holds is False
    assert (await servers.sixth(servers.that(no_state))).holds is True  # by the event
    assert (await servers.sixth(servers.that(nonsense))).holds is None
    assert (await servers.sixth(servers.that(eager))).holds is True


async def test_a_silent_server_counts(servers: Any, public: Any) -> None:
    dead = "http://127.0.0.1:9"
    assert (await servers.sixth(public.url, dead)).holds is None
    assert (await servers.sixth(public.url, servers.that(honest), dead)).holds is True
    assert (await servers.sixth(dead)).holds is None


async def test_a_block_that_is_not_final(servers: Any, public: Any) -> None:
    step = await servers.sixth(servers.that(young))
    assert (step.holds, "not final yet" in step.words) == (None, True)
    # Of three, one calls everything final: it is not believed.
    step = await servers.sixth(servers.that(young), servers.that(young), servers.that(eager))
    assert step.holds is None


async def test_a_reorganisation_takes_the_anchor_away(servers: Any, public: Any, ask_chain: Any) -> None:
    """Last of this file: the chain it leaves has another history."""
    before = await servers.sixth(public.url)
    depth = int(ask_chain(public.url, "eth_blockNumber"), 16)
    ask_chain(public.url, "anvil_reorg", depth, [])
    after = await servers.sixth(public.url)
    assert (before.holds, after.holds) == (True, False)
    assert "no TreeHeads contract" in after.words or "stored no head" in after.words
