"""A zone in memory: the outer seam of message authentication, in place of the DNS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from node.mailauth.resolver import NoSuchName


@dataclass
class Zone:
    """Answers TXT questions; an exception as a value is raised. Counts what it was asked."""

    records: Mapping[str, tuple[bytes, ...] | Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def txt(self, name: str) -> tuple[bytes, ...]:
        self.asked.append(name)
        found = self.records.get(name.removesuffix("."), NoSuchName(f"{name} does not exist"))
        if isinstance(found, Exception):
            raise found
        return found

    async def a(self, name: str) -> tuple[str, ...]:
        raise NotImplementedError(name)

    aaaa = a
    ptr = a

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        raise NotImplementedError(name)
