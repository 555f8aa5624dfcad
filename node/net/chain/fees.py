"""What a transaction offers for its gas (EIP-1559): from the chain's last blocks, and never over the operator's cap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from node.base.errors import Temporary
from node.net.chain.rpc import Away, Refused, Servers, number

GWEI = 10**9
HISTORY_BLOCKS = 10
PERCENTILE = 50  # of what others tipped: half of those who got in paid less
LEAST_TIP = 1
PLAIN_TIP = GWEI  # where the chain cannot tell what others tip


@dataclass(frozen=True, slots=True)
class Cap:
    """The most that is offered, in wei for one gas: at all, and as a tip at first (replacements have to raise it)."""

    max_fee: int = 500 * GWEI  # a lying or frantic server must not empty the account
    max_tip: int = 10 * GWEI


@dataclass(frozen=True, slots=True)
class Offer:
    """Wei for one gas: `max_fee` at most, of which `tip` at most is for whoever makes the block."""

    tip: int
    max_fee: int


@dataclass(frozen=True, slots=True)
class Market:
    """What gas costs now, in wei: the next block's base fee, and what others tip."""

    base: int
    tip: int

    def offer(self, cap: Cap) -> Offer:
        """Room for six full blocks' rise of the base fee, within the cap.

        Raises:
            Temporary: not even the base fee is within the cap.
        """
        if self.base > cap.max_fee:
            dear, limit = self.base / GWEI, cap.max_fee / GWEI
            raise Temporary(f"gas costs {dear:.3g} Gwei now, the settings allow {limit:.3g}: waiting for a better hour")
        tip = max(LEAST_TIP, min(self.tip, cap.max_tip))
        max_fee = min(2 * self.base + tip, cap.max_fee)
        return Offer(min(tip, max_fee), max_fee)


def raised(old: Offer, market: Market, cap: Cap) -> Offer | None:
    """The offer that takes the place of one that nobody takes: an eighth more of both parts, or what gas costs now.

    Nodes take a replacement for 10 % (geth) to 12.5 % (others) more.

    Returns:
        None where that would be over the cap.
    """
    tip, fee = _eighth_more(old.tip), _eighth_more(old.max_fee)
    if fee > cap.max_fee:
        return None
    tip = max(tip, min(market.tip, cap.max_tip))
    fee = max(fee, min(2 * market.base + tip, cap.max_fee))
    return Offer(min(tip, fee), fee)


def _eighth_more(value: int) -> int:
    return -(-value * 9 // 8)


async def market(servers: Servers) -> Market:
    """Ask the chain."""
    try:
        return await servers.ask(_history, "eth_feeHistory", hex(HISTORY_BLOCKS), "latest", [PERCENTILE])
    except Refused:  # a chain that has no such method
        return Market(await servers.ask(_base_fee, "eth_getBlockByNumber", "latest", False), PLAIN_TIP)


def _history(value: Any) -> Market:
    """`eth_feeHistory`: the last base fee is the next block's; the tip is the median of the blocks' that had any."""
    try:
        base = number(value["baseFeePerGas"][-1])
        rewards = sorted(number(row[0]) for row in value.get("reward") or [] if row)
    except (TypeError, KeyError, IndexError, AttributeError):
        raise Away("the chain's server gives no history of fees") from None
    tips = [reward for reward in rewards if reward]
    return Market(base, tips[len(tips) // 2] if tips else LEAST_TIP)


def _base_fee(value: Any) -> int:
    if not isinstance(value, dict):
        raise Away("the chain's server has no newest block")
    return number(value.get("baseFeePerGas", "0x0"))
