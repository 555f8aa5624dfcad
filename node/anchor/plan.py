"""How a chain is anchored on: what the settings say of it, as the keeper needs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from node.net.chain.interface import Chain

OpenChain = Callable[[], AbstractAsyncContextManager[Chain]]
Publish = Callable[[Chain], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Plan:
    """How one chain is anchored on.

    Attributes:
        chain_id: EIP-155.
        sender: the account that anchors, EIP-55.
        open: opens the chain, signing as `sender`.
        contract: of TreeHeads there; None: the one of our last anchor, else a new one.
        every_seconds, every_leaves: anchor at the latest this long after a leaf, or at once when so many wait.
        confirmations: blocks from the anchor's own on until it counts as there to stay; None: the chain calls it final.
        alert_seconds: a leaf that waits longer is told of loudly.
        check_seconds: between two looks at provisional anchors.
        own: the chain is the node's own and can begin again, when somebody deletes it.
        publish: also put the log's key and the policies there.
    """

    chain_id: int
    sender: str
    open: OpenChain
    contract: str | None = None
    every_seconds: float = 0
    every_leaves: int = 1
    confirmations: int | None = None
    alert_seconds: float = 3600
    check_seconds: float = 15
    own: bool = False
    publish: bool = True

    @property
    def name(self) -> str:
        """CAIP-2."""
        return f"eip155:{self.chain_id}"
