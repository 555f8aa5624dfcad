"""`waxseal anchors`, and what the doctor says of chains: from real anchors on the embedded chain and on anvil."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import trio

from node.anchor.keeper import Keeper
from node.anchor.keys import open_keys
from node.anchor.log import Log
from node.base.config import Settings, parse_settings
from node.net.chain.transaction import address_of
from node.service.chains import chain_plans
from node.service.folders import Folders
from node.store.database import Database

ANVIL = "eip155:31337"
KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"  # every anvil's first
ME = address_of(bytes.fromhex(KEY))

Call = Callable[..., Any]


@pytest.fixture
def chain_url(anvil_with: Callable[..., AbstractContextManager[str]], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("ANCHOR_KEY", KEY)
    with anvil_with() as url:
        yield url


def table(*urls: str, **values: Any) -> dict[str, Any]:
    return {"chains": {ANVIL: {"rpc": list(urls), "key_variable": "ANCHOR_KEY", **values}}}


def anchored(place: Any, *sizes: int) -> None:
    """What a running node does, as far as anchors go: the log grows, and each growth is anchored on every chain."""

    async def work(settings: Settings) -> None:
        folders = Folders(settings.data)
        folders.make()
        keys = open_keys(folders.keys, settings.hostname)
        async with Database.open(folders.database) as database, trio.open_nursery() as nursery:
            plans = chain_plans(settings, folders, database, keys)
            keeper = Keeper(database, keys, plans)
            nursery.start_soon(keeper.run)
            for size in sizes:
                await database.write(lambda tx, n=size: [Log().append(tx, os.urandom(32)) for _ in range(n)])
                for plan in plans:
                    await keeper.anchor_now(plan.chain_id)
            nursery.cancel_scope.cancel()

    trio.run(work, parse_settings(place.config.read_text()))


def test_nothing_is_anchored_yet(waxseal: Call, place: Any) -> None:
    anchored(place)
    assert "Nothing is anchored yet" in waxseal("anchors", "list", "-c", place.config).out
    assert "Nothing is anchored yet" in waxseal("anchors", "cost", "-c", place.config).out
    assert json.loads(waxseal("anchors", "list", "--json", "-c", place.config).out) == []


def test_anchors_of_two_chains(waxseal: Call, place: Any, chain_url: str, rpc: Call) -> None:
    place.write(anchor=table(chain_url, confirmations=9))
    anchored(place, 3, 4)
    rpc(chain_url, "anvil_mine", "0x2")
    rows = json.loads(waxseal("anchors", "list", "--json", "-c", place.config).out)
    assert {(row["chain"], row["entries"], row["final"]) for row in rows} == {
        ("eip155:24225", 3, True),
        ("eip155:24225", 7, True),
        (ANVIL, 3, False),
        (ANVIL, 7, False),
    }
    newest = next(row for row in rows if (row["chain"], row["entries"]) == (ANVIL, 7))
    receipt = rpc(chain_url, "eth_getTransactionReceipt", newest["transaction"])
    assert newest["gas"] == int(receipt["gasUsed"], 16)
    assert newest["fee_wei"] == int(receipt["gasUsed"], 16) * int(receipt["effectiveGasPrice"], 16)
    assert (newest["sender"], newest["confirmations"]) == (ME, 3)
    said = waxseal("anchors", "list", "--chain", ANVIL, "--limit", "1", "-c", place.config)
    assert f"{ANVIL} 7 {newest['block']} 3 " in said.words
    assert "24225" not in said.words


def test_what_a_message_costs(waxseal: Call, place: Any, chain_url: str) -> None:
    place.write(anchor=table(chain_url))
    anchored(place, 1, 1, 1)
    (cost,) = json.loads(
        waxseal("anchors", "cost", "--chain", ANVIL, "--gwei", 20, "--price", 2000, "--json", "-c", place.config).out
    )
    assert (cost["anchors"], cost["entries"], cost["gas_per_anchor"]) == (3, 3, 34_133)
    assert [batch["messages"] for batch in cost["per_message"]] == [1, 100, 10_000]
    assert cost["per_message"][1]["gas"] == 341.33
    assert cost["per_message"][0]["price"] == pytest.approx(34_133 * 20e-9 * 2000)
    words = waxseal("anchors", "cost", "-c", place.config).words
    assert f"{ANVIL}: 3 anchors of 3 entries; one takes 34,133 gas" in words
    assert "10,000 3.41" in words


def test_a_chain_that_is_away_leaves_the_list(waxseal: Call, place: Any, chain_url: str) -> None:
    place.write(anchor=table(chain_url, confirmations=9))
    anchored(place, 1)
    place.write(anchor=table("http://127.0.0.1:9"))
    said = waxseal("anchors", "list", "--chain", ANVIL, "-c", place.config)
    assert said.code == 0
    assert "cannot be asked" in said.err
    assert "provisional" in said.out


def test_the_doctor_finds_a_chain_fine(waxseal: Call, place: Any, chain_url: str) -> None:
    place.write(anchor=table(chain_url), classifier={"enabled": False})
    anchored(place, 1)
    said = waxseal("doctor", "-c", place.config)
    assert said.code == 0, said.words
    assert f"ok chain {ANVIL} 127.0.0.1 answers, block 2" in said.words
    assert f"ok chain {ANVIL} {ME} has 9999.99" in said.words
    assert "the contract is made by the keeper's first anchor" in said.words


def test_the_doctor_names_what_is_wrong_with_chains(
    waxseal: Call, place: Any, chain_url: str, tmp_path: Path, rpc: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(classifier={"enabled": False})
    anchored(place)
    wrong = {"chains": {"eip155:1": {"rpc": [chain_url, "http://127.0.0.1:9"]}}}
    place.write(anchor=wrong, classifier={"enabled": False})
    said = waxseal("doctor", "-c", place.config)
    assert said.code == 1
    assert "wrong chain eip155:1 the server at 127.0.0.1 serves chain 31337, the settings say 1" in said.words
    assert "wrong chain eip155:1 no answer from the chain's server 127.0.0.1" in said.words

    place.write(anchor=table(chain_url, contract="0x" + "12" * 20), classifier={"enabled": False})
    rpc(chain_url, "anvil_setBalance", ME, "0x1")
    said = waxseal("doctor", "-c", place.config)
    assert f"wrong chain {ANVIL} {ME} has 0.000000, enough for 0 anchors" in said.words
    assert "is not TreeHeads" in said.words

    monkeypatch.delenv("ANCHOR_KEY")
    assert "the environment variable ANCHOR_KEY" in waxseal("doctor", "-c", place.config).words
