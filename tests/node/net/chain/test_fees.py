"""Fees: within the cap whatever the market says, and dearer by an eighth when a transaction is replaced."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.base.errors import Temporary
from node.net.chain.fees import GWEI, Cap, Market, Offer, _history, raised
from node.net.chain.rpc import Away

amounts = st.integers(0, 1 << 60)
caps = st.builds(Cap, st.integers(1, 1 << 60), amounts)
markets = st.builds(Market, amounts, amounts)


@given(markets, caps)
def test_an_offer_is_within_the_cap_and_covers_the_base_fee_or_there_is_none(market: Market, cap: Cap) -> None:
    try:
        offer = market.offer(cap)
    except Temporary:
        assert market.base > cap.max_fee
        return
    assert 0 < offer.max_fee <= cap.max_fee
    assert offer.max_fee >= market.base
    assert 0 < offer.tip <= offer.max_fee
    assert offer.tip <= max(1, cap.max_tip)


@given(st.integers(1, 1 << 50), st.integers(0, 1 << 50), markets, caps)
def test_a_replacement_offers_an_eighth_more_of_both_and_never_passes_the_cap(
    tip: int, above: int, market: Market, cap: Cap
) -> None:
    old = Offer(tip, tip + above)
    new = raised(old, market, cap)
    if new is None:
        assert old.max_fee * 9 > cap.max_fee * 8 - 8
        return
    assert new.max_fee <= cap.max_fee
    assert new.tip <= new.max_fee
    assert new.max_fee * 8 >= old.max_fee * 9
    assert new.tip * 8 >= old.tip * 9


def test_replacements_end() -> None:
    offer, count = Offer(GWEI, 2 * GWEI), 0
    while (better := raised(offer, Market(GWEI, GWEI), Cap(500 * GWEI))) is not None:
        offer, count = better, count + 1
    assert count < 50


def test_the_tip_is_the_median_of_blocks_that_had_any() -> None:
    rewards = [["0x0"], ["0x5"], ["0x3"], ["0x9"], ["0x0"]]
    assert _history({"baseFeePerGas": ["0x1", "0x7"], "reward": rewards}) == Market(7, 5)
    assert _history({"baseFeePerGas": ["0x7"], "reward": None}) == Market(7, 1)


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"baseFeePerGas": []}, {"baseFeePerGas": ["7"], "reward": [["x"]]}, {"baseFeePerGas": 7}]
)
def test_a_history_that_makes_no_sense(answer: Any) -> None:
    with pytest.raises(Away):
        _history(answer)
