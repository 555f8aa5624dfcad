"""What the pages of links work with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from node.ipfs.blockstore import Blocks
from node.servers.http.meter import Meter

ASKS, ASKS_PER_SECOND = 120.0, 1.0  # pages and downloads begun, for one network
LEAVES, LEAVES_PER_SECOND = 4000.0, 200.0  # 256 KiB each


@dataclass(frozen=True, slots=True)
class LinkDesk:
    """The blocks behind links, and how fast they may be asked for.

    Attributes:
        makes: new links are made.
        domains: of senders for whom links are usual.
        threshold: octets from which an attachment becomes a link.
        days: how long a link works.
    """

    blocks: Blocks
    makes: bool = True
    domains: frozenset[str] = frozenset()
    threshold: int = 10 << 20
    days: int = 30
    clock: Callable[[], float] = time.time
    asks: Meter = field(default_factory=lambda: Meter(ASKS, ASKS_PER_SECOND))
    leaves: Meter = field(default_factory=lambda: Meter(LEAVES, LEAVES_PER_SECOND))
