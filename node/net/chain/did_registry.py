"""What an ERC-1056 registry knows about an identity: owner and changes, all at one pinned block."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from identity.did import ethr
from identity.did.ethr import Change, EthrError, Record
from identity.gates.tokens import Fault
from node.base.errors import Permanent, Temporary
from node.net.chain.interface import Block
from node.net.chain.reader import Moved, Reader, Tag

TRIES = 3  # when the chain is reorganised while it is asked
SECONDS = 20.0  # for all of one identity's look-ups, one after another: each change tells where the one before it is


class DidRegistry:
    """Asks one chain's registry.

    Args:
        registry: its address, 20 octets.
    """

    def __init__(self, reader: Reader, registry: bytes) -> None:
        self._reader = reader
        self._registry = registry

    async def read(self, identity: bytes, now: float) -> Record:
        """All about an identity at the finalized block.

        Args:
            identity: 20 octets.
            now: unix seconds.

        Raises:
            Temporary: the chain cannot be asked now, or contradicts itself.
            Permanent: the identity was changed too often.
        """
        with trio.move_on_after(SECONDS):
            for attempt in range(TRIES):
                block = await self._reader.head(Tag.FINALIZED, now, anew=attempt > 0)
                try:
                    return await self._at(block, identity)
                except Moved:
                    continue
                except EthrError as error:
                    raise Temporary(f"the registry of {self._reader.chain} cannot be believed: {error}") from None
            raise Temporary("the chain is reorganised again and again")
        raise Temporary(f"the registry of {self._reader.chain} does not answer within {SECONDS:g} s")

    async def _at(self, block: Block, identity: bytes) -> Record:
        questions = [ethr.ask_owner(self._registry, identity), ethr.ask_changed(self._registry, identity)]
        owner, changed = await self._reader.answers(block, questions)
        if isinstance(owner, Fault) or isinstance(changed, Fault):
            raise Temporary(f"the registry of {self._reader.chain} cannot be asked now")
        at, changes = ethr.read_number(changed), list[Change]()
        if at > block.number:
            raise EthrError("its last change lies in the future")
        while at:
            events = await self._reader.events(at, self._registry, identity.rjust(32, b"\0"))
            found = [ethr.read_change(event.topics, event.data, identity) for event in events]
            at = ethr.before(found, at)
            changes = found + changes
            if len(changes) > ethr.MAX_CHANGES:
                raise Permanent(f"this did:ethr was changed more than {ethr.MAX_CHANGES} times")
        record = Record(ethr.read_owner(owner), tuple(changes))
        ethr.check(identity, record)
        return record


def registries(readers: Mapping[str, Reader], addresses: Mapping[str, str]) -> dict[int, DidRegistry]:
    """The registries that can be asked, by the chain's number.

    Args:
        readers, addresses: by CAIP-2 name; a chain needs both.
    """
    return {
        int(chain.removeprefix("eip155:")): DidRegistry(readers[chain], bytes.fromhex(address.removeprefix("0x")))
        for chain, address in addresses.items()
        if chain in readers
    }
