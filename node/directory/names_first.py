"""A directory that looks ENS names up before it says whose mail it is."""

from __future__ import annotations

from dataclasses import dataclass

from node.base.address import Address
from node.directory.names import Names
from node.directory.resolve import Directory, Resolution


@dataclass(frozen=True, slots=True)
class NamesFirst:
    """A `Directory` in front of another."""

    inner: Directory
    names: Names

    async def resolve(self, address: Address) -> Resolution:
        """See `Directory`."""
        await self.names.refresh(address)
        return await self.inner.resolve(address)

    async def has_room(self, found: Resolution, size: int) -> bool:
        """See `Directory`."""
        return await self.inner.has_room(found, size)
