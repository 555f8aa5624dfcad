"""Who may read blocks of this node over HTTP, and how many."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

import trio

from node.ipfs.blockstore import Blocks
from node.servers.http.meter import Meter

BURST, PER_SECOND = 4000.0, 200.0  # blocks for one network: with 256 KiB each, 50 MB/s
STREAMS = 8  # archives at a time


@dataclass(frozen=True, slots=True)
class Gateway:
    """What the gateway gives, and to whom.

    Attributes:
        blocks: the local store.
        public: anybody may ask.
        peers: networks whose requests are answered without a token.
        tokens: SHA-256 digests of bearer tokens.
    """

    blocks: Blocks
    public: bool = False
    peers: tuple[IPv4Network | IPv6Network, ...] = ()
    tokens: tuple[bytes, ...] = ()
    meter: Meter = field(default_factory=lambda: Meter(BURST, PER_SECOND))
    streams: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(STREAMS))

    def admits(self, address: str, authorization: str) -> bool:
        """True for peers, and for everybody where it is public."""
        if self.public:
            return True
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer" and len(token) <= 512:
            digest = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
            if any([hmac.compare_digest(digest, one) for one in self.tokens]):  # every one is compared
                return True
        try:
            asking = ip_address(address)
        except ValueError:
            return False
        asking = getattr(asking, "ipv4_mapped", None) or asking
        return any(asking in network for network in self.peers)
