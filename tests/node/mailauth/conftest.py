"""A resolver over a table, the outer seam of message authentication, which counts what it is asked."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from node.mailauth.resolver import DnsTemporary, NoSuchName

MAX_CHAIN = 8


class Table:
    """Records by lower-case name and type. "TIMEOUT" among a name's types answers nothing that it does not have.

    Attributes:
        asked: every question, in order.
    """

    def __init__(self, records: dict[str, dict[str, list[object]]] | None = None) -> None:
        self.records = {name.lower().removesuffix("."): kinds for name, kinds in (records or {}).items()}
        self.asked: list[tuple[str, str]] = []

    def _find(self, name: str, kind: str) -> list[object]:
        self.asked.append((kind, name))
        for _ in range(MAX_CHAIN):
            kinds = self.records.get(name.lower().removesuffix("."))
            if kinds is None:
                raise NoSuchName(f"{name} does not exist")
            if kind in kinds:
                return kinds[kind]
            if "TIMEOUT" in kinds:
                raise DnsTemporary(f"no answer about {name}")
            if "CNAME" not in kinds:
                return []
            name = str(kinds["CNAME"][0])
        raise DnsTemporary(f"aliases of {name} go round in circles")

    async def txt(self, name: str) -> tuple[bytes, ...]:
        return tuple(text for text in self._find(name, "TXT") if isinstance(text, bytes))

    async def a(self, name: str) -> tuple[str, ...]:
        return tuple(map(str, self._find(name, "A")))

    async def aaaa(self, name: str) -> tuple[str, ...]:
        return tuple(map(str, self._find(name, "AAAA")))

    async def mx(self, name: str) -> tuple[tuple[int, str], ...]:
        found = (value for value in self._find(name, "MX") if isinstance(value, (tuple, list)))
        return tuple(sorted((int(value[0]), str(value[1])) for value in found))

    async def ptr(self, address: str) -> tuple[str, ...]:
        return tuple(map(str, self._find(ip_address(address).reverse_pointer, "PTR")))


@pytest.fixture
def table() -> Table:
    return Table()
