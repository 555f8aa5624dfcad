"""What a directory elsewhere says about one address; the same for all kinds of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Listed:
    """A person, or a group, as the other directory lists them.

    Attributes:
        addresses: all that lead there, the one that names the account first; a group's own alone.
        members: addresses of a group's members; None for a person.
    """

    addresses: tuple[str, ...]
    name: str = ""
    members: tuple[str, ...] | None = None


class Source(Protocol):
    """A directory elsewhere, which is only read."""

    async def find(self, address: str) -> Listed | None:
        """Who has this address (`Address.key`), None for nobody.

        Raises:
            Temporary: it cannot be asked now.
        """
        ...
