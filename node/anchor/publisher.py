"""What the keeper puts on a chain beside the log's heads: the log's key (Registry) and the policies (Governance).

A first key is registered when the account has registered none, and when people gave the log a new key the registry is
told; a key that the node knows nothing of, or that was revoked without a successor, is left to people. Policies are
published in the order in which they came into force. The chain itself is the memory of what was published, so a crash
in between costs nothing.
"""

from __future__ import annotations

from node.anchor import governance, registry
from node.anchor.keys import LogKeys
from node.anchor.registry import Registration
from node.base import metrics
from node.base.errors import Permanent
from node.base.log import get_log
from node.net.chain.interface import Chain
from node.store import policies
from node.store.database import Database, Reading
from node.store.policies import Policy

log = get_log(__name__)

MAX_AT_ONCE = 8  # policies; of more that changed since the last time, the newest


class Publisher:
    """Publishes one node's key and policies, on any number of chains.

    Args:
        database: the node's, where policies are.
        keys: of the node's log.
    """

    def __init__(self, database: Database, keys: LogKeys) -> None:
        self._database = database
        self._keys = keys
        self._warned: set[int] = set()  # chains whose other key was told of

    async def publish(self, chain: Chain) -> None:
        """Bring the chain up to date. It is asked anew each time: a reorganisation may have taken something back.

        Raises:
            Temporary, Permanent: the chain cannot be asked or refuses; the next time goes on from there.
        """
        await self._register(chain)
        await self._publish_policies(chain)

    async def _register(self, chain: Chain) -> None:
        await registry.CONTRACT.deploy(chain)
        origin, key = self._keys.origin, self._keys.log_key.public
        known = await registry.lookup(chain, registry.ADDRESS, origin, account=_sender(chain))
        if known is None:
            result = await registry.register(chain, registry.ADDRESS, origin, key)
        elif known.key == key:
            return
        elif self._succeeds(known, chain):
            result = await registry.rotate(chain, registry.ADDRESS, origin, known.newest.key, key)
        else:
            self._warn(chain)
            return
        metrics.publications.labels(kind="key").inc()
        told = {"chain": chain.chain_id, "block": result.block, "gas": result.gas}
        log.info("keeper.registered", origin=origin, key=key.hex(), **told)

    def _succeeds(self, known: Registration, chain: Chain) -> bool:
        """Whether the log's key came after the registered one here, and the registration is still the keeper's own."""
        retired = {one.key.public for one in self._keys.retired}
        unused = known.find(self._keys.log_key.public) is None
        return known.newest.key in retired and unused and known.owner == chain.sender

    def _warn(self, chain: Chain) -> None:
        if chain.chain_id not in self._warned:
            self._warned.add(chain.chain_id)
            log.warning(
                "keeper.other_key_registered",
                origin=self._keys.origin,
                chain=chain.chain_id,
                error="the registry has another key for this log, or a revoked one: see `waxseal registry show`",
            )

    async def _publish_policies(self, chain: Chain) -> None:
        if await self._database.read(policies.name) is None:
            return
        await governance.CONTRACT.deploy(chain)
        last = await governance.in_force(chain, governance.ADDRESS, _sender(chain))
        published = last.policy if last else b""
        for policy in await self._database.read(lambda tx: _unpublished(tx, published)):
            result = await governance.publish(chain, governance.ADDRESS, policy.hash)
            metrics.publications.labels(kind="policy").inc()
            log.info(
                "keeper.policy_published",
                policy=policy.hash.hex(),
                chain=chain.chain_id,
                block=result.block,
                gas=result.gas,
            )


def _unpublished(tx: Reading, published: bytes) -> list[Policy]:
    """The policies that came into force after the one published last, oldest first, at most `MAX_AT_ONCE`."""
    newest = policies.name(tx)
    if newest is None or newest[1] == published:
        return []
    last = policies.get(tx, published)
    after = max(last.number if last else 0, newest[0] - MAX_AT_ONCE)
    return policies.listing(tx, after=after, limit=MAX_AT_ONCE)


def _sender(chain: Chain) -> str:
    if chain.sender is None:
        raise Permanent("this chain was opened for reading only")
    return chain.sender
