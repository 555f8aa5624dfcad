"""Sending on a real chain whose mining we hold in our hands: stuck, replaced, rivalled, interrupted transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any

import pytest
import trio

from node.base.errors import Permanent, Temporary
from node.net.chain import rpc as rpc_module
from node.net.chain.fees import GWEI, Cap
from node.net.chain.interface import Rival
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.sending import Memory, Rules, Signed
from node.net.chain.transaction import Transaction, address_of, parse_signed

pytestmark = pytest.mark.anyio

CHAIN = 31337
KEY = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")  # every anvil's first
ME = address_of(KEY)
NOWHERE = "0x" + "12" * 20
FAST = Rules(stuck_seconds=0.05, patience_seconds=30, poll_seconds=0.02)
SHORT = Rules(Cap(5 * GWEI), stuck_seconds=0.05, patience_seconds=0.6, poll_seconds=0.02)

Ask = Callable[..., Any]


class Notebook(Memory):
    """A journal in memory that also remembers everything that was ever signed."""

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Signed] = []

    async def put(self, signed: Signed) -> None:
        await super().put(signed)
        self.all.append(signed)


@pytest.fixture(scope="module")
def still(anvil_with: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    """A chain that makes a block when it is told to, and only then."""
    with anvil_with("--no-mining") as url:
        yield url


def count(rpc: Ask, url: str, tag: str = "latest") -> int:
    return int(rpc(url, "eth_getTransactionCount", ME, tag), 16)


def clear(rpc: Ask, url: str) -> None:
    """Take the base fee down again, and everything that waits out of the pool."""
    rpc(url, "anvil_dropAllTransactions")
    rpc(url, "anvil_setNextBlockBaseFeePerGas", hex(GWEI))
    rpc(url, "anvil_mine")


async def waiting(rpc: Ask, url: str, journal: Notebook, number: int) -> None:
    """Until so many variants were signed and the newest waits in the chain's pool."""
    with trio.fail_after(30):
        while len(journal.all) < number or rpc(url, "eth_getTransactionByHash", hexed(journal.all[-1])) is None:  # noqa: ASYNC110
            await trio.sleep(0.01)


def hexed(signed: Signed) -> str:
    return "0x" + signed.hash.hex()


async def test_a_stuck_transaction_is_replaced_by_a_dearer_one_of_the_same_nonce(still: str, rpc: Ask) -> None:
    clear(rpc, still)
    before, journal = count(rpc, still), Notebook()
    async with JsonRpcChain.open(still, KEY, CHAIN, journal, FAST) as chain, trio.open_nursery() as nursery:
        results = []

        async def send() -> None:
            results.append(await chain.send(NOWHERE, b"hello"))

        nursery.start_soon(send)
        await waiting(rpc, still, journal, 1)
        rpc(still, "anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
        rpc(still, "anvil_mine")
        assert count(rpc, still) == before  # too cheap for that block
        await waiting(rpc, still, journal, 3)
        rpc(still, "anvil_mine")
    (result,) = results
    assert count(rpc, still) == before + 1
    assert result.hash in {one.hash for one in journal.all[1:]}
    assert {one.transaction.nonce for one in journal.all} == {before}
    for older, newer in zip(journal.all, journal.all[1:], strict=False):
        assert newer.offer.max_fee * 8 >= older.offer.max_fee * 9
        assert newer.offer.tip * 8 >= older.offer.tip * 9
        assert (newer.transaction.to, newer.transaction.data) == (older.transaction.to, older.transaction.data)
    assert result.fee > 21_000 * 80 * GWEI  # an empty block takes an eighth off the base fee
    assert not await journal.pending()


async def test_the_cap_is_never_passed_and_the_transaction_ends_when_gas_is_cheap_again(still: str, rpc: Ask) -> None:
    clear(rpc, still)
    before, journal = count(rpc, still), Notebook()
    async with JsonRpcChain.open(still, KEY, CHAIN, journal, SHORT) as chain:
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                with pytest.raises(Temporary, match="in no block"):
                    await chain.send(NOWHERE, b"hello")

            nursery.start_soon(send)
            await waiting(rpc, still, journal, 1)
            rpc(still, "anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
            rpc(still, "anvil_mine")
        assert 1 < len(journal.all) <= 10
        assert max(one.offer.max_fee for one in journal.all) <= 5 * GWEI
        assert count(rpc, still) == before
        clear(rpc, still)  # also forgets the transaction, as pools do with what is too cheap for long
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chain.settle)
            with trio.fail_after(30):
                while count(rpc, still) == before:
                    rpc(still, "anvil_mine")
                    await trio.sleep(0.01)
    assert count(rpc, still) == before + 1
    assert not await journal.pending()


async def test_connections_that_end_before_it_counts_as_stuck_do_not_keep_it_from_being_replaced(
    still: str, rpc: Ask
) -> None:
    clear(rpc, still)
    journal, hasty = Notebook(), Rules(stuck_seconds=0.4, patience_seconds=0.2, poll_seconds=0.02)
    async with JsonRpcChain.open(still, KEY, CHAIN, journal, hasty) as chain:
        with pytest.raises(Temporary, match="in no block"):
            await chain.send(NOWHERE, b"hello")
    while len(journal.all) == 1:
        async with JsonRpcChain.open(still, KEY, CHAIN, journal, hasty) as chain:
            with pytest.raises(Temporary, match="in no block"):
                await chain.settle()
    assert journal.all[1].transaction.nonce == journal.all[0].transaction.nonce
    clear(rpc, still)


async def test_nothing_is_signed_while_gas_is_over_the_cap(still: str, rpc: Ask) -> None:
    clear(rpc, still)
    rpc(still, "anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    rpc(still, "anvil_mine")
    journal = Notebook()
    async with JsonRpcChain.open(still, KEY, CHAIN, journal, SHORT) as chain:
        with pytest.raises(Temporary, match="waiting for a better hour"):
            await chain.send(NOWHERE, b"hello")
    assert not journal.all
    clear(rpc, still)


async def test_what_was_signed_and_never_sent_is_sent_before_anything_new(anvil: str, rpc: Ask) -> None:
    before, journal = count(rpc, anvil), Notebook()
    lost = Transaction(CHAIN, before, GWEI, 20 * GWEI, 30_000, NOWHERE, b"")
    await journal.put(Signed(lost, lost.sign(KEY)))  # and there the power went
    async with JsonRpcChain.open(anvil, KEY, CHAIN, journal, FAST) as chain:
        result = await chain.send(NOWHERE, b"new")
        assert await chain.result(journal.all[0].hash) is not None
    assert (parse_signed(journal.all[1].raw)[0].nonce, result.hash) == (before + 1, journal.all[1].hash)
    assert count(rpc, anvil) == before + 2


async def test_what_a_block_holds_already_is_not_sent_again(anvil: str, rpc: Ask) -> None:
    before, journal = count(rpc, anvil), Notebook()
    sent = Transaction(CHAIN, before, GWEI, 20 * GWEI, 30_000, NOWHERE, b"")
    signed = Signed(sent, sent.sign(KEY))
    await journal.put(signed)
    rpc(anvil, "eth_sendRawTransaction", "0x" + signed.raw.hex())  # and there the power went
    async with JsonRpcChain.open(anvil, KEY, CHAIN, journal, FAST) as chain:
        await chain.settle()
    assert count(rpc, anvil) == before + 1
    assert not await journal.pending()


async def test_somebody_elses_waiting_transaction_is_noticed_and_not_fought(still: str, rpc: Ask) -> None:
    clear(rpc, still)
    before, mine = count(rpc, still), Notebook()
    foreign = Transaction(CHAIN, before, GWEI, 20 * GWEI, 30_000, NOWHERE, b"")
    rpc(still, "eth_sendRawTransaction", "0x" + foreign.sign(KEY).hex())
    async with JsonRpcChain.open(still, KEY, CHAIN, mine, SHORT) as chain:
        with pytest.raises(Rival, match="did not sign"):
            await chain.send(NOWHERE, b"mine")
        assert not mine.all
        rpc(still, "anvil_mine")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(chain.send, NOWHERE, b"mine")
            await waiting(rpc, still, mine, 1)
            rpc(still, "anvil_mine")
    assert mine.all[0].transaction.nonce == before + 1


async def test_a_nonce_that_somebody_else_used_up_is_given_up(still: str, rpc: Ask) -> None:
    clear(rpc, still)
    before, journal = count(rpc, still), Notebook()
    slow = Rules(stuck_seconds=60, patience_seconds=30, poll_seconds=0.02)
    async with JsonRpcChain.open(still, KEY, CHAIN, journal, slow) as chain, trio.open_nursery() as nursery:
        nursery.start_soon(chain.send, NOWHERE, b"mine")
        await waiting(rpc, still, journal, 1)
        foreign = Transaction(CHAIN, before, 9 * GWEI, 90 * GWEI, 30_000, NOWHERE, b"")
        rpc(still, "eth_sendRawTransaction", "0x" + foreign.sign(KEY).hex())  # takes the place of ours
        rpc(still, "anvil_mine")
        await waiting(rpc, still, journal, 2)
        rpc(still, "anvil_mine")
    assert [one.transaction.nonce for one in journal.all] == [before, before + 1]
    assert not await journal.pending()


async def test_a_transaction_ahead_of_a_chain_that_was_taken_back_is_dropped(anvil: str, rpc: Ask) -> None:
    before, journal = count(rpc, anvil), Notebook()
    ahead = Transaction(CHAIN, before + 5, GWEI, 20 * GWEI, 30_000, NOWHERE, b"")
    await journal.put(Signed(ahead, ahead.sign(KEY)))
    async with JsonRpcChain.open(anvil, KEY, CHAIN, journal, FAST) as chain:
        await chain.send(NOWHERE, b"")
    assert count(rpc, anvil) == before + 1
    assert not await journal.pending()


async def test_an_account_without_money_is_told_so(anvil: str) -> None:
    poor = b"\x77" * 32
    async with JsonRpcChain.open(anvil, poor, CHAIN, Memory(), FAST) as chain:
        with pytest.raises(Temporary, match=r"(?i)insufficient|send it some"):
            await chain.send(NOWHERE, b"")


async def test_the_first_server_that_answers_is_asked(anvil: str) -> None:
    async with JsonRpcChain.open(["http://127.0.0.1:9", anvil], KEY, CHAIN) as chain:
        assert (await chain.send(NOWHERE, b"")).block > 0


async def test_a_server_that_dies_under_way_is_left_for_the_next(
    anvil: str, anvil_with: Callable[..., AbstractContextManager[str]]
) -> None:
    with anvil_with() as dying:
        chain = JsonRpcChain.open([dying, anvil], None, CHAIN)
        opened = await chain.__aenter__()
        assert (await opened.head()).number == 0
    assert await opened.head()
    await chain.__aexit__(None, None, None)


async def test_a_server_that_hangs_is_left_for_the_next(
    anvil: str, serving: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_module, "REQUEST_SECONDS", 0.2)

    async def say_nothing(_stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with serving(say_nothing) as silent:
        async with JsonRpcChain.open([f"http://{silent.place}", anvil], None, CHAIN) as chain:
            assert await chain.head()
            assert await chain.head()
        assert silent.visits == 1  # it rests


async def test_a_server_of_another_chain_is_left_out(
    anvil: str, lying: Callable[..., AbstractAsyncContextManager[str]]
) -> None:
    def other(question: dict[str, Any], answer: Any) -> Any:
        return {**answer, "result": "0x1"} if question["method"] == "eth_chainId" else answer

    async with lying(anvil, other) as false:
        async with JsonRpcChain.open([false, anvil], None, CHAIN) as chain:
            assert await chain.head()
        with pytest.raises(Permanent, match="serves chain 1"):
            async with JsonRpcChain.open([false, false], None, CHAIN):
                pass


async def test_a_servers_nonsense_is_not_taken_and_the_next_one_is_asked(
    anvil: str, lying: Callable[..., AbstractAsyncContextManager[str]]
) -> None:
    def mad(question: dict[str, Any], answer: Any) -> Any:
        return answer if question["method"] == "eth_chainId" else {**answer, "result": {"number": "none"}}

    async with lying(anvil, mad) as false, JsonRpcChain.open([false, anvil], KEY, CHAIN) as chain:
        assert (await chain.send(NOWHERE, b"")).gas > 21_000 - 1


async def test_another_transactions_receipt_is_not_believed(
    anvil: str, rpc: Ask, lying: Callable[..., AbstractAsyncContextManager[str]]
) -> None:
    known = Transaction(CHAIN, count(rpc, anvil), GWEI, 20 * GWEI, 30_000, NOWHERE, b"")
    hash = rpc(anvil, "eth_sendRawTransaction", "0x" + known.sign(KEY).hex())
    rpc(anvil, "evm_mine")  # anvil makes its blocks in its own time
    receipt = rpc(anvil, "eth_getTransactionReceipt", hash)
    assert receipt is not None

    def swapped(question: dict[str, Any], answer: Any) -> Any:
        return {**answer, "result": receipt} if question["method"] == "eth_getTransactionReceipt" else answer

    async with lying(anvil, swapped) as false, JsonRpcChain.open(false, KEY, CHAIN, Memory(), FAST) as chain:
        with pytest.raises(Temporary, match="another transaction's receipt"):
            await chain.send(NOWHERE, b"")


async def test_a_chain_without_a_history_of_fees(
    anvil: str, lying: Callable[..., AbstractAsyncContextManager[str]]
) -> None:
    def old(question: dict[str, Any], answer: Any) -> Any:
        missing = {"code": -32601, "message": "the method eth_feeHistory does not exist"}
        return {"id": question["id"], "error": missing} if question["method"] == "eth_feeHistory" else answer

    journal = Notebook()
    async with lying(anvil, old) as false, JsonRpcChain.open(false, KEY, CHAIN, journal, FAST) as chain:
        await chain.send(NOWHERE, b"")
    assert journal.all[0].offer.tip == GWEI


async def test_a_rollups_share_for_its_data_is_part_of_the_fee(
    anvil: str, lying: Callable[..., AbstractAsyncContextManager[str]]
) -> None:
    def rollup(question: dict[str, Any], answer: Any) -> Any:
        if question["method"] == "eth_getTransactionReceipt" and answer["result"]:
            answer["result"]["l1Fee"] = hex(10**15)
        return answer

    async with lying(anvil, rollup) as false, JsonRpcChain.open([anvil, false], KEY, CHAIN) as chain:
        plain = await chain.send(NOWHERE, b"")
        async with JsonRpcChain.open(false, None, CHAIN) as told:
            more = await told.result(plain.hash)
    assert more is not None
    assert more.fee == plain.fee + 10**15
