"""Networks that are shut out from logging in, and for how long."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, delete, select

from node.store.schema_passwords import blocked_network
from node.store.statement import Statement, behind, replacing, same
from node.store.transaction import Reading, Writing

KEPT_SECONDS = 7 * 86400  # after its end a block still makes the next one longer
MOST = 10_000  # rows; those that end first go


@dataclass(frozen=True, slots=True)
class BlockedNetwork:
    """One block.

    Attributes:
        network: an IPv4 address or an IPv6 /64.
        since, until: unix seconds.
        times: how often it was blocked within a week.
        failures, names: what it did before this block.
    """

    network: str
    since: int
    until: int
    times: int
    failures: int
    names: int


_C = blocked_network.c
_PUT = Statement(replacing(blocked_network))
_LISTING = Statement(select(blocked_network).order_by(_C.until.desc(), _C.network).limit(bindparam("most")))
_REMOVE = Statement(delete(blocked_network).where(same(_C.network)).returning(_C.network))
_EXPIRE = Statement(delete(blocked_network).where(_C.until < bindparam("before")))
_TRIM = Statement(delete(blocked_network).where(_C.network.in_(behind(select(_C.network).order_by(_C.until.desc())))))


def put(tx: Writing, block: BlockedNetwork) -> None:
    """Keep a block, or make one longer."""
    tx.execute(
        _PUT,
        network=block.network,
        since=block.since,
        until=block.until,
        times=block.times,
        failures=block.failures,
        names=block.names,
    )


def listing(tx: Reading) -> list[BlockedNetwork]:
    """Blocks that hold and those remembered, the ones that end last first."""
    return [BlockedNetwork(*row) for row in tx.execute(_LISTING, most=MOST)]


def remove(tx: Writing, network: str) -> bool:
    """Let a network in again and forget what it did; False when it was not blocked."""
    return tx.one(_REMOVE, network=network) is not None


def expire(tx: Writing, now: int) -> None:
    """Forget blocks that ended long ago, and the least of too many."""
    tx.execute(_EXPIRE, before=now - KEPT_SECONDS)
    tx.execute(_TRIM, kept=MOST)
