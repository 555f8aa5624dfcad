"""What slows down and shuts out whoever keeps failing; one for all protocols of the node."""

from __future__ import annotations

from collections import OrderedDict

from node.auth.blocks import Blocks
from node.auth.refusal import Reason, Refusal
from node.auth.throttle import Pace, Throttle

FRIENDS = 4096


class Brake:
    """Counts failures by network and by name.

    Args:
        blocks: shuts networks out; None: they are slowed down only.
    """

    def __init__(self, blocks: Blocks | None = None) -> None:
        self.blocks = blocks
        self._friends: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._networks = Throttle(Pace())
        # Kept short: 100-bit passwords need no lock on the account, and a long one would let strangers lock people out.
        self._names = Throttle(Pace(free=20, longest_seconds=30))

    def refusal(self, network: str, name: str) -> Refusal | None:
        """Why these credentials are not even looked at now; None to go on.

        Strangers behind the same router, or after the same account, lock nobody out who has been here before.
        """
        if (network, name) in self._friends:
            return None
        if self.blocks and (refusal := self.blocks.refusal(network)) is not None:
            return refusal
        wait = max(self._networks.wait(network), self._names.wait(name))
        if wait <= 0:
            return None
        return Refusal(Reason.TOO_MANY_FAILURES, True, f"too many failed logins; wait {wait:.0f} seconds", wait)

    def fail(self, network: str, name: str) -> None:
        """Count one failure."""
        self._networks.fail(network)
        self._names.fail(name)
        if self.blocks:
            self.blocks.fail(network, name)

    def welcome(self, network: str, name: str) -> None:
        """Remember who came in from where."""
        pair = (network, name)
        self._friends[pair] = None
        self._friends.move_to_end(pair)
        while len(self._friends) > FRIENDS:
            self._friends.popitem(last=False)
