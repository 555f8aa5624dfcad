"""What anchoring costs, from the anchors that were made: gas and coins per message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from node.store.anchors import Anchor

WEI = 10**18
GWEI = 10**9
BATCHES = (1, 100, 10_000)  # messages that share an anchor


@dataclass(frozen=True, slots=True)
class Cost:
    """One chain's anchors.

    Attributes:
        chain: EIP-155 id.
        anchors: how many were counted: those whose gas is known.
        messages: that the largest of them holds.
        gas: of one anchor, the median: the first one costs twice as much, and once.
        fee: of one anchor in whole coins: the median, or that gas at the price that was asked for.
        total: what all of them cost, in whole coins.
    """

    chain: int
    anchors: int
    messages: int
    gas: float
    fee: float
    total: float

    def per_message(self, batch: int) -> tuple[float, float]:
        """Gas and coins for one message when `batch` share an anchor."""
        return self.gas / batch, self.fee / batch


def report(anchors: Sequence[Anchor], gwei: float | None = None) -> list[Cost]:
    """The cost on each chain, by its id.

    Args:
        gwei: reckon with this price for one gas instead of what was paid.
    """
    found = []
    for chain in sorted({anchor.chain for anchor in anchors if anchor.gas}):
        known = [anchor for anchor in anchors if anchor.chain == chain and anchor.gas]
        gas = median(anchor.gas for anchor in known)
        fee = median(anchor.fee for anchor in known) / WEI if gwei is None else gas * gwei * GWEI / WEI
        total = sum(anchor.fee for anchor in known) / WEI
        found.append(Cost(chain, len(known), max(anchor.size for anchor in known), gas, fee, total))
    return found
