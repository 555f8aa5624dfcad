"""Several servers of one chain: two thirds of them are the chain, whatever the others say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.base.errors import Permanent, Temporary
from node.net.chain.interface import Block, NoState, Reverted
from node.net.chain.jsonrpc import JsonRpcChain
from node.net.chain.quorum import Contradiction, Quorum, open_quorums

pytestmark = pytest.mark.anyio

TO = "0x" + "12" * 20


class Server:
    """A server's side of the interface, as far as it is asked here: `answer` is a value, or what it raises."""

    def __init__(self, answer: Any, number: int = 10) -> None:
        self._answer = answer
        self._number = number
        self.chain_id = 1
        self.sender = None

    async def call(self, to: str, data: bytes, block: int | None = None) -> bytes:
        if isinstance(self._answer, Exception):
            raise self._answer
        return bytes(self._answer)

    async def finalized(self) -> Block:
        if isinstance(self._answer, Exception):
            raise self._answer
        return Block(self._number, bytes(32), 0)

    head = finalized


def quorum(*answers: Any) -> Quorum:
    members: list[tuple[str, Any]] = [(f"server{n}", Server(answer)) for n, answer in enumerate(answers)]
    return Quorum(members, 1)


AWAY, GONE = Temporary("connection refused"), NoState("pruned")
NO, OTHER_NO = Reverted("no", b"\x01"), Reverted("no", b"\x02")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([b"a"], b"a"),
        ([b"a", b"a"], b"a"),
        ([b"a", b"b"], Contradiction),
        ([b"a", AWAY], Temporary),
        ([b"a", b"a", b"b"], b"a"),
        ([b"a", b"b", b"a"], b"a"),
        ([b"a", b"a", AWAY], b"a"),
        ([b"a", b"a", GONE], b"a"),
        ([b"a", b"b", b"c"], Contradiction),
        ([b"a", b"b", AWAY], Contradiction),
        ([b"a", AWAY, AWAY], Temporary),
        ([b"a", GONE, GONE], NoState),
        ([b"a", GONE, AWAY], NoState),
        ([GONE], NoState),
        ([AWAY, AWAY, AWAY], Temporary),
        ([b"a", b"a", b"b", b"b"], Contradiction),
        ([b"a", b"a", b"a", b"b"], b"a"),
        ([b"a", b"a", b"a", b"b", b"b"], Contradiction),  # three of five are less than two thirds
        ([b"a", b"a", b"a", b"a", b"b"], b"a"),
        ([NO, NO, b"a"], Reverted),
        ([NO, OTHER_NO, b"a"], Contradiction),
        ([Permanent("closed"), b"a", b"a"], b"a"),
    ],
)
async def test_what_counts_as_the_chains_answer(answers: list[Any], expected: Any) -> None:
    asked = quorum(*answers)
    if isinstance(expected, bytes):
        assert await asked.call(TO, b"", 1) == expected
    else:
        with pytest.raises(expected) as caught:
            await asked.call(TO, b"", 1)
        assert type(caught.value) is expected


async def test_who_is_outvoted_and_who_is_silent_is_named() -> None:
    asked = quorum(b"a", b"lie", b"a")
    assert await asked.call(TO, b"", 1) == b"a"
    assert asked.remarks == ("server1 answered otherwise than the others and was outvoted",)
    asked = quorum(b"a", AWAY, b"a")
    await asked.call(TO, b"", 1)
    assert asked.remarks == ("server1 gave no answer (connection refused)",)


@pytest.mark.parametrize(
    ("numbers", "reached"),
    [([7], 7), ([7, 9], 7), ([7, 8, 1000], 8), ([0, 8, 9], 8), ([5, 6, 7, 8], 6)],
)
async def test_one_servers_word_moves_no_finality(numbers: list[int], reached: int) -> None:
    members: list[tuple[str, Any]] = [(str(n), Server(b"", number)) for n, number in enumerate(numbers)]
    asked = Quorum(members, 1)
    assert (await asked.finalized()).number == reached
    assert (await asked.head()).number == reached


async def test_finality_needs_enough_servers() -> None:
    with pytest.raises(Temporary, match="2 of 3 servers must agree"):
        await quorum(b"", AWAY, AWAY).finalized()


async def test_nothing_is_sent() -> None:
    asked = quorum(b"a")
    await asked.settle()
    for forbidden in (asked.send(None, b""), asked.retry(bytes(32))):
        with pytest.raises(Permanent, match="reading only"):
            await forbidden


@given(st.lists(st.sampled_from([b"a", b"b", b"c", AWAY, GONE]), min_size=1, max_size=9))
async def test_less_than_a_third_of_liars_never_wins(answers: list[Any]) -> None:
    asked = quorum(*answers)
    try:
        found = await asked.call(TO, b"", 1)
    except (Temporary, NoState):
        assert all(answers.count(one) * 3 < 2 * len(answers) for one in (b"a", b"b", b"c"))
    else:
        assert answers.count(found) * 3 >= 2 * len(answers)


async def test_real_servers_are_found_by_their_chain(anvil: str) -> None:
    """The same server by two names, one that serves another chain, one that nobody runs."""
    dead, same = "http://127.0.0.1:9", anvil.replace("127.0.0.1", "localhost")
    async with open_quorums([anvil, same, dead], {31337, 1}) as chains:
        assert set(chains) == {31337}  # the dead one alone speaks for no chain
        asked = chains[31337]
        assert (asked.size, asked.needed) == (3, 2)
        assert (await asked.head()).number == 0
        assert await asked.code(TO) == b""
        assert "127.0.0.1" in "".join(asked.remarks)
    async with open_quorums([anvil, dead, "http://127.0.0.1:11"], {31337}) as chains:
        with pytest.raises(Temporary, match="2 of 3 servers must agree"):
            await chains[31337].code(TO)
    async with JsonRpcChain.open(anvil, None, 31337) as alone, open_quorums([anvil], {31337}) as chains:
        assert await chains[31337].block(0) == await alone.block(0)
        assert await chains[31337].events(TO, 0) == []
        with pytest.raises(NoState):
            await chains[31337].block(10**6)
    with pytest.raises(Permanent, match="more than 16"):
        async with open_quorums([f"http://127.0.0.1:{port}" for port in range(1, 20)], {1}):
            pass
