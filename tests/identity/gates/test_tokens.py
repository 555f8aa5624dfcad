"""What is asked of contracts and what their answers mean, whatever they say; checked against eth-abi."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from eth_abi import encode
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from identity.gates.rule import Token, parse_rule
from identity.gates.tokens import Answer, Balance, Call, Fault, judge, questions
from identity.gates.verdict import Truth

CONTRACT = "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1"
TO = bytes.fromhex(CONTRACT[2:])
ANN, BOB = b"\xaa" * 20, b"\xbb" * 20
MOST = (1 << 256) - 1


def leaf(standard: str, **fields: Any) -> Token:
    place = {} if standard == "native" else {"contract": CONTRACT}
    rule = parse_rule(json.dumps({"chain": "eip155:1", "standard": standard, **place, **fields}))
    assert isinstance(rule, Token)
    return rule


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def call(signature: str, *arguments: Any) -> Call:
    kinds = [kind for kind in signature.partition("(")[2].rstrip(")").split(",") if kind]
    return Call(TO, keccak(signature.encode())[:4] + encode(kinds, arguments))


def test_questions_are_what_the_standards_say() -> None:
    both = [ANN, BOB]
    assert questions(leaf("native", min=1), both) == [Balance(ANN), Balance(BOB)]
    assert questions(leaf("erc20", min=1), both) == [
        call("balanceOf(address)", ANN),
        call("balanceOf(address)", BOB),
        call("decimals()"),
    ]
    assert questions(leaf("erc20", min=1, decimals=6), [ANN]) == [call("balanceOf(address)", ANN)]
    assert questions(leaf("erc721"), [ANN]) == [call("balanceOf(address)", ANN)]
    assert questions(leaf("erc721", id=str(MOST)), both) == [call("ownerOf(uint256)", MOST)]
    assert questions(leaf("erc1155", id=9), [BOB]) == [call("balanceOf(address,uint256)", BOB, 9)]


COIN = leaf("erc20", min="1.5")
PINNED = leaf("erc20", min="1.5", decimals=6)
TICKET = leaf("erc721")
SEAT = leaf("erc721", id=5)
BADGE = leaf("erc1155", id=9, min=2)


@pytest.mark.parametrize(
    ("rule", "answers", "truth", "words"),
    [
        (COIN, [word(1_500_000), word(6)], Truth.YES, "holds 1.5, needs 1.5"),
        (COIN, [word(1_499_999), word(6)], Truth.NO, "holds 1.499999, needs 1.5"),
        (COIN, [word(2), word(0)], Truth.YES, "holds 2, needs 1.5"),
        (COIN, [word(1), word(0)], Truth.NO, "holds 1, needs 1.5"),
        (COIN, [word(MOST), word(77)], Truth.NO, "holds 1.15792"),
        (COIN, [word(MOST), word(18)], Truth.YES, "holds 115792"),
        (COIN, [word(MOST), word(78)], Truth.UNKNOWN, "the contract says 78"),
        (COIN, [word(MOST), word(MOST)], Truth.UNKNOWN, "the contract says over 1000"),
        (COIN, [word(MOST), b""], Truth.UNKNOWN, "decimals are unknown"),
        (COIN, [word(MOST), Fault.REVERTED], Truth.UNKNOWN, "decimals are unknown"),
        (COIN, [b"", word(6)], Truth.UNKNOWN, "returns nothing"),
        (COIN, [Fault.REVERTED, word(6)], Truth.UNKNOWN, "refuses to answer"),
        (COIN, [Fault.BROKEN, word(6)], Truth.UNKNOWN, "the contract fails"),
        (COIN, [word(1) + word(1), word(6)], Truth.UNKNOWN, "64 octets"),
        (PINNED, [word(1_500_000)], Truth.YES, "holds 1.5"),
        (PINNED, [word(2)], Truth.NO, "holds 0.000002, needs 1.5"),  # whatever the contract would say of decimals now
        (TICKET, [word(1)], Truth.YES, "holds 1, needs 1"),
        (TICKET, [word(0)], Truth.NO, "holds 0, needs 1"),
        (TICKET, [word(MOST)], Truth.YES, f"holds {MOST}"),
        (TICKET, [b"\x01"], Truth.UNKNOWN, "1 octets"),
        (SEAT, [ANN.rjust(32, b"\0")], Truth.YES, "owns token 5"),
        (SEAT, [BOB.rjust(32, b"\0")], Truth.NO, "belongs to 0xbbbb"),
        (SEAT, [word(0)], Truth.NO, "belongs to 0x0000"),
        (SEAT, [b"\1" * 12 + ANN], Truth.UNKNOWN, "returns no address"),
        (SEAT, [Fault.REVERTED], Truth.NO, "nobody owns token 5"),
        (SEAT, [b""], Truth.UNKNOWN, "returns nothing"),
        (BADGE, [word(2)], Truth.YES, "holds 2, needs 2"),
        (BADGE, [word(1)], Truth.NO, "holds 1, needs 2"),
        (leaf("native", min="0.1"), [word(10**17)], Truth.YES, "holds 0.1"),
        (leaf("native", min="0.1"), [word(10**17 - 1)], Truth.NO, "holds 0.099999999999999999"),
    ],
)
def test_answers(rule: Token, answers: list[Answer], truth: Truth, words: str) -> None:
    finding = judge(rule, [ANN], answers, 7)
    assert finding.truth is truth
    assert words in finding.words
    assert finding.block == 7
    assert not finding.passing  # what a contract says at a block is final, good or bad


def test_wallets_count_together_and_none_holds_nothing() -> None:
    assert judge(BADGE, [ANN, BOB], [word(1), word(1)], 7).truth is Truth.YES
    assert judge(COIN, [ANN, BOB], [word(MOST), word(MOST), word(6)], 7).truth is Truth.YES
    assert judge(SEAT, [ANN, BOB], [BOB.rjust(32, b"\0")], 7).truth is Truth.YES
    for rule in (BADGE, SEAT, COIN):
        assert judge(rule, [], [], 7).truth is Truth.NO


@pytest.mark.parametrize("rule", [COIN, PINNED, TICKET, SEAT, BADGE])
def test_a_chain_that_is_away_may_come_back(rule: Token) -> None:
    finding = judge(rule, [ANN], [Fault.AWAY] * len(questions(rule, [ANN])), 7)
    assert (finding.truth, finding.passing) == (Truth.UNKNOWN, True)


@given(
    st.sampled_from([COIN, PINNED, TICKET, SEAT, BADGE]),
    st.lists(st.binary(max_size=80) | st.sampled_from(Fault), min_size=2, max_size=2),
)
def test_whatever_comes_is_judged(rule: Token, answers: list[Answer]) -> None:
    finding = judge(rule, [ANN], answers, 7)
    assert finding.words
    if finding.truth is Truth.YES:
        assert isinstance(answers[0], bytes)
        assert len(answers[0]) == 32


@given(st.integers(0, MOST), st.integers(0, 77), st.integers(1, 10**46))
def test_amounts_are_compared_exactly(held: int, places: int, millionths: int) -> None:
    rule = leaf("erc20", min=str(Decimal(millionths).scaleb(-6)))
    found = judge(rule, [ANN], [word(held), word(places)], 7)
    assert (found.truth is Truth.YES) == (held * 10**6 >= millionths * 10**places)
