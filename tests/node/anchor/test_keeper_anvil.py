"""The keeper on a chain behind JSON-RPC: confirmations, reorganisations, restarts, rivals, several chains at once."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
import trio
from prometheus_client import REGISTRY

from node.anchor import anchoring, tree_heads
from node.anchor.journal import StoredJournal
from node.anchor.keeper import HistoryError, Keeper, Plan
from node.anchor.keys import LogKeys, open_keys
from node.anchor.log import Log
from node.base.errors import Permanent, Temporary
from node.net.chain.embedded import CHAIN_ID, EmbeddedChain
from node.net.chain.interface import Rival
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.sending import Rules
from node.net.chain.signer import KeySigner
from node.store import anchors
from node.store.anchors import Anchor
from node.store.database import Database

pytestmark = pytest.mark.anyio

ANVIL = 31337
RICH = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")  # every anvil's first
FAST = Rules(stuck_seconds=5, patience_seconds=20, poll_seconds=0.01)

Grow = Callable[[int], Awaitable[list[bytes]]]
Ask = Callable[..., Any]


@pytest.fixture
def keys(tmp_path: Path) -> LogKeys:
    return replace(open_keys(tmp_path / "keys", "waxseal.test"), chain_key=RICH)


@pytest.fixture
def chain_url(anvil_with: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """A chain of one's own, on which the third block from the top is final."""
    with anvil_with("--slots-in-an-epoch", "1") as url:
        yield url


def to_anvil(url: str, database: Database, **values: Any) -> Plan:
    signer = KeySigner(RICH)
    journal = StoredJournal(database, ANVIL, signer.address)
    open_chain = partial(JsonRpcChain.open, url, signer, ANVIL, journal, FAST)
    return Plan(ANVIL, signer.address, open_chain, **{"confirmations": 1, "check_seconds": 0.05, **values})


@asynccontextmanager
async def running(keeper: Keeper) -> AsyncIterator[Keeper]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keeper.run)
        with trio.fail_after(60):
            yield keeper
        nursery.cancel_scope.cancel()


async def until(database: Database, wanted: Callable[[list[Anchor]], bool]) -> list[Anchor]:
    """The anchors, newest first, as soon as they are as wanted."""
    with trio.fail_after(60):
        while not wanted(rows := await database.read(anchors.anchors)):  # noqa: ASYNC110
            await trio.sleep(0.02)
    return rows


async def heads(url: str, contract: str, sender: str) -> list[tuple[int, str]]:
    """Size and transaction of every head the chain holds, in order."""
    async with JsonRpcChain.open(url, None, ANVIL) as chain:
        return [
            (int.from_bytes(event.topics[2], "big"), "0x" + event.transaction.hex())
            for block in range((await chain.head()).number + 1)
            for event in await chain.events(contract, block)
            if event.topics[1][12:].hex() == sender[2:].lower()
        ]


def nonce(rpc: Ask, url: str, address: str) -> int:
    return int(rpc(url, "eth_getTransactionCount", address, "latest"), 16)


async def test_two_chains_each_at_its_own_pace(
    database: Database, grow: Grow, keys: LogKeys, chain_url: str, tmp_path: Path
) -> None:
    own = Plan(CHAIN_ID, keys.sender, partial(EmbeddedChain.open, tmp_path / "chain", RICH), own=True)
    other = to_anvil(chain_url, database, every_seconds=10**9, every_leaves=5)
    async with running(Keeper(database, keys, [own, other], 0.05, 1)):
        await grow(2)
        await until(database, lambda rows: any(row.size == 2 for row in rows))
        await grow(3)
        rows = await until(database, lambda rows: {row.chain for row in rows if row.size == 5} == {CHAIN_ID, ANVIL})
    assert [row.size for row in rows if row.chain == ANVIL] == [5]
    places = await database.read(lambda tx: anchors.covering(tx, 0))
    assert {(place.chain, place.size) for place in places} == {(CHAIN_ID, 2), (ANVIL, 5)}
    assert all(place.gas > 30_000 and place.fee > 0 for place in places)


async def test_an_anchor_is_provisional_until_it_has_its_confirmations(
    database: Database, grow: Grow, keys: LogKeys, chain_url: str, rpc: Ask
) -> None:
    await grow(1)
    async with running(Keeper(database, keys, [to_anvil(chain_url, database, confirmations=3)])) as keeper:
        anchor = await keeper.anchor_now()
        assert anchor is not None
        assert not anchor.confirmed
        rpc(chain_url, "anvil_mine", "0x1")
        async with JsonRpcChain.open(chain_url, None, ANVIL) as chain:
            assert (await chain.head()).number == anchor.block + 1
        assert not (await database.read(anchors.anchors))[0].confirmed
        rpc(chain_url, "anvil_mine", "0x1")
        (row,) = await until(database, lambda rows: rows[0].confirmed)
    assert row == replace(anchor, confirmed=True)


async def test_or_until_the_chain_calls_it_final(
    database: Database, grow: Grow, keys: LogKeys, chain_url: str, rpc: Ask
) -> None:
    await grow(1)
    async with running(Keeper(database, keys, [to_anvil(chain_url, database, confirmations=None)])) as keeper:
        anchor = await keeper.anchor_now()
        assert anchor is not None
        assert not anchor.confirmed
        rpc(chain_url, "anvil_mine", "0x8")
        await until(database, lambda rows: rows[0].confirmed)


async def test_what_a_reorganisation_takes_away_is_anchored_again(
    database: Database, grow: Grow, keys: LogKeys, chain_url: str, rpc: Ask
) -> None:
    plan = to_anvil(chain_url, database, confirmations=50)
    await grow(1)
    async with running(Keeper(database, keys, [plan])) as keeper:
        first = await keeper.anchor_now()
        assert first is not None
        await grow(1)
        second = await keeper.anchor_now()
        rpc(chain_url, "anvil_reorg", 1, [])  # the newest block gives way to an empty one
        assert second is not None
        rows = await until(database, lambda rows: rows[0].size == 2 and rows[0].block_hash != second.block_hash)
    assert [row.size for row in rows] == [2, 1]
    assert await heads(chain_url, first.contract, plan.sender) == [(row.size, row.tx_hash) for row in rows[::-1]]


async def test_a_reorganisation_that_takes_contract_and_all(
    database: Database, grow: Grow, keys: LogKeys, chain_url: str, rpc: Ask
) -> None:
    plan = to_anvil(chain_url, database, confirmations=50)
    rpc(chain_url, "anvil_mine", "0x2")
    await grow(3)
    async with running(Keeper(database, keys, [plan])) as keeper:
        before = await keeper.anchor_now()
        assert before is not None
        rpc(chain_url, "anvil_reorg", 2, [])
        rows = await until(database, lambda rows: bool(rows) and rows[0].block_hash != before.block_hash)
        await grow(1)
        after = await keeper.anchor_now()
    assert after is not None
    assert [row.size for row in rows] == [3]
    assert await heads(chain_url, after.contract, plan.sender) == [(3, rows[0].tx_hash), (4, after.tx_hash)]


async def test_a_chain_that_is_down_leaves_mail_alone_and_goes_on_when_it_is_back(
    database: Database,
    grow: Grow,
    keys: LogKeys,
    tmp_path: Path,
    anvil_with: Callable[..., AbstractContextManager[str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(anchoring, "FIRST_RETRY_SECONDS", 0.05)
    monkeypatch.setattr(anchoring, "LAST_RETRY_SECONDS", 0.1)
    monkeypatch.setattr(anchoring, "WATCH_SECONDS", 0.02)
    state = ("--state", str(tmp_path / "state.json"))
    with anvil_with(*state) as url:
        port, plan = int(url.rpartition(":")[2]), to_anvil(url, database, alert_seconds=0.1)
        await grow(1)
        async with running(Keeper(database, keys, [plan], 0.02, 1)) as keeper:
            assert await keeper.anchor_now()
    errors: list[str] = []
    monkeypatch.setattr(anchoring.log, "error", lambda event, **_details: errors.append(event))
    async with running(Keeper(database, keys, [plan], 0.02, 1)) as keeper:
        await grow(7)
        await seen(lambda: metric("waxseal_anchor_waiting") == 7 and bool(errors))
        assert metric("waxseal_anchor_oldest_seconds") > 0
        with pytest.raises(Temporary, match="no answer"):
            await keeper.anchor_now()
        with anvil_with(*state, port=port):
            rows = await until(database, lambda rows: rows[0].size == 8)
            sent = await heads(url, rows[0].contract, plan.sender)
            await seen(lambda: metric("waxseal_anchor_waiting") == 0)
    assert [size for size, _ in sent] == [1, 8]
    assert set(errors) == {"keeper.overdue"}
    assert metric("waxseal_anchor_last_timestamp_seconds") == rows[0].time


async def seen(what: Callable[[], bool]) -> None:
    while not what():  # noqa: ASYNC110
        await trio.sleep(0.02)


def metric(name: str) -> float:
    return REGISTRY.get_sample_value(name, {"chain": f"eip155:{ANVIL}"}) or 0.0


async def test_a_chain_shorter_than_before_is_not_anchored_on(
    database: Database, grow: Grow, keys: LogKeys, anvil_with: Callable[..., AbstractContextManager[str]], rpc: Ask
) -> None:
    await grow(1)
    with anvil_with() as url:
        port, plan = int(url.rpartition(":")[2]), to_anvil(url, database, confirmations=50)
        async with running(Keeper(database, keys, [plan])) as keeper:
            await keeper.anchor_now()
    with anvil_with(port=port):
        async with running(Keeper(database, keys, [plan])) as keeper:
            await grow(1)
            with pytest.raises(Temporary, match="hangs behind"):
                await keeper.anchor_now()
        assert nonce(rpc, url, plan.sender) == 0


async def test_two_keepers_of_one_log_and_key_notice_each_other_and_anchor_nothing_twice(
    database: Database,
    grow: Grow,
    growing_of: Callable[[Database], Grow],
    keys: LogKeys,
    chain_url: str,
    tmp_path: Path,
    rpc: Ask,
) -> None:
    await grow(2)
    before = REGISTRY.get_sample_value("waxseal_anchors_total", {"chain": "eip155:31337", "result": "rival"}) or 0
    async with running(Keeper(database, keys, [to_anvil(chain_url, database)])) as keeper:
        first = await keeper.anchor_now()
    assert first is not None
    await trio.to_thread.run_sync(_copy, database.path, tmp_path / "twin.sqlite")
    async with Database.open(tmp_path / "twin.sqlite") as twin:
        await grow(1)
        await growing_of(twin)(2)
        async with running(Keeper(database, keys, [to_anvil(chain_url, database)])) as keeper:
            assert await keeper.anchor_now()
        async with running(Keeper(twin, keys, [to_anvil(chain_url, twin)])) as keeper:
            with pytest.raises(HistoryError, match="another node uses this key"):
                await keeper.anchor_now()
        sent = nonce(rpc, chain_url, keys.sender)
        await trio.to_thread.run_sync(_copy, database.path, tmp_path / "mirror.sqlite")
    # A third with the whole log, but of which somebody else anchored the last head: noted, and told of loudly.
    async with Database.open(tmp_path / "mirror.sqlite") as mirror:
        await mirror.write(_forget_the_last)
        async with running(Keeper(mirror, keys, [to_anvil(chain_url, mirror)])) as keeper:
            assert await keeper.anchor_now()
    assert nonce(rpc, chain_url, keys.sender) == sent
    after = REGISTRY.get_sample_value("waxseal_anchors_total", {"chain": "eip155:31337", "result": "rival"}) or 0
    assert after == before + 1


def _copy(old: Path, new: Path) -> None:
    source, target = apsw.Connection(str(old)), apsw.Connection(str(new))
    with target.backup("main", source, "main") as backup:
        backup.step()
    source.close()
    target.close()


def _forget_the_last(tx: Any) -> None:
    (newest, *_) = anchors.anchors(tx)
    anchors.remove(tx, newest.id)
    tx._cursor.execute("DELETE FROM chain_transaction WHERE hash = ?", (bytes.fromhex(newest.tx_hash[2:]),))


async def test_a_rivals_waiting_transaction_stops_the_keeper_for_long(
    database: Database, grow: Grow, keys: LogKeys, chain_url: str, rpc: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    await grow(1)
    rpc(chain_url, "evm_setAutomine", False)
    rpc(chain_url, "eth_sendTransaction", {"from": keys.sender, "to": keys.sender, "value": "0x1"})
    pauses: list[float] = []
    monkeypatch.setattr(anchoring.log, "error", lambda _event, **told: pauses.append(told["retry_seconds"]))
    async with running(Keeper(database, keys, [to_anvil(chain_url, database)])) as keeper:
        with pytest.raises(Rival, match="did not sign"):
            await keeper.anchor_now()
    assert pauses[0] == anchoring.LAST_RETRY_SECONDS
    assert nonce(rpc, chain_url, keys.sender) == 0


@pytest.mark.parametrize("jump", [-(10**9), 10**9])
async def test_a_clock_that_jumps_neither_stops_nor_hurries_it_for_ever(
    database: Database, grow: Grow, keys: LogKeys, chain_url: str, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    now = time.time
    async with running(Keeper(database, keys, [to_anvil(chain_url, database, every_seconds=0.3)], 0.02, 1)):
        for size in (1, 2, 3):
            await grow(1)
            await until(database, lambda rows, size=size: bool(rows) and rows[0].size == size)  # type: ignore[misc]
            monkeypatch.setattr(time, "time", lambda: now() + jump)
    assert len(await database.read(anchors.anchors)) == 3


async def test_a_contract_of_the_settings_that_is_not_there_is_not_used(
    database: Database, grow: Grow, keys: LogKeys, chain_url: str, rpc: Ask
) -> None:
    await grow(1)
    async with running(Keeper(database, keys, [to_anvil(chain_url, database, contract="0x" + "12" * 20)])) as keeper:
        with pytest.raises(Exception, match="no TreeHeads contract of ours"):
            await keeper.anchor_now()
    assert nonce(rpc, chain_url, keys.sender) == 0


async def test_a_contract_of_the_settings_is_used(
    database: Database, grow: Grow, keys: LogKeys, chain_url: str, log: Log
) -> None:
    async with JsonRpcChain.open(chain_url, b"\x42" * 32, ANVIL) as chain:
        with pytest.raises(Temporary):
            await tree_heads.deploy(chain)  # without money
    async with JsonRpcChain.open(chain_url, RICH, ANVIL) as chain:
        contract = await tree_heads.deploy(chain)
    await grow(1)
    async with running(Keeper(database, keys, [to_anvil(chain_url, database, contract=contract)])) as keeper:
        anchor = await keeper.anchor_now()
    assert anchor is not None
    assert anchor.contract == contract


async def test_a_server_that_denies_what_was_anchored_brings_nobody_to_anchor_it_twice(
    database: Database,
    grow: Grow,
    keys: LogKeys,
    chain_url: str,
    rpc: Ask,
    lying: Callable[..., AbstractAsyncContextManager[str]],
) -> None:
    lie = False

    def denying(question: dict[str, Any], answer: Any) -> Any:
        if lie and question["method"] == "eth_getTransactionReceipt":
            return {**answer, "result": None}
        if lie and question["method"] == "eth_getBlockByNumber" and question["params"][0].startswith("0x"):
            answer["result"]["hash"] = "0x" + "12" * 32
        return answer

    await grow(1)
    async with lying(chain_url, denying) as false:
        plan = to_anvil(false, database, confirmations=50)
        async with running(Keeper(database, keys, [plan])) as keeper:
            first = await keeper.anchor_now()
            assert first is not None
            lie = True
            await until(database, lambda rows: not rows)
            with pytest.raises(Temporary):
                await keeper.anchor_now()
            lie = False
            again = await keeper.anchor_now()
    assert again is not None
    assert replace(again, id=first.id) == first
    assert nonce(rpc, chain_url, keys.sender) == 2  # the contract and one head


async def test_two_keepers_at_once_in_step_never_anchor_twice_and_both_come_to_an_end(
    database: Database, keys: LogKeys, chain_url: str, tmp_path: Path, log: Log
) -> None:
    await trio.to_thread.run_sync(_copy, database.path, tmp_path / "twin.sqlite")
    ends: list[int] = []

    async def bring_up(keeper: Keeper, size: int) -> None:
        for _ in range(20):
            with suppress(Temporary, Permanent):
                anchor = await keeper.anchor_now()
                if anchor and anchor.size >= size:
                    ends.append(size)
                    return
        raise AssertionError("it goes on and on")

    async with Database.open(tmp_path / "twin.sqlite") as twin:
        both = [Keeper(one, keys, [to_anvil(chain_url, one)]) for one in (database, twin)]
        async with running(both[0]), running(both[1]):
            for size in range(1, 6):
                entry = bytes([size]) * 32
                for one in (database, twin):
                    await one.write(lambda tx, entry=entry: log.append(tx, entry))  # type: ignore[misc]
                async with trio.open_nursery() as nursery:
                    for keeper in both:
                        nursery.start_soon(bring_up, keeper, size)
        contracts = {row.contract for one in (database, twin) for row in await one.read(anchors.anchors)}
        found = [await heads(chain_url, contract, keys.sender) for contract in contracts]
    assert sorted(ends) == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    for sent in found:  # both may have made a contract, at the start
        sizes = [size for size, _ in sent]
        assert sizes == sorted(set(sizes))


async def test_a_chain_that_keeps_other_code_is_not_paid_for_again_and_again(
    database: Database, grow: Grow, keys: LogKeys, chain_url: str, rpc: Ask
) -> None:
    await grow(1)
    async with running(Keeper(database, keys, [to_anvil(chain_url, database)])) as keeper:
        anchor = await keeper.anchor_now()
        assert anchor is not None
        rpc(chain_url, "anvil_setCode", anchor.contract, "0x00")
        await grow(1)
        for _ in range(3):
            with pytest.raises(Permanent, match="other code than ours"):
                await keeper.anchor_now()
        rpc(chain_url, "anvil_setCode", anchor.contract, "0x")
        with suppress(Temporary, Permanent):
            await keeper.anchor_now()
    assert nonce(rpc, chain_url, keys.sender) <= 4
